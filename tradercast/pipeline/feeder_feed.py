"""One feed of a feeder: messages in the order of their numbers, each into the log once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from tradercast.errors import SidecarLostError, SourceHoleError, WriterBehindError
from tradercast.feed.candle_writer import CandleWriter
from tradercast.feed.channel import BOOK, CANDLES
from tradercast.feed.writer import FeedWriter
from tradercast.feeds import FeedId
from tradercast.pipeline.book_batches import BookBatch, FeedMessage
from tradercast.pipeline.dedupe import WINDOW
from tradercast.pipeline.feeder_books import BookMaker
from tradercast.pipeline.feeder_positions import Seen
from tradercast.pipeline.feeder_records import Counts, RecordMaker
from tradercast.pipeline.feeder_search import IdSearch
from tradercast.records import Trades
from tradercast.runs import Records

OpenWriter: TypeAlias = Callable[[FeedId], AbstractAsyncContextManager[FeedWriter]]

CATCH_UP_S = 10.0
_PAUSE_S = 0.25
_REOPENED = 5  # times in a row that a writer is opened again after its sidecar was lost
# Records in one append.  With those that are in no archive chunk yet they fit into the window of
# recent ids, so that no record is in neither of the two places that are searched.
_AT_ONCE = WINDOW // 2

log = logging.getLogger(__name__)


class FedFeed:
    """Takes the messages of one feed.

    Parameters
    ----------
    feed : FeedId
    open_writer : callable
        Opens its writer.
    accept_gap : bool
        Write a gap record at the first hole that nobody can fill, instead of stopping.
    catch_up_s : float
        How long siblings may take to show that they have what is missing here.
    candles : bool
        Keep a feed of minute candles up with it.
    """

    def __init__(
        self,
        feed: FeedId,
        open_writer: OpenWriter,
        *,
        accept_gap: bool = False,
        catch_up_s: float = CATCH_UP_S,
        candles: bool = False,
    ) -> None:
        self.feed = feed
        self.counts = Counts()
        self.last = -1  # the newest message that was dealt with
        self.lost = False  # the log has not all that it had: older messages are needed again
        self._open_writer = open_writer
        self._accept_gap = accept_gap
        self._catch_up_s = catch_up_s
        self._held = contextlib.AsyncExitStack()
        self._writer: FeedWriter | None = None
        self._maker: RecordMaker | BookMaker | None = None
        self._with_candles = candles and feed.channel != BOOK.name
        self._candles: CandleWriter | None = None

    @property
    def seen(self) -> Seen:
        """How far it is; durable between two calls of `take` unless it owes."""
        return Seen(max(self.last, 0), self.end_seq if self.last >= 0 else 0)

    @property
    def end_seq(self) -> int:
        """Records of the log."""
        return 0 if self._writer is None else self._writer.end_seq

    @property
    def owes(self) -> bool:
        """Whether it only makes up yet for what its log lost; nothing of that is durable."""
        return self._writer is not None and self._writer.owes

    async def open(self, seen: Seen | None = None) -> None:
        """Open the writer, and find out from the log which message is next.

        Parameters
        ----------
        seen : Seen, optional
            What was written down; it only counts if the log has all that it had then.
        """
        for attempt in range(_REOPENED + 1):
            try:
                return await self._open(seen)
            except SidecarLostError as error:
                await self.close()
                if attempt == _REOPENED:
                    raise
                log.warning("%s: %s; opening it again", self.feed, error.message)
        raise AssertionError("unreachable")

    async def _open(self, seen: Seen | None) -> None:
        writer = await self._held.enter_async_context(self._open_writer(self.feed))
        maker: RecordMaker | BookMaker
        if self.feed.channel == BOOK.name:
            newest = await writer.history.last_message()
            maker = BookMaker(newest and newest[0], self.counts)
        else:
            maker = RecordMaker(IdSearch(writer.history), writer.end_seq, self.counts)
            await maker.read_back(writer.history.last(WINDOW))
        self.last = -1 if writer.message is None else writer.message
        if seen is not None and seen.end_seq <= writer.end_seq:
            self.last = max(self.last, seen.number)
        self.lost = writer.owes or (seen is not None and seen.end_seq > writer.end_seq)
        self._writer, self._maker = writer, maker
        if self._with_candles:
            feed = FeedId(self.feed.exchange, self.feed.symbol, CANDLES.name)
            candles = await self._held.enter_async_context(self._open_writer(feed))
            self._candles = CandleWriter(writer, candles)
            if not writer.owes:
                await self._candles.catch_up()

    async def close(self) -> None:
        """Let another writer have the feed."""
        self._writer = self._maker = self._candles = None
        await self._held.aclose()

    async def take(self, messages: Sequence[FeedMessage]) -> None:
        """Append what is new in messages; durable at the return, unless it owes.

        While `lost` is set, messages after a hole are left alone: the caller has to come with
        older ones, and to take `lost` back.

        Raises
        ------
        SourceHoleError
            If messages are missing before one of them, and no sibling has them.  What came before
            the hole is durable.
        """
        for attempt in range(_REOPENED + 1):
            try:
                return await self._take(messages)
            except SidecarLostError as error:
                if attempt == _REOPENED:
                    raise
                log.warning("%s: %s; opening it again", self.feed, error.message)
                await self._reopen()
        raise AssertionError("unreachable")

    async def _take(self, messages: Sequence[FeedMessage]) -> None:
        made: list[Records] = []
        numbers: list[int] = []
        seen = self.last  # becomes `last` when it is durable
        count = 0
        for message in messages:
            if message.number <= seen:
                self.counts.reread += 1
                continue
            lost = None
            if message.number > seen + 1:
                await self._append(made, numbers, seen)
                if self.lost:
                    return
                made, numbers, count = [], [], 0
                lost = await self._bridge(message.number)
                seen = self.last
                if message.number <= seen:
                    continue
            elif count + len(message.records) > _AT_ONCE:
                await self._append(made, numbers, seen)
                made, numbers, count = [], [], 0
            records = await self._make(message, lost)
            self.lost = False  # the source is where the log ends
            seen = message.number
            if len(records):
                made.append(records)
                numbers.append(message.number)
                count += len(records)
        await self._append(made, numbers, seen)

    async def _make(self, message: FeedMessage, lost: tuple[int, int] | None) -> Records:
        if isinstance(message, BookBatch):
            assert isinstance(self._maker, BookMaker)
            return await self._maker.make(message, lost)
        assert isinstance(self._maker, RecordMaker)
        return await self._maker.make(message, lost)

    async def _append(self, made: list[Records], numbers: list[int], last: int) -> None:
        assert self._writer is not None
        if made:
            report = await self._writer.append(made, numbers)
            self.counts.appended += report.end_seq - report.first_seq
            if self._candles is not None and not self._writer.owes:
                trades = [run for run in made if isinstance(run, Trades)]
                await self._candles.take(report.first_seq, Trades.concat(trades))
        self.last = last

    async def _bridge(self, number: int) -> tuple[int, int] | None:
        """Get past a hole before message `number`: by what siblings wrote, or by a gap record.

        Returns
        -------
        (int, int) or None
            First and last message that are given up.
        """
        log.warning("%s: message %d follows %d; asking siblings", self.feed, number, self.last)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._catch_up_s
        while True:
            assert self._writer is not None
            left = deadline - loop.time()
            if await self._writer.is_overtaken(max(left, _PAUSE_S)):
                await self._reopen()
                if self.last >= number - 1:
                    return None
            if left <= 0:
                break
            await asyncio.sleep(_PAUSE_S)
        lost = (self.last + 1, number - 1)
        if self.owes:
            raise WriterBehindError(
                f"{self.feed} has not all blocks that were signed before, and messages {lost[0]} "
                f"to {lost[1]}, of which they were made, are missing",
                hint="connect to a node that has the rest (a seeder or another writer) and start "
                "again",
            )
        if self._accept_gap:
            self._accept_gap = False
            log.warning("%s: messages %d to %d are given up", self.feed, *lost)
            return lost
        raise SourceHoleError(
            f"messages {lost[0]} to {lost[1]} of {self.feed} are missing: message {number} "
            f"follows {self.last}",
            hint=f"start it beside a node that has them; if they are lost for ever, run "
            f"`tradercast feeder --accept-gap {self.feed}` on one node only",
        )

    async def _reopen(self) -> None:
        seen = self.seen if self.last >= 0 else None
        await self.close()
        await self.open(seen)
