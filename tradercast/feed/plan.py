"""What has to be read for a range of time, decided before a byte of it is fetched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradercast.feed.archive import ChunkRef
from tradercast.feed.tail import TailPart
from tradercast.rows import I64
from tradercast.timerange import TimeRange


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks and tail blocks of one segment that a range of time needs.

    Attributes
    ----------
    time_range : TimeRange
        What was asked for.
    chunks : tuple of ChunkRef
        Archive chunks that may hold records of the range, in order.
    tail : TailPart or None
        The tail blocks behind the archive, when they may hold records of the range.
    end_seq : int
        Number of records that the segment has as far as its logs are known.
    settled_ns : int or None
        The largest time that is known: an earlier range gets only late records from now on.
    archive_length, tail_length : int
        Blocks of the two logs when this was planned.
    """

    time_range: TimeRange
    chunks: tuple[ChunkRef, ...]
    tail: TailPart | None
    end_seq: int
    settled_ns: int | None = None
    archive_length: int = 0
    tail_length: int = 0

    @property
    def records(self) -> int:
        """Records in the planned blocks: at least those of the range."""
        return sum(ref.count for ref in self.chunks) + (self.tail.count if self.tail else 0)

    @property
    def bytes(self) -> int:
        """Bytes of the planned blocks; the tail's part is an estimate."""
        return sum(ref.bytes for ref in self.chunks) + self.tail_bytes

    @property
    def tail_bytes(self) -> int:
        """The tail's part of `bytes`."""
        return self.tail.bytes if self.tail else 0

    def archive_blocks(self) -> list[tuple[int, int]]:
        """Half-open block ranges of the chunks, without the index nodes between them.

        To a log, a node of a few hundred bytes is as much work as a chunk: with them a range takes
        a fifth longer, and a reader has the nodes that it needed to find the chunks.
        """
        return merge_ranges((ref.block, ref.block + 1) for ref in self.chunks)

    def node_blocks(self) -> list[tuple[int, int]]:
        """Half-open block ranges of the index nodes behind the chunks, for whoever keeps them."""
        return merge_ranges((ref.block + 1, ref.block + 2) for ref in self.chunks)

    def tail_blocks(self) -> list[tuple[int, int]]:
        """Half-open block ranges of the tail."""
        return [(self.tail.start_block, self.tail.end_block)] if self.tail else []

    def is_inside(self, ref: ChunkRef) -> bool:
        """Whether every record of the chunk lies in the range."""
        return self.time_range.start_ns <= ref.min_ns and ref.max_ns < self.time_range.end_ns

    def covers(self, seq: I64) -> NDArray[np.bool_]:
        """Which of these records are in planned blocks."""
        spans = [(ref.first_seq, ref.end_seq) for ref in self.chunks]
        if self.tail is not None:
            spans.append((self.tail.first_seq, self.tail.end_seq))
        edges = np.array(spans, np.int64).ravel()  # within a span after an odd number of edges
        covered: NDArray[np.bool_] = np.searchsorted(edges, seq, "right") % 2 == 1
        return covered


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join sorted half-open ranges that touch or overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in ranges:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
