"""The book of a symbol at a time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradercast.book_levels import BookSide
from tradercast.client.book_objects import level_lists
from tradercast.client.feed import OpenFeed
from tradercast.client.opening import Opener
from tradercast.errors import IncompleteError, NoPeerError, UnknownSymbolError
from tradercast.feed.book_at import BookReader, BookState
from tradercast.feed.reader import SegmentReader
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.timerange import MAX_TIME_NS, format_time_ns

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


class Books:
    """Answers for the book at a time, from the disk if that is enough, else from peers.

    Parameters
    ----------
    opener : Opener
        Opens the feeds.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._readers: dict[SegmentReader, BookReader] = {}

    async def at(
        self, symbol: str, time_ns: int | None, *, exchange: str | None, sync: bool
    ) -> BookAt:
        """See `AsyncClient.book_at`."""
        wanted = MAX_TIME_NS if time_ns is None else time_ns
        feed = await self._opener.here(symbol, exchange, "book")
        state = None
        if feed is not None:
            with contextlib.suppress(IncompleteError):
                state = await self._state(feed, wanted)
        if sync and (state is None or not state.is_settled):
            try:
                feed = await self._opener.remote(symbol, exchange, "book")
                state = await self._state(feed, wanted)
                self._opener.keep(feed)
            except NoPeerError:  # without a network what is here is all there is
                if state is None:
                    raise
        if feed is None or state is None:
            raise UnknownSymbolError(
                f"nothing of the book of {symbol!r} is here",
                hint="read it with sync=True while peers are online",
            )
        return _answer(feed.feed, time_ns, state)

    async def _state(self, feed: OpenFeed, time_ns: int) -> BookState:
        """That of the last segment that has a record so early."""
        for segment in reversed(feed.segments):
            reader = self._readers.setdefault(segment.reader, BookReader(segment.reader))
            found = await reader.at(time_ns)
            if found is not None:
                return found
        return BookState(Book(), None, "there is no message so early", is_settled=False)


def _answer(feed: FeedId, time_ns: int | None, state: BookState) -> BookAt:
    reason = state.reason
    if time_ns is None and not state.is_settled and state.book.valid:
        reason = None  # the newest book is asked for, whatever time it is
    return BookAt(feed, time_ns, state.ts_event, state.book, reason)
