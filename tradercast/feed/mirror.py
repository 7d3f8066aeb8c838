"""The step from tail to archive on a node that reads along: chunks come, tail blocks go."""

from __future__ import annotations

from dataclasses import dataclass

from tradercast.chunks import ChunkHeader, decode_header
from tradercast.errors import IncompleteError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.plan import merge_ranges
from tradercast.feed.reader import SegmentReader
from tradercast.feed.tail import KEEP_TAIL


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Held tail blocks, one behind the other, whose records are in the archive by now."""

    start_block: int
    end_block: int
    first_seq: int
    end_seq: int


class Mirror:
    """Keeps of a segment's archive what the node holds of its tail.

    Whoever follows a feed holds its tail; what the writer seals meanwhile is fetched, so that
    others find everything here when the writer and everybody else have dropped the tail.

    Parameters
    ----------
    reader : SegmentReader
        Of the segment, remote.
    keep : int
        The newest tail blocks that stay in any case, for those who follow by way of this node.
    stall_s : float
        How long to wait for peers without any progress.
    """

    def __init__(
        self, reader: SegmentReader, *, keep: int = KEEP_TAIL, stall_s: float = 20.0
    ) -> None:
        self._archive = reader.archive
        self._tail = reader.tail
        self._keep = keep
        self._stall_s = stall_s
        self._done = 0  # the archive's length at the last complete step

    async def step(self, next_seq: int, in_use: int) -> None:
        """Fetch the chunks of all sealed tail blocks that are held, then drop these blocks.

        Parameters
        ----------
        next_seq : int
            Chunks from this record on are fetched too: it is being followed.
        in_use : int
            Tail blocks from this one on stay, since a reader is on them.

        Raises
        ------
        IncompleteError
            If nobody sends a chunk or its place in the index (`StalledError`): nothing is dropped.
        """
        length = (await self._archive.info()).length
        if length == self._done:
            return
        index = await ArchiveIndex.load(self._archive, length, stall_s=self._stall_s)
        sealed = await self._sealed(index.end_seq)
        spans = [(run.first_seq, run.end_seq) for run in sealed] + [(next_seq, index.end_seq)]
        refs = {ref for span in spans for ref in await index.chunks_between(*span)}
        wanted = merge_ranges(sorted((ref.block, ref.block + 2) for ref in refs))
        if wanted:
            async for _ in self._archive.download(wanted, self._stall_s):
                pass
        kept = (await self._tail.info()).length - self._keep
        limit = min(in_use, kept)
        for run in sealed:
            if run.start_block < limit:  # the sidecar puts the chunks on the disk before
                await self._tail.clear(run.start_block, min(run.end_block, limit))
        if in_use >= kept:
            self._done = length

    async def _sealed(self, end_seq: int) -> list[_Sealed]:
        """The held tail blocks before record `end_seq`, run by run."""
        found = []
        for start, end in await self._tail.held(0, (await self._tail.info()).length):
            end = await self._first_behind(end_seq, start, end)
            if start == end:
                break
            first, last = await self._header(start), await self._header(end - 1)
            found.append(_Sealed(start, end, first.first_seq, last.end_seq))
        return found

    async def _first_behind(self, end_seq: int, low: int, high: int) -> int:
        """The first of the blocks ``[low, high)`` that holds a record from `end_seq` on."""
        while low < high:
            middle = (low + high) // 2
            header = await self._header(middle)
            low, high = (low, middle) if header.end_seq > end_seq else (middle + 1, high)
        return low

    async def _header(self, block: int) -> ChunkHeader:
        data = await self._tail.get(block)
        if data is None:
            raise IncompleteError(f"tail block {block} is gone: another program has dropped it")
        return decode_header(data)
