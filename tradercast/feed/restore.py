"""Where a segment's writer stopped, found from the last blocks of its two logs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tradercast.chunks import ChunkHeader, TailInfo, chunk_block, decode_header
from tradercast.errors import StalledError, WriterBehindError, WriterConflictError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.archive_blocks import ArchiveEnd
from tradercast.feed.channel import channel_of
from tradercast.feed.sealing import Run, Sealer
from tradercast.feed.tail_blocks import TailBlocks
from tradercast.feeds import FeedId
from tradercast.log import Core


@dataclass(frozen=True, slots=True)
class Restored:
    """The state of a segment's writer.

    Attributes
    ----------
    tail : TailBlocks
        Derives the next tail block.
    archive : ArchiveEnd
        Derives the next archive block.  It may stand before blocks that exist already; these are
        derived again then, and compared.
    runs : list of Run
        Finished runs that `archive` does not have yet: of an interrupted seal.
    first_block : int
        The first tail block that was needed; all before it are sealed.
    """

    tail: TailBlocks
    archive: ArchiveEnd
    runs: list[Run]
    first_block: int


async def restore(
    feed: FeedId,
    tail: Core,
    tail_length: int,
    archive: Core,
    archive_length: int,
    stall_s: float = 10.0,
) -> Restored:
    """Find the state in which the last writer left a segment.

    Parameters
    ----------
    feed : FeedId
        The feed that the logs should be of.
    tail, archive : Core
        The logs; what is missing of the tail's end is fetched from peers.
    tail_length, archive_length : int
        Their lengths, settled.
    stall_s : float
        How long peers may send nothing.

    Raises
    ------
    WriterBehindError
        If a block that is needed can not be had.
    WriterConflictError
        If the logs do not fit each other.
    """
    try:
        return await _Restore(feed, tail, archive, stall_s).run(tail_length, archive_length)
    except StalledError:
        raise WriterBehindError(
            f"the last blocks of {feed} are not all here, and no peer sends them",
            hint="connect to a node that has them (a seeder or another writer) and start again",
        ) from None


async def newest_archive(core: Core, feed: FeedId, stall_s: float = 10.0) -> ArchiveEnd:
    """The end of an archive that is all here, up to its last complete run."""
    length = (await core.info()).contiguous_length
    index = await ArchiveIndex.load(core, length, True, stall_s)
    return await archive_before(core, index, feed, index.end_seq, stall_s)


async def archive_before(
    core: Core, index: ArchiveIndex, feed: FeedId, seq: int, stall_s: float
) -> ArchiveEnd:
    """An archive's end before the run that holds record `seq`, or its newest end."""
    ref = await index.chunk_of_seq(seq)
    chunks = index.n_chunks if ref is None else ref.number
    channel = channel_of(feed)
    chain, encoder = b"", channel.encoder
    while chunks:
        data = await core.get(chunk_block(chunks - 1), True, stall_s)
        assert data is not None
        if chain := decode_header(data).chain:
            encoder = await asyncio.to_thread(channel.encoder_behind, data)
            break
        chunks -= 1  # of a run that was halved, only the last chunk has the hash
    if chunks < index.n_chunks:
        index = await ArchiveIndex.load(core, 2 * chunks, True, stall_s)
    return ArchiveEnd(feed, encoder, index.newest, index.full, chain)


class _Restore:
    def __init__(self, feed: FeedId, tail: Core, archive: Core, stall_s: float) -> None:
        self.feed = feed
        self.channel = channel_of(feed)
        self.tail = tail
        self.archive = archive
        self.stall_s = stall_s

    async def run(self, tail_length: int, archive_length: int) -> Restored:
        index = await ArchiveIndex.load(self.archive, archive_length, True, self.stall_s)
        if index.newest is not None and index.newest.feed != self.feed:
            raise self._unfit(f"the archive is that of {index.newest.feed}")
        newest = await self._header(tail_length - 1) if tail_length else None
        open_seq = _tail_info(newest).open_seq if newest else 0
        archive = await archive_before(self.archive, index, self.feed, open_seq, self.stall_s)
        first = tail_length
        if newest is not None and newest.end_seq > archive.end_seq:
            first = await self._first_block(newest, archive.end_seq)
        sealer = Sealer(self.channel.records, archive.end_seq, archive.running_max_ns)
        runs: list[Run] = []
        spans: list[tuple[int, int]] = []
        async for batch in self.tail.read([(first, tail_length)], True, self.stall_s):
            runs += await asyncio.to_thread(self._replay, batch, sealer, spans)
        if newest is not None and (sealer.open_seq, sealer.end_seq) != (open_seq, newest.end_seq):
            raise self._unfit(f"the run that is open should begin at record {open_seq}")
        still_open = [span for span in spans if span[1] > sealer.open_seq]
        message = newest.message if newest else None
        tail = TailBlocks(self.feed, sealer, tail_length, still_open, message)
        return Restored(tail, archive, runs, first)

    def _replay(
        self,
        batch: list[tuple[int, bytes | None]],
        sealer: Sealer,
        spans: list[tuple[int, int]],
    ) -> list[Run]:
        """Push tail blocks that were read back; note their numbers and end seqs."""
        runs: list[Run] = []
        for number, data in batch:
            assert data is not None
            header, records = self.channel.decode(data)
            skip = sealer.end_seq - header.first_seq
            if skip < 0:
                raise self._unfit(f"the tail has no record {sealer.end_seq}")
            runs += sealer.push(records[skip:])
            spans.append((number, header.end_seq))
        return runs

    async def _first_block(self, newest: ChunkHeader, seq: int) -> int:
        """The tail block that holds record `seq`, found run by run from the newest block."""
        block = _tail_info(newest).open_block
        while (header := await self._header(block)).first_seq > seq:
            if not block:
                raise self._unfit(f"neither log has record {seq}")
            block = _tail_info(await self._header(block - 1)).open_block
        if header.end_seq <= seq:
            raise self._unfit(f"neither log has record {seq}")
        return block

    async def _header(self, number: int) -> ChunkHeader:
        data = await self.tail.get(number, True, self.stall_s)
        assert data is not None
        header = decode_header(data)
        if header.feed != self.feed:
            raise self._unfit(f"tail block {number} is that of {header.feed}")
        return header

    def _unfit(self, what: str) -> WriterConflictError:
        return WriterConflictError(
            f"the logs of {self.feed} do not fit together: {what}",
            hint="restore the data directory from a backup, or sync it from a node that has it",
        )


def _tail_info(header: ChunkHeader) -> TailInfo:
    if header.tail is None:
        raise WriterConflictError(f"the tail of {header.feed} has a block without its state")
    return header.tail
