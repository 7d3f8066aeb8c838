"""What a segment holds already, for a writer that has to know: its last records, and a search."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tradercast.book_messages import BookMessages
from tradercast.chunks import decode_book, decode_trades
from tradercast.errors import IncompleteError
from tradercast.feed.archive import ArchiveIndex, ChunkRef
from tradercast.feed.segment import Segment
from tradercast.records import Trades
from tradercast.timerange import TimeRange


class History:
    """The records of a segment that were appended before.

    Parameters
    ----------
    segment : Segment
        Of a feed of trades, or for `last_message` of books; its archive is held on this node.
    """

    def __init__(self, segment: Segment) -> None:
        self._segment = segment

    @property
    def sealed_seq(self) -> int:
        """The records before this one are in the archive, the others in the tail."""
        return self._segment.archive.end_seq

    @property
    def opened(self) -> tuple[int, Trades] | None:
        """The first seq and the records behind the last finished chunk, if there are some."""
        sealer = self._segment.tail.sealer
        if sealer.end_seq == sealer.open_seq:
            return None
        records = sealer.open_records()
        assert isinstance(records, Trades)
        return sealer.open_seq, records

    async def last_message(self) -> tuple[int, int] | None:
        """Of a feed of books: ``ts_event`` and ``last_id`` of the newest record.

        Raises
        ------
        IncompleteError
            If its chunk is not held here.
        """
        sealer = self._segment.tail.sealer
        if sealer.end_seq > sealer.open_seq:
            records = sealer.open_records()
        elif self.sealed_seq:
            [ref] = await (await self.index()).chunks_between(self.sealed_seq - 1, self.sealed_seq)
            records = (await asyncio.to_thread(decode_book, await self._block(ref)))[2]
        else:
            return None
        assert isinstance(records, BookMessages)
        return int(records.ts_event[-1]), int(records.filled("last_id")[-1])

    async def last(self, count: int) -> AsyncIterator[tuple[int, Trades]]:
        """The last `count` records, at least, in order: runs, each with its first seq."""
        async for run in self.since(max(0, self._segment.end_seq - count)):
            yield run

    async def since(self, seq: int) -> AsyncIterator[tuple[int, Trades]]:
        """The records from `seq` on, and some before it in its chunk: as of `last`."""
        index = await self.index()
        for ref in await index.chunks_between(seq, self.sealed_seq):
            yield ref.first_seq, await self.load(ref)
        if self.opened is not None:
            yield self.opened

    async def index(self) -> ArchiveIndex:
        """The index of what this writer has sealed."""
        archive = self._segment.archive
        return await ArchiveIndex.load(
            self._segment.archive_log.core, 2 * archive.n_chunks, wait=False
        )

    async def chunks_for(self, time_range: TimeRange) -> list[ChunkRef]:
        """The archive's chunks that may hold a record of the range, in order."""
        return await (await self.index()).chunks_for(time_range)

    async def load(self, ref: ChunkRef) -> Trades:
        """The records of a chunk.

        Raises
        ------
        IncompleteError
            If it is not held here.
        """
        return (await asyncio.to_thread(decode_trades, await self._block(ref)))[1]

    async def _block(self, ref: ChunkRef) -> bytes:
        data = await self._segment.archive_log.core.get(ref.block)
        if data is None:
            raise IncompleteError(
                f"chunk {ref.number} of the archive of {self._segment.feed} is not here",
                hint="connect to a node that has it and start again",
            )
        return data
