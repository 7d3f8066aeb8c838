"""Bitfinex's names of symbols: ``tBTCUSD``, and ``tAVAX:USD`` where a part is not three long."""

from __future__ import annotations

import re

from tradercast.errors import BadNameError
from tradercast.exchanges.connector import Instrument
from tradercast.feeds import normalise_symbol

# Longer names first: BTCF0USTF0 ends with F0 contracts, and CNHT with no other name.  UST is how
# Bitfinex names Tether.
_QUOTES = (
    *("TESTUSDT", "TESTUSD", "USTF0", "BTCF0", "EURF0", "CNHT", "MXNT", "EUTF0", "XAUT"),
    *("USD", "UST", "BTC", "ETH", "EUR", "GBP", "JPY", "EOS", "XCH", "TRY", "MIM", "EUT"),
)
_NATIVE = re.compile(r"t[A-Z0-9]{2,20}(:[A-Z0-9]{2,20})?")
_PART = re.compile(r"[A-Z0-9]{2,20}", re.ASCII)
_SEPARATORS = re.compile(r"[/:_-]")


def instrument(text: str) -> Instrument:
    """Read ``btcusd``, ``BTC/USD``, ``avax-usd``, ``tAVAX:USD`` or ``tBTCF0:USTF0``.

    Raises
    ------
    BadNameError
        If it is no symbol, or it is not clear where its quote currency begins.
    """
    symbol = normalise_symbol(text)
    plain = text[1:] if _NATIVE.fullmatch(text) else text
    parts = _SEPARATORS.split(plain.upper())
    if len(parts) == 1:
        parts = _split(parts[0])
    if len(parts) != 2 or not all(_PART.fullmatch(part) for part in parts):
        raise BadNameError(
            f"it is not clear where the quote currency of {text!r:.80} begins",
            hint="write it with a separator, e.g. avax/usd, or as Bitfinex does, e.g. tAVAX:USD",
        )
    base, quote = parts
    colon = "" if len(base) == len(quote) == 3 else ":"
    kind = "perpetual" if base.endswith("F0") and quote.endswith("F0") else "spot"
    return Instrument(symbol, f"t{base}{colon}{quote}", base, quote, kind)


def _split(joined: str) -> list[str]:
    if len(joined) == 6:
        return [joined[:3], joined[3:]]
    for quote in _QUOTES:
        if joined.endswith(quote) and len(joined) > len(quote) + 1:
            return [joined[: -len(quote)], quote]
    return [joined]
