"""Names of feeds: ``exchange/symbol/channel``, and the many ways people spell a symbol."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tradercast.errors import BadNameError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_SEPARATORS = re.compile(r"[/_:\s-]")


def check_name(part: str, what: str) -> str:
    """Return `part` if it is a legal name, else raise.

    Raises
    ------
    BadNameError
        If `part` does not match ``[a-z0-9][a-z0-9._-]{0,63}``.
    """
    if not isinstance(part, str) or not _NAME.fullmatch(part):
        shown = repr(part if isinstance(part, str) and len(part) <= 80 else str(part)[:80] + "…")
        raise BadNameError(
            f"{shown} is not a valid {what}",
            hint="use lower-case letters, digits, '.', '_' and '-', at most 64, e.g. 'btcusd'",
        )
    return part


def normalise_symbol(text: str) -> str:
    """The project's spelling of a symbol.

    ``BTC/USD``, ``BTC-USD``, ``btc_usd`` and Bitfinex's ``tBTCUSD`` all mean ``btcusd``.

    Raises
    ------
    BadNameError
        If what remains is not a legal name (``../x``, an empty text, odd characters).
    """
    if re.fullmatch(r"t[A-Z0-9:]{5,}", text):
        text = text[1:]
    if ".." in text or text.startswith(("/", "-")) or text.count("/") > 1:
        return check_name(text, "symbol")
    return check_name(_SEPARATORS.sub("", text).lower(), "symbol")


@dataclass(frozen=True, slots=True, order=True)
class FeedId:
    """All records of one channel of one symbol, e.g. ``bitfinex/btcusd/trades``."""

    exchange: str
    symbol: str
    channel: str = "trades"

    def __post_init__(self) -> None:
        check_name(self.exchange, "exchange")
        check_name(self.symbol, "symbol")
        check_name(self.channel, "channel")

    @classmethod
    def parse(cls, text: str) -> FeedId:
        """Read ``exchange/symbol[/channel]``.

        Raises
        ------
        BadNameError
            If there are not two or three legal parts.
        """
        parts = text.split("/")
        if not 2 <= len(parts) <= 3:
            raise BadNameError(
                f"{text!r} is not a feed",
                hint="write exchange/symbol[/channel], e.g. bitfinex/btcusd/trades",
            )
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.exchange}/{self.symbol}/{self.channel}"
