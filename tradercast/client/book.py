"""The book of a symbol at a time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradercast.book_levels import BookSide
from tradercast.client.book_objects import level_lists
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.timerange import format_time_ns

Level = tuple[Decimal, Decimal]
_SHOWN = 5


@dataclass(frozen=True, eq=False, slots=True)
class BookAt:
    """An order book at one time: every message up to it is in it.

    Attributes
    ----------
    feed : FeedId
    ts : int or None
        The time that was asked for (ns UTC); None for the newest book.
    ts_event : int or None
        Time of the last message in it, as far as it was looked at.
    book : Book
        All levels.
    reason : str or None
        Why it is not the exchange's book at this time: before the first snapshot, where messages
        are missing and until the next snapshot, and after the last message that is known.
    """

    feed: FeedId
    ts: int | None
    ts_event: int | None
    book: Book
    reason: str | None

    @property
    def valid(self) -> bool:
        """Whether it is the exchange's book; if not, see `reason`."""
        return self.reason is None

    def bids(self, depth: int | None = None) -> list[Level]:
        """Price and size of the best bids, best first; all without a `depth`."""
        return self._levels(BookSide.BID, depth)

    def asks(self, depth: int | None = None) -> list[Level]:
        """Price and size of the best asks, best first; all without a `depth`."""
        return self._levels(BookSide.ASK, depth)

    def to_dict(self, depth: int | None = None) -> dict[str, Any]:
        """Plain values: times in ns, prices and sizes as exact text, best first."""
        return {
            "feed": str(self.feed),
            "ts": self.ts if self.ts is not None else self.ts_event,
            "ts_event": self.ts_event,
            "valid": self.valid,
            "reason": self.reason,
            "bids": level_lists(self.book.levels(BookSide.BID, depth)),
            "asks": level_lists(self.book.levels(BookSide.ASK, depth)),
        }

    def _levels(self, side: BookSide, depth: int | None) -> list[Level]:
        levels = self.book.levels(side, depth)
        return list(zip(levels.price.to_decimals(), levels.size.to_decimals(), strict=True))

    def __repr__(self) -> str:
        time = self.ts if self.ts is not None else self.ts_event
        title = str(self.feed) + ("" if time is None else f" at {format_time_ns(time)}")
        lines = [title if self.valid else f"{title} · not valid: {self.reason}"]
        return "\n".join([*lines, *self.lines(_SHOWN)])

    def lines(self, depth: int | None = None) -> list[str]:
        """A line a level, the best ask above the best bid."""
        sides = [("ask", self.asks(depth)[::-1]), ("bid", self.bids(depth))]
        return [
            f"{name} {price:>18f} {size:>20f}" for name, levels in sides for price, size in levels
        ]
