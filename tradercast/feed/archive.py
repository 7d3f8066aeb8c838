"""Which chunk of an archive holds a time or a record: its index, loaded in two hops.

Chunk ``j`` of an archive is block ``2j``, its index node block ``2j + 1``.  The newest node lists
the chunks of its group of 64; the last full one also sums up every group before it.  Both are
fetched at once; the nodes of older groups only when a range touches them, and then all together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tradercast.chunks import (
    IndexNode,
    Spans,
    chunk_block,
    decode_index,
    full_node_before,
    index_block,
)
from tradercast.chunks.index import GROUP, Entry
from tradercast.errors import FormatError, IncompleteError
from tradercast.log import Core
from tradercast.rows import I64
from tradercast.timerange import TimeRange


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """Where one chunk is and what it holds, as the index says.

    Attributes
    ----------
    number, block : int
        Its place among the chunks, and the block of the log that holds it.
    first_seq, count : int
        The records it holds.
    min_ns, max_ns : int
        Smallest and largest time of these records (inclusive).
    running_max_ns : int
        Largest time of all records of the segment up to its end.
    bytes : int
        Size of the block.
    notes : int
        How many of the records are corrections or gaps.
    is_known : bool
        False of one that stands for several chunks, told apart by no index node that is held.
        None of them is held with its node; the times are bounds.
    """

    number: int
    block: int
    first_seq: int
    count: int
    min_ns: int
    max_ns: int
    running_max_ns: int
    bytes: int
    notes: int = 0
    is_known: bool = True

    @property
    def end_seq(self) -> int:
        """The seq after its last record."""
        return self.first_seq + self.count


class ArchiveIndex:
    """The index of an archive at one length; made by `load`.

    Attributes
    ----------
    n_chunks : int
        Chunks, not counting one whose index node is missing.
    newest, full : IndexNode or None
        The last node, and the last that sums up all groups.
    total_records, end_seq : int
        Records in the chunks; they are numbered from 0, so both are the same.
    running_max_ns : int or None
        Largest time of all records in them.
    total_bytes : int
        Bytes of the chunks' blocks.
    """

    def __init__(
        self,
        core: Core,
        newest: IndexNode | None = None,
        full: IndexNode | None = None,
        *,
        wait: bool = True,
        stall_s: float = 20.0,
    ) -> None:
        self._core = core
        self._wait = wait
        self._stall_s = stall_s
        self.newest = newest
        self.full = full
        self.n_chunks = newest.node + 1 if newest else 0
        spans = full.groups if full else Spans.empty()
        if newest and newest is not full:
            spans = spans.appended(newest.chunks.summary())
        self._groups: Spans = spans
        self._group_seqs: I64 = np.concatenate(([0], np.cumsum(spans.count)))
        self._chunks: dict[int, Spans] = {}  # of each group; what is not known is one at the end
        self._known: dict[int, int] = {}  # of each group, how many chunks are known
        self.end_seq = self.total_records = int(self._group_seqs[-1])
        self.total_bytes = int(spans.size.sum())
        self.running_max_ns = int(spans.running_max_ns[-1]) if len(spans) else None
        for node in (full, newest):
            if node:
                self._keep(node)

    @classmethod
    async def load(
        cls, core: Core, length: int, wait: bool = True, stall_s: float = 20.0
    ) -> ArchiveIndex:
        """Load the newest node and the last full one.

        Parameters
        ----------
        core : Core
            The archive.
        length : int
            Its verified length in blocks.
        wait : bool
            Fetch nodes from peers, here and later.  Otherwise one that is not held is an error
            here, and later its chunks come as one that is not known (`ChunkRef.is_known`).
        stall_s : float
            How long to wait for peers without any progress.

        Raises
        ------
        FormatError
            If a node is none, or contradicts another.
        IncompleteError
            If a node is not held (`StalledError`: and no peer sends it).
        """
        chunks = length // 2
        if chunks <= 0:
            return cls(core, wait=wait, stall_s=stall_s)
        full = full_node_before(chunks)
        wanted = {chunks - 1} if full is None else {chunks - 1, full}
        nodes = await _fetch(core, wanted, wait, stall_s)
        summing = None if full is None else nodes[full]
        return cls(core, nodes[chunks - 1], summing, wait=wait, stall_s=stall_s)

    @classmethod
    async def load_at(
        cls, core: Core, length: int, time_ns: int, wait: bool = True, stall_s: float = 20.0
    ) -> ArchiveIndex:
        """As much of the index as leads to a time; at most two nodes, with those of `chunk_past`.

        The last full node alone, if the time is before its end, since it sums up all before it;
        else as `load`.
        """
        full = full_node_before(length // 2)
        if full is not None:
            found = await cls.load(core, 2 * (full + 1), wait, stall_s)
            if found.running_max_ns is not None and found.running_max_ns > time_ns:
                return found
        return await cls.load(core, length, wait, stall_s)

    async def chunk_past(self, time_ns: int) -> ChunkRef | None:
        """The chunk that holds the first record after `time_ns`, or None if no chunk does."""
        group = int(np.searchsorted(self._groups.running_max_ns, time_ns, "right"))
        if group == len(self._groups):
            return None
        await self._load([group])
        later = np.flatnonzero(self._chunks[group].running_max_ns > time_ns)
        return self._refs(group, later[:1])[0]

    async def chunks_for(self, time_range: TimeRange) -> list[ChunkRef]:
        """Every chunk that can hold a record of the range, in order of seq."""
        start, end = time_range.start_ns, time_range.end_ns
        groups = self._groups.overlapping(start, end).tolist()
        await self._load(groups)
        return [
            ref
            for group in groups
            for ref in self._refs(group, self._chunks[group].overlapping(start, end))
        ]

    async def chunks_between(self, start_seq: int, end_seq: int) -> list[ChunkRef]:
        """Every chunk that holds a record of ``[start_seq, end_seq)``, in order."""
        groups = _overlapping(self._group_seqs, start_seq, end_seq).tolist()
        await self._load(groups)
        return [
            ref
            for group in groups
            for ref in self._refs(group, _overlapping(self._chunk_seqs(group), start_seq, end_seq))
        ]

    async def noted_chunks(self) -> list[ChunkRef]:
        """Every chunk that holds a correction or a gap, in order."""
        groups = np.flatnonzero(self._groups.notes).tolist()
        await self._load(groups)
        return [
            ref
            for group in groups
            for ref in self._refs(group, np.flatnonzero(self._chunks[group].notes))
        ]

    async def chunk_of_seq(self, seq: int) -> ChunkRef | None:
        """The chunk that holds record `seq`, or None if no chunk does."""
        found = await self.chunks_between(seq, seq + 1)
        return found[0] if found else None

    async def _load(self, groups: Iterable[int]) -> None:
        missing = [group for group in groups if group not in self._chunks]
        if not missing:
            return
        wanted = {group * GROUP + GROUP - 1 for group in missing}
        if not self._wait:
            wanted = await self._last_held(missing)
        for node in (await _fetch(self._core, wanted, self._wait, self._stall_s)).values():
            self._keep(node)
        for group in missing:
            if group not in self._chunks:
                self._chunks[group] = Spans.empty().appended(self._summary(group))
                self._known[group] = 0

    async def _last_held(self, groups: list[int]) -> set[int]:
        """The last node of each group that is held."""
        found = set()
        for group in groups:
            first = chunk_block(group * GROUP)
            for start, end in reversed(await self._core.held(first, first + 2 * GROUP)):
                node = end // 2 - 1  # nodes are the odd blocks
                if index_block(node) >= start:
                    found.add(node)
                    break
        return found

    def _keep(self, node: IndexNode) -> None:
        """Take a node after a check against the sums that are known already."""
        group = node.node // GROUP
        assert self.newest is not None
        same_feed = (node.feed, node.encoder) == (self.newest.feed, self.newest.encoder)
        known, found = self._summary(group), node.chunks.summary()
        is_last = node is self.newest or node.node % GROUP == GROUP - 1
        if (
            not same_feed
            or node.first_seq != self._group_seqs[group]
            or (found != known if is_last else found[3] >= known[3])
        ):
            raise FormatError(
                f"index node {node.node} of {self.newest.feed} contradicts the nodes after it"
            )
        chunks = node.chunks
        self._known[group] = len(chunks)
        if not is_last:
            count, size, notes = (a - b for a, b in zip(known[3:], found[3:], strict=True))
            settled_ns = found[2]  # late records may be before it, as of any settled range
            chunks = chunks.appended((settled_ns, *known[1:3], count, size, notes))
        self._chunks[group] = chunks

    def _summary(self, group: int) -> Entry:
        low, high, running, count, size, notes = (int(c[group]) for c in self._groups.columns())
        return low, high, running, count, size, notes

    def _chunk_seqs(self, group: int) -> I64:
        start: I64 = self._group_seqs[group]
        return start + np.concatenate(([0], np.cumsum(self._chunks[group].count)))

    def _refs(self, group: int, places: I64) -> list[ChunkRef]:
        columns = [column[places].tolist() for column in self._chunks[group].columns()]
        firsts = self._chunk_seqs(group)[places].tolist()
        return [
            self._ref(group, place, first, entry)
            for place, first, entry in zip(
                places.tolist(), firsts, zip(*columns, strict=True), strict=True
            )
        ]

    def _ref(self, group: int, place: int, first: int, entry: Entry) -> ChunkRef:
        low, high, running, count, size, notes = entry
        number = group * GROUP + place
        block, is_known = chunk_block(number), place < self._known[group]
        if not is_known:  # a block that is not held either
            block = index_block(group * GROUP + GROUP - 1)
        return ChunkRef(number, block, first, count, low, high, running, size, notes, is_known)


def _overlapping(seqs: I64, start: int, end: int) -> I64:
    """The spans between consecutive `seqs` that hold a number of ``[start, end)``."""
    if start >= end:
        return np.empty(0, np.int64)
    return np.flatnonzero((seqs[:-1] < end) & (seqs[1:] > start))


async def _fetch(core: Core, numbers: set[int], wait: bool, stall_s: float) -> dict[int, IndexNode]:
    ranges = [(index_block(number), index_block(number) + 1) for number in sorted(numbers)]
    nodes: dict[int, IndexNode] = {}
    async for batch in core.read(ranges, wait=wait, stall_s=stall_s):
        for block, data in batch:
            if data is None:
                raise IncompleteError(
                    "part of the archive's index is not here",
                    hint="connect to a peer that has it",
                )
            node = decode_index(data)
            if index_block(node.node) != block:
                raise FormatError(f"archive block {block} holds index node {node.node}")
            nodes[node.node] = node
    return nodes
