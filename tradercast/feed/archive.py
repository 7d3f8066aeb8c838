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
from tradercast.chunks.index import GROUP
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
        self._nodes: dict[int, IndexNode] = {}
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
            Fetch nodes from peers, here and later; otherwise one that is not held is an error.
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

    async def chunks_for(self, time_range: TimeRange) -> list[ChunkRef]:
        """Every chunk that can hold a record of the range, in order of seq."""
        start, end = time_range.start_ns, time_range.end_ns
        groups = self._groups.overlapping(start, end).tolist()
        await self._load(groups)
        return [
            self._ref(group, place)
            for group in groups
            for place in self._nodes[group].chunks.overlapping(start, end).tolist()
        ]

    async def chunks_between(self, start_seq: int, end_seq: int) -> list[ChunkRef]:
        """Every chunk that holds a record of ``[start_seq, end_seq)``, in order."""
        groups = _overlapping(self._group_seqs, start_seq, end_seq)
        await self._load(groups)
        return [
            self._ref(group, place)
            for group in groups
            for place in _overlapping(self._chunk_seqs(group), start_seq, end_seq)
        ]

    async def noted_chunks(self) -> list[ChunkRef]:
        """Every chunk that holds a correction or a gap, in order."""
        groups = np.flatnonzero(self._groups.notes).tolist()
        await self._load(groups)
        return [
            self._ref(group, place)
            for group in groups
            for place in np.flatnonzero(self._nodes[group].chunks.notes).tolist()
        ]

    async def chunk_of_seq(self, seq: int) -> ChunkRef | None:
        """The chunk that holds record `seq`, or None if no chunk does."""
        found = await self.chunks_between(seq, seq + 1)
        return found[0] if found else None

    async def _load(self, groups: Iterable[int]) -> None:
        missing = {group * GROUP + GROUP - 1 for group in groups if group not in self._nodes}
        if missing:
            for node in (await _fetch(self._core, missing, self._wait, self._stall_s)).values():
                self._keep(node)

    def _keep(self, node: IndexNode) -> None:
        """Take a node after a check against the sums that are known already."""
        group = node.node // GROUP
        assert self.newest is not None
        same_feed = (node.feed, node.encoder) == (self.newest.feed, self.newest.encoder)
        known = tuple(int(column[group]) for column in self._groups.columns())
        if (
            not same_feed
            or node.first_seq != self._group_seqs[group]
            or node.chunks.summary() != known
        ):
            raise FormatError(
                f"index node {node.node} of {self.newest.feed} contradicts the nodes after it"
            )
        self._nodes[group] = node

    def _chunk_seqs(self, group: int) -> I64:
        node = self._nodes[group]
        return node.first_seq + np.concatenate(([0], np.cumsum(node.chunks.count)))

    def _ref(self, group: int, place: int) -> ChunkRef:
        node = self._nodes[group]
        low, high, running, count, size, notes = (int(c[place]) for c in node.chunks.columns())
        number = node.first_chunk + place
        first = int(node.first_seqs()[place])
        return ChunkRef(number, chunk_block(number), first, count, low, high, running, size, notes)


def _overlapping(seqs: I64, start: int, end: int) -> list[int]:
    """The spans between consecutive `seqs` that hold a number of ``[start, end)``."""
    if start >= end:
        return []
    found: list[int] = np.flatnonzero((seqs[:-1] < end) & (seqs[1:] > start)).tolist()
    return found


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
