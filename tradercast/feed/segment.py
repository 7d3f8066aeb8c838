"""The writing end of one segment: its tail, its archive, and the step from one to the other."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field

from tradercast.errors import WriterBehindError
from tradercast.feed.archive_blocks import ArchiveEnd, encode_runs
from tradercast.feed.channel import Channel, channel_of
from tradercast.feed.derived import DerivedLog
from tradercast.feed.sealing import Run
from tradercast.feed.tail_blocks import TailBlocks
from tradercast.feeds import FeedId

WORKERS = max(1, min(4, os.cpu_count() or 1))
DEPTH = 8 + 4 * WORKERS  # groups of runs in memory at a time: enough that no thread waits for work
_BATCH = 4 << 20  # bytes in one append to the archive; a run's blocks stay together


@dataclass(slots=True)
class Segment:
    """What is derived, and where it goes.

    Attributes
    ----------
    feed : FeedId
    tail, archive : TailBlocks, ArchiveEnd
        Derive the next blocks.
    tail_log, archive_log : DerivedLog
        Put them into the logs.
    pool : ThreadPoolExecutor
        Encodes.
    waiting : list of Run
        Finished runs of a tail that is not known yet to be the one that was signed.
    """

    feed: FeedId
    tail: TailBlocks
    archive: ArchiveEnd
    tail_log: DerivedLog
    archive_log: DerivedLog
    pool: ThreadPoolExecutor
    waiting: list[Run] = field(default_factory=list)

    @property
    def channel(self) -> Channel:
        """What its records are."""
        return channel_of(self.feed)

    @property
    def end_seq(self) -> int:
        """The number of the next record."""
        return self.tail.sealer.end_seq

    def encoded(
        self, end: ArchiveEnd, runs: AsyncGenerator[list[Run], None]
    ) -> AsyncGenerator[list[bytes], None]:
        """The blocks of the runs that follow this end of the archive, which moves on with them."""
        return encode_runs(end, runs, self.pool, DEPTH)

    async def seal(self, runs: Iterable[Run]) -> None:
        """Append finished runs to the archive; durable at the return.

        Raises
        ------
        WriterConflictError
            If the archive has other blocks there.
        """
        if self.tail_log.owes:
            self.waiting += runs
            return
        runs, self.waiting = [*self.waiting, *runs], []
        blocks: list[bytes] = []
        async with aclosing(self.encoded(self.archive, _once(runs))) as encoded:
            async for added in encoded:
                blocks += added
                if sum(map(len, blocks)) >= _BATCH:
                    await self.archive_log.put(blocks)
                    blocks = []
        if blocks:
            await self.archive_log.put(blocks)
        if self.archive_log.owes:
            raise WriterBehindError(
                f"the archive of {self.feed} lost blocks that its tail does not give again",
                hint="connect to a node that has them (a seeder or another writer) and start again",
            )


async def _once(runs: list[Run]) -> AsyncGenerator[list[Run], None]:
    yield runs
