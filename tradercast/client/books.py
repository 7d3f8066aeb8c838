"""Books that are asked for by time: from the disk if that is enough, else from peers."""

from __future__ import annotations

import asyncio
import contextlib

from tradercast.client.book import BookAt
from tradercast.client.book_flow import Traded
from tradercast.client.book_snapshots import Steps
from tradercast.client.feed import OpenFeed, SegmentPlan
from tradercast.client.opening import Opener
from tradercast.errors import IncompleteError, NoPeerError, UnknownSymbolError
from tradercast.feed.book_at import BookReader, BookState
from tradercast.feed.reader import Piece, ReadReport, SegmentReader
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.market.book_steps import BookSteps
from tradercast.rows import I64
from tradercast.timerange import MAX_TIME_NS


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
            raise _nothing_here(symbol)
        return _answer(feed.feed, time_ns, state)

    async def steps(
        self, symbol: str, steps: Steps, *, exchange: str | None, sync: bool, with_flow: bool
    ) -> tuple[FeedId, BookSteps, ReadReport]:
        """See `AsyncClient.book_snapshots`."""
        feed = await self._opener.here(symbol, exchange, "book")
        taken, report = None, ReadReport()
        if feed is not None:
            with contextlib.suppress(IncompleteError):
                taken = await take_steps(feed, steps, report, with_flow=with_flow)
        if sync and (taken is None or not taken.is_settled or report.missing):
            try:
                feed = await self._opener.remote(symbol, exchange, "book")
                report = ReadReport()
                taken = await take_steps(feed, steps, report, with_flow=with_flow)
                self._opener.keep(feed)
            except NoPeerError:
                if taken is None:
                    raise
        if feed is None or taken is None:
            raise _nothing_here(symbol)
        return feed.feed, taken, report

    def _reader(self, reader: SegmentReader) -> BookReader:
        return self._readers.setdefault(reader, BookReader(reader))

    async def _state(self, feed: OpenFeed, time_ns: int) -> BookState:
        """That of the last segment that has a record so early."""
        for segment in reversed(feed.segments):
            found = await self._reader(segment.reader).at(time_ns)
            if found is not None:
                return found
        return BookState(Book(), None, "there is no message so early", is_settled=False)


async def take_steps(
    feed: OpenFeed, steps: Steps, report: ReadReport, *, with_flow: bool
) -> BookSteps:
    """The book of a feed at fixed steps; what nobody has is noted in `report`."""
    taken = BookSteps(steps.times, steps.depth, with_flow=with_flow)
    for segment in feed.segments:
        taken.begin()
        runs = BookReader(segment.reader).runs(steps.time_range, report)
        async for first_seq, keyframe, messages in runs:
            await asyncio.to_thread(taken.take, first_seq, keyframe, messages)
        if not report.missing:
            taken.finish()
    return taken


async def traded_between(
    feed: OpenFeed, plans: list[SegmentPlan], times: I64, report: ReadReport
) -> Traded:
    """The trades of a feed between steps."""
    trades = Piece.joined([piece async for piece in feed.load(plans, report)]).trades
    return await asyncio.to_thread(Traded.between, times, trades, report.gaps)


def _nothing_here(symbol: str) -> UnknownSymbolError:
    return UnknownSymbolError(
        f"nothing of the book of {symbol!r} is here",
        hint="read it with sync=True while peers are online",
    )


def _answer(feed: FeedId, time_ns: int | None, state: BookState) -> BookAt:
    reason = state.reason
    if time_ns is None and not state.is_settled and state.book.valid:
        reason = None  # the newest book is asked for, whatever time it is
    return BookAt(feed, time_ns, state.ts_event, state.book, reason)
