"""In the market while a short average of closes is above a long one.

``python examples/moving_averages.py SYMBOL [START END] [--interval 1h] [--plot FILE]``
"""

from __future__ import annotations

import argparse
from collections import deque
from decimal import Decimal

import tradercast
from tradercast.market.replay_events import ReplayCandle
from tradercast.timerange import format_time_ns


class MovingAverages(tradercast.Strategy):
    """Buys when the short average rises above the long one, and sells when it falls below."""

    def __init__(self, interval: str = "1h", short: int = 5, long: int = 20, size: str = "0.1"):
        self.interval = interval
        self.short, self.long, self.size = short, long, Decimal(size)

    def on_start(self) -> None:
        """No candle is known yet."""
        self.closes: deque[Decimal] = deque(maxlen=self.long)

    def on_candle(self, candle: ReplayCandle) -> None:
        """One more; orders go to the market at once."""
        self.closes.append(candle.close)
        if len(self.closes) < self.long or self.orders():
            return
        newest = list(self.closes)[-self.short :]
        is_above = sum(newest) * self.long > sum(self.closes) * self.short
        if is_above and not self.position():
            self.buy(self.size)
        elif not is_above and self.position():
            self.sell(self.position())


def main() -> None:
    """Run it over history, paying a tenth of a percent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol")
    parser.add_argument("start", nargs="?")
    parser.add_argument("end", nargs="?")
    parser.add_argument("--interval", default="1h")
    parser.add_argument(
        "--channel", default="trades", help="or candles-1m, if there is such a feed"
    )
    parser.add_argument("--link", help="of a publisher; otherwise what is here is used")
    parser.add_argument("--plot", metavar="FILE")
    given = parser.parse_args()
    with tradercast.connect(link=given.link) as client:
        result = tradercast.backtest(
            MovingAverages(given.interval),
            given.symbol,
            given.start,
            given.end,
            given.channel,
            broker=tradercast.PaperBroker("10000", taker_fee="0.001"),
            client=client,
            sync=given.link is not None,
        )
    for fill in result.fills[-10:]:
        print(format_time_ns(fill.ts), fill.side, fill.size, "at", fill.price)
    print(result)
    if given.plot:
        result.plot(given.plot)


if __name__ == "__main__":
    main()
