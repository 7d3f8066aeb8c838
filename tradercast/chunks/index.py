"""Index nodes: after every archive chunk, a small block that leads to any time in two hops.

Chunk j is block 2j of the archive, its node block 2j + 1.  Node j lists the chunks of its group
of 64 up to j; a node that completes its group also sums up every group from the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tradercast.chunks.block import ENCODER
from tradercast.chunks.header import ChunkHeader
from tradercast.errors import UsageError
from tradercast.feeds import FeedId
from tradercast.rows import I64

GROUP = 64

Entry: TypeAlias = "tuple[int, int, int, int, int, int]"


@dataclass(frozen=True, eq=False)
class Spans:
    """Parallel columns about consecutive chunks, or groups of chunks.

    Parameters
    ----------
    min_ns, max_ns : int64 arrays
        Inclusive.
    running_max_ns : int64 array
        The largest time of the segment up to and including each; never decreases.
    count, size, notes : int64 arrays
        Records, bytes of the chunks' blocks, and how many of the records are no plain trades.
    """

    min_ns: I64
    max_ns: I64
    running_max_ns: I64
    count: I64
    size: I64
    notes: I64

    @classmethod
    def empty(cls) -> Spans:
        """Nothing."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, none, none, none)

    def __len__(self) -> int:
        return len(self.min_ns)

    def columns(self) -> tuple[I64, I64, I64, I64, I64, I64]:
        """All columns, in the order of the format."""
        return self.min_ns, self.max_ns, self.running_max_ns, self.count, self.size, self.notes

    def appended(self, entry: Entry) -> Spans:
        """With one more entry."""
        return Spans(
            *(np.append(c, np.int64(v)) for c, v in zip(self.columns(), entry, strict=True))
        )

    def summary(self) -> Entry:
        """All entries as one."""
        return (
            int(self.min_ns.min()),
            int(self.max_ns.max()),
            int(self.running_max_ns[-1]),
            int(self.count.sum()),
            int(self.size.sum()),
            int(self.notes.sum()),
        )

    def overlapping(self, start_ns: int, end_ns: int) -> I64:
        """The entries that can hold records of ``[start_ns, end_ns)``."""
        return np.flatnonzero((self.min_ns < end_ns) & (self.max_ns >= start_ns))

    def equals(self, other: Spans) -> bool:
        """Whether both say the same."""
        return all(map(np.array_equal, self.columns(), other.columns()))


@dataclass(frozen=True, eq=False)
class IndexNode:
    """One index node.

    Parameters
    ----------
    feed : FeedId
    node : int
        j: it follows chunk j.
    first_seq : int
        Of the first chunk listed, chunk ``j // 64 * 64``.
    chunks : Spans
        The chunks of the group up to j.
    groups : Spans
        Of a node with ``j % 64 == 63``: all groups from the first to its own; else empty.
    encoder : str
    """

    feed: FeedId
    node: int
    first_seq: int
    chunks: Spans
    groups: Spans
    encoder: str = ENCODER

    @property
    def first_chunk(self) -> int:
        """The number of the first chunk listed."""
        return self.node // GROUP * GROUP

    def first_seqs(self) -> I64:
        """The number of the first record of each chunk listed."""
        return self.first_seq + np.concatenate(([0], np.cumsum(self.chunks.count)[:-1]))

    def equals(self, other: IndexNode) -> bool:
        """Whether both say the same."""
        return (
            (self.feed, self.node, self.first_seq) == (other.feed, other.node, other.first_seq)
            and self.chunks.equals(other.chunks)
            and self.groups.equals(other.groups)
        )


def chunk_block(chunk: int) -> int:
    """The archive block of a chunk."""
    return 2 * chunk


def index_block(chunk: int) -> int:
    """The archive block of the index node that follows a chunk."""
    return 2 * chunk + 1


def full_node_before(n_chunks: int) -> int | None:
    """The last node of the first `n_chunks` that sums up all groups, or None."""
    full = n_chunks // GROUP
    return full * GROUP - 1 if full else None


def next_node(
    header: ChunkHeader, size: int, before: IndexNode | None = None, full: IndexNode | None = None
) -> IndexNode:
    """The node that follows one more chunk.

    Parameters
    ----------
    header : ChunkHeader
        Of the new chunk.
    size : int
        Bytes of its block.
    before : IndexNode, optional
        The node before; None for the first.
    full : IndexNode, optional
        The node `full_node_before` the new chunk; needed when it completes a group other than
        the first.

    Raises
    ------
    UsageError
        If the nodes given are not those before this chunk.
    """
    node = 0 if before is None else before.node + 1
    begins = node % GROUP == 0
    end_seq = 0 if before is None else before.first_seq + int(before.chunks.count.sum())
    if header.first_seq != end_seq:
        raise UsageError(
            f"chunk {node} begins at seq {header.first_seq}, the last ended at {end_seq}"
        )
    chunks = Spans.empty() if before is None or begins else before.chunks
    times = (header.min_ns, header.max_ns, header.running_max_ns)
    chunks = chunks.appended((*times, header.count, size, header.notes))
    groups = Spans.empty()
    if node % GROUP == GROUP - 1:
        wanted = full_node_before(node)
        if (None if full is None else full.node) != wanted:
            raise UsageError(f"node {node} needs node {wanted} to sum up the groups")
        groups = (groups if full is None else full.groups).appended(chunks.summary())
    first_seq = header.first_seq if before is None or begins else before.first_seq
    return IndexNode(header.feed, node, first_seq, chunks, groups)
