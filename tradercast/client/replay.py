"""Several feeds as one stream, from their history into what is new."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tradercast.book_messages import BookMessages
from tradercast.client.feed import OpenFeed, SegmentPlan
from tradercast.client.live import follow_feed
from tradercast.client.missing import OnMissing, tell_missing
from tradercast.client.node import Node
from tradercast.errors import MissingDataError
from tradercast.feed.reader import Piece, ReadReport, SegmentReader
from tradercast.market.replay_merge import Merge, ReplayBatch
from tradercast.market.replay_times import FeedTimes, has_receive_times
from tradercast.timerange import MAX_TIME_NS, TimeRange

_SMALL = 4_096  # records: smaller pieces are put together
_AHEAD = 1  # groups of pieces that arrived together


class _Mark(enum.Enum):
    SEGMENT = enum.auto()  # the next piece is of the next segment
    CAUGHT_UP = enum.auto()  # the next piece is new
    END = enum.auto()


_Item: TypeAlias = "Piece | _Mark | Exception"


@dataclass(frozen=True, slots=True)
class ReplayFeed:
    """A feed that is replayed.

    Attributes
    ----------
    feed : OpenFeed
    plans : list of SegmentPlan
        Its history.
    opening : BookMessages or None
        The book before it, as a snapshot.
    """

    feed: OpenFeed
    plans: list[SegmentPlan]
    opening: BookMessages | None = None

    def before(self, first: Piece | None) -> Piece | None:
        """The opening, with the number of the record that it is behind."""
        if self.opening is None:
            return None
        next_seq = self.plans[-1].plan.end_seq if first is None else int(first.seq[0])
        return Piece(self.opening, np.array([next_seq - 1], np.int64))


class Replay:
    """Reads the feeds at the same time, and merges them.

    Parameters
    ----------
    node : Node
    feeds : sequence of ReplayFeed
        Of records of the same time those of an earlier feed come first.
    on_missing : {"raise", "warn", "ignore"}
    follow : bool
        Go on with what is new; then all feeds are opened with ``remote=True``.
    in_order : bool
        What is new comes in the order of history too: when every feed has a record as late.
    """

    def __init__(
        self,
        node: Node,
        feeds: Sequence[ReplayFeed],
        on_missing: OnMissing,
        *,
        follow: bool,
        in_order: bool = False,
    ) -> None:
        self._in_order = in_order
        self._news = asyncio.Event()
        self._sources = [_Source(node, feed, on_missing, follow, self._news) for feed in feeds]
        self._merge = Merge(len(feeds))
        self._missing: MissingDataError | None = None

    async def batches(self) -> AsyncGenerator[ReplayBatch, None]:
        """All records, each once.

        Raises
        ------
        MissingDataError
            Behind everything that is there, and before anything new.
        ForkError
        """
        tasks = [asyncio.create_task(source.run()) for source in self._sources]
        try:
            await self._begin()
            is_live = False
            while True:
                self._news.clear()
                self._take_all()
                batch = self._merge.take()
                if batch is not None:
                    yield batch
                elif not all(source.is_caught_up for source in self._sources):
                    await self._news.wait()
                elif not is_live and self._missing is not None:
                    raise self._missing
                elif all(source.has_ended for source in self._sources):
                    return
                elif not is_live:
                    is_live = True
                    self._merge.go_live()
                else:
                    await self._news.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self) -> None:
        """Wait for the first records: they say what all go by."""
        waits = (source.first(past_history=self._in_order) for source in self._sources)
        firsts = await asyncio.gather(*waits)
        by_receipt = all(has_receive_times(piece.records) for piece in firsts if piece is not None)
        for source, first in zip(self._sources, firsts, strict=True):
            source.times = FeedTimes(source.opened.feed.feed, by_receipt=by_receipt)
            source.open_with(source.opened.before(first))

    def _take_all(self) -> None:
        """What is at hand; of history only where nothing is left: another may be far behind."""
        for at, source in enumerate(self._sources):
            is_wanted = self._merge.is_empty(at)
            while source.is_caught_up or is_wanted:
                item = source.next()
                if item is None:
                    break
                if isinstance(item, Exception) and not self._merge.is_empty(at):
                    source.put_back(item)  # behind what came before it
                    break
                self._take(at, item)

    def _take(self, at: int, item: _Item) -> None:
        source = self._sources[at]
        if isinstance(item, Piece):
            more = self._in_order or not source.is_caught_up
            self._merge.add(at, source.times.take(item.records, item.run, more=more))
            return
        if isinstance(item, MissingDataError):
            self._missing = item
        elif isinstance(item, Exception):
            raise item
        if item is _Mark.CAUGHT_UP and self._in_order:
            source.is_caught_up = True
            return
        rest = source.times.rest()
        if rest is not None:
            self._merge.add(at, rest)
        if item is _Mark.SEGMENT:
            source.times.begin()
            return
        self._merge.pass_over(at)
        source.is_caught_up = True
        source.has_ended = item is not _Mark.CAUGHT_UP


class _Source:
    """Reads one feed ahead of the merge, by a few pieces."""

    times: FeedTimes

    def __init__(
        self,
        node: Node,
        opened: ReplayFeed,
        on_missing: OnMissing,
        follow: bool,
        news: asyncio.Event,
    ) -> None:
        self.opened = opened
        self.is_caught_up = False
        self.has_ended = False
        self._node = node
        self._on_missing = on_missing
        self._follow = follow
        self._news = news
        self._queue: asyncio.Queue[list[_Item]] = asyncio.Queue(_AHEAD)
        self._ahead: deque[_Item] = deque()
        self._first = 0

    async def run(self) -> None:
        """Read until the end, or for ever."""
        last: _Item = _Mark.END
        try:
            async with contextlib.aclosing(self._items()) as items:
                async for several in items:
                    await self._put(several)
        except Exception as error:  # the reader of the queue raises it
            last = error
        await self._put([last])

    async def _put(self, items: list[_Item]) -> None:
        await self._queue.put(items)
        self._news.set()

    async def first(self, *, past_history: bool) -> Piece | None:
        """The first records, which stay to be taken; None if there are none (yet)."""
        while True:
            items = await self._queue.get()
            self._first = len(self._ahead)
            self._ahead += items
            passes = items[0] is _Mark.CAUGHT_UP and past_history
            if items[0] is not _Mark.SEGMENT and not passes:
                return items[0] if isinstance(items[0], Piece) else None

    def next(self) -> _Item | None:
        """What is at hand."""
        if not self._ahead and not self._queue.empty():
            self._ahead += self._queue.get_nowait()
        return self._ahead.popleft() if self._ahead else None

    def put_back(self, item: _Item) -> None:
        """Give it once more."""
        self._ahead.appendleft(item)

    def open_with(self, piece: Piece | None) -> None:
        """Give this right before the first records."""
        if piece is not None:
            self._ahead.insert(self._first, piece)

    async def _items(self) -> AsyncGenerator[list[_Item], None]:
        plans, report, feed = self.opened.plans, ReadReport(), self.opened.feed
        for at, each in enumerate(plans):
            if at:
                yield [_Mark.SEGMENT]
            groups = each.segment.reader.read_groups(each.plan, report, keep_gaps=True)
            async for pieces in _gathered(groups):
                yield [*pieces]
        if self._node.fork is not None:
            raise self._node.fork
        tell_missing(feed.feed, plans[0].plan.time_range, report, self._on_missing)
        if self._follow:
            async with contextlib.aclosing(self._new()) as items:
                async for item in items:
                    yield [item]

    async def _new(self) -> AsyncGenerator[_Item, None]:
        """Records behind the plan; those that were there already come before `CAUGHT_UP`."""
        ends = {each.segment.segment.name: each.plan.end_seq for each in self.opened.plans}
        newest = self.opened.feed.segments[-1]
        next_seq = ends[newest.segment.name]
        pieces = follow_feed(self._node, self.opened.feed, ends)
        async with contextlib.aclosing(pieces):
            while next_seq < (known := await _end_of(newest.reader)):
                while next_seq < known:
                    piece = await anext(pieces)
                    next_seq = int(piece.seq[-1]) + 1
                    yield piece
            yield _Mark.CAUGHT_UP
            async for piece in pieces:
                yield piece


async def _end_of(reader: SegmentReader) -> int:
    """How many records a segment has by now."""
    return (await reader.plan(TimeRange(MAX_TIME_NS, MAX_TIME_NS))).end_seq


async def _gathered(groups: AsyncIterator[list[Piece]]) -> AsyncIterator[list[Piece]]:
    """The same records, the small pieces of a tail put together."""
    small: list[Piece] = []
    async for pieces in groups:
        ready: list[Piece] = []
        for piece in pieces:
            if len(piece) < _SMALL:
                small.append(piece)
                if sum(map(len, small)) < _SMALL:
                    continue
                piece = Piece.joined(small)
            elif small:
                ready.append(Piece.joined(small))
            small = []
            ready.append(piece)
        if ready:
            yield ready
    if small:
        yield [Piece.joined(small)]
