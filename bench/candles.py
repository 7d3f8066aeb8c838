"""Candles from many trades in memory, and from minutes."""

from __future__ import annotations

from functools import partial

from bench.codec import best
from bench.market import Market
from tradercast.market.candles import CandleBuilder, candles_of
from tradercast.market.interval import MINUTE, Interval

NAMES = ("1s", "1m", "5m", "1h", "1d", "1M")


def measure(market: Market, repeats: int = 5) -> dict[str, float]:
    """Trades a second for each interval, then minutes a second for hours; one thread."""
    trades = market.trades()
    found: dict[str, float] = {}
    for name in NAMES:
        interval = Interval.parse(name)
        # some 30 ms each: of a few runs even the fastest may have had a busy neighbour
        times = repeats if name == "1s" else 6 * repeats
        seconds = best(partial(candles_of, trades, interval), times)
        found[f"candles_{name}_trades_per_s"] = len(trades) / seconds
    minutes, hour = candles_of(trades, MINUTE), Interval.parse("1h")

    def hours() -> None:
        builder = CandleBuilder(hour)
        builder.add_candles(minutes)
        builder.candles()

    found["candles_1h_minutes_per_s"] = len(minutes) / best(hours, repeats)
    return found
