"""Quotes on both sides of a book, further from the side that is held already.

``python examples/market_making.py SYMBOL [START END] [--link LINK] [--plot FILE]``
"""

from __future__ import annotations

import argparse
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import tradercast
from tradercast.book_levels import BookSide
from tradercast.market.book import Book
from tradercast.notes import Gap
from tradercast.timerange import NS_PER_S


class MarketMaker(tradercast.Strategy):
    """Quotes a spread around the middle of the book, moved against the inventory.

    With `most` in hand the quotes stand a whole `skew` lower, so that selling is likelier than
    buying, and the other way round; on a side that would hold more than that it does not quote.
    """

    def __init__(
        self,
        size: str = "0.01",
        most: str = "0.05",
        spread: str = "2",
        skew: str = "3",
        tick: str = "0.01",
        every_s: float = 1.0,
    ) -> None:
        self.size, self.most = Decimal(size), Decimal(most)
        self.spread, self.skew, self.tick = Decimal(spread), Decimal(skew), Decimal(tick)
        self.every_ns = int(every_s * NS_PER_S)

    def on_start(self) -> None:
        """Nothing is quoted yet."""
        self.next_ns = 0

    def on_book(self, book: Book) -> None:
        """Put new quotes in the place of the old ones, once in a while."""
        if self.now < self.next_ns:
            return
        self.next_ns = self.now + self.every_ns
        self.cancel()
        bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
        if not book.valid or bid is None or ask is None:
            return
        held = self.position()
        middle = (bid[0] + ask[0]) / 2 - self.skew * held / self.most
        buy_at = min(self.rounded(middle - self.spread / 2, ROUND_FLOOR), ask[0] - self.tick)
        sell_at = max(self.rounded(middle + self.spread / 2, ROUND_CEILING), bid[0] + self.tick)
        if held + self.size <= self.most:
            self.buy(self.size, buy_at)
        if held - self.size >= -self.most:
            self.sell(self.size, sell_at)

    def on_gap(self, gap: Gap) -> None:
        """Nobody knows the book any more: out of the market."""
        self.cancel()

    def rounded(self, price: Decimal, way: str) -> Decimal:
        """A price that the exchange takes."""
        return (price / self.tick).to_integral_value(way) * self.tick


def main() -> None:
    """Run it over history, with a latency of 5 ms and the fees of a large account."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol")
    parser.add_argument("start", nargs="?")
    parser.add_argument("end", nargs="?")
    parser.add_argument("--link", help="of a publisher; otherwise what is here is used")
    parser.add_argument("--plot", metavar="FILE")
    given = parser.parse_args()
    broker = tradercast.PaperBroker("10000", "0.00002", "0.0004", latency_ns=5_000_000)
    with tradercast.connect(link=given.link) as client:
        result = tradercast.backtest(
            MarketMaker(),
            given.symbol,
            given.start,
            given.end,
            ["trades", "book"],
            broker=broker,
            client=client,
            sync=given.link is not None,
        )
    for name, value in result.summary().items():
        print(f"{name:>13}  {value}")
    if given.plot:
        result.plot(given.plot)


if __name__ == "__main__":
    main()
