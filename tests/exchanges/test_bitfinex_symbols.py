"""Bitfinex's names: those of its own list of pairs, from joined spellings and back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tradercast.errors import BadNameError
from tradercast.exchanges.bitfinex.symbols import instrument


@pytest.mark.parametrize(
    ("text", "symbol", "native", "base", "quote"),
    [
        ("btcusd", "btcusd", "tBTCUSD", "BTC", "USD"),
        ("BTC/USD", "btcusd", "tBTCUSD", "BTC", "USD"),
        ("tBTCUSD", "btcusd", "tBTCUSD", "BTC", "USD"),
        ("btcust", "btcust", "tBTCUST", "BTC", "UST"),
        ("avaxusd", "avaxusd", "tAVAX:USD", "AVAX", "USD"),
        ("tAVAX:USD", "avaxusd", "tAVAX:USD", "AVAX", "USD"),
        ("avax-ust", "avaxust", "tAVAX:UST", "AVAX", "UST"),
        ("eth2xust", "eth2xust", "tETH2X:UST", "ETH2X", "UST"),
        ("btccnht", "btccnht", "tBTC:CNHT", "BTC", "CNHT"),
        ("tBTCF0:USTF0", "btcf0ustf0", "tBTCF0:USTF0", "BTCF0", "USTF0"),
        ("btcf0ustf0", "btcf0ustf0", "tBTCF0:USTF0", "BTCF0", "USTF0"),
    ],
)
def test_spellings(text: str, symbol: str, native: str, base: str, quote: str) -> None:
    found = instrument(text)

    assert (found.symbol, found.native) == (symbol, native)
    assert (found.base, found.quote) == (base, quote)


def test_perpetuals_are_told_from_spot() -> None:
    assert instrument("btcf0ustf0").type == "perpetual"
    assert instrument("btcusd").type == "spot"


@pytest.mark.parametrize("text", ["../x", "", "btc", "avaxxyz", "a/b/c", "btc usd!", "t:", "é/usd"])
def test_what_is_no_symbol(text: str) -> None:
    with pytest.raises(BadNameError):
        instrument(text)


def test_every_pair_that_bitfinex_listed(shared_data: Path) -> None:
    with gzip.open(shared_data / "ws" / "BITFINEX.0.gz", "rt") as file:
        pairs = json.loads(next(file).partition("-> ")[2].partition(": ")[2])[0]

    assert len(pairs) > 250
    for pair in pairs:
        joined = pair.replace(":", "").lower()
        assert instrument("t" + pair).native == "t" + pair
        assert instrument("t" + pair).symbol == joined
        assert instrument(joined).native == "t" + pair
