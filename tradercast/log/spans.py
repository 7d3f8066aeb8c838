"""Ranges of block numbers, ``[start, end)``, and a place within a list of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from tradercast.errors import UsageError

BlockRange = tuple[int, int]

MAX_RANGES = 4_096
"""Ranges of one request to the sidecar."""


def check(ranges: Iterable[tuple[int, int]]) -> list[BlockRange]:
    """The ranges without the empty ones, in the same order.

    Raises
    ------
    UsageError
        If one is not ``0 <= start <= end <= 2**53``.
    """
    checked = []
    for start, end in ranges:
        if not 0 <= start <= end <= 1 << 53:
            raise UsageError(f"[{start}, {end}) is not a range of blocks")
        if start < end:
            checked.append((int(start), int(end)))
    return checked


def parts(ranges: list[BlockRange]) -> Iterator[list[BlockRange]]:
    """The ranges in lists short enough for one request each."""
    for at in range(0, len(ranges), MAX_RANGES):
        yield ranges[at : at + MAX_RANGES]


def runs(blocks: Sequence[int]) -> list[BlockRange]:
    """The ranges that ascending block numbers make."""
    found: list[BlockRange] = []
    for block in blocks:
        if found and found[-1][1] == block:
            found[-1] = (found[-1][0], block + 1)
        else:
            found.append((block, block + 1))
    return found


def includes(ranges: Sequence[BlockRange], index: int) -> bool:
    """Whether one of these sorted ranges holds `index`."""
    at = bisect_right(ranges, (index, 1 << 63)) - 1
    return at >= 0 and index < ranges[at][1]


class Cursor:
    """What of a list of ranges has not been delivered yet."""

    def __init__(self, ranges: list[BlockRange]) -> None:
        self._ranges = ranges
        self._at = 0
        self._next = ranges[0][0] if ranges else 0

    def take(self, index: int) -> bool:
        """Step over `index`; false if it is not the next block of the ranges."""
        if self._at >= len(self._ranges) or index != self._next:
            return False
        self._next += 1
        if self._next == self._ranges[self._at][1]:
            self._at += 1
            if self._at < len(self._ranges):
                self._next = self._ranges[self._at][0]
        return True

    def rest(self) -> list[BlockRange]:
        """The ranges still to come."""
        if self._at >= len(self._ranges):
            return []
        return [(self._next, self._ranges[self._at][1]), *self._ranges[self._at + 1 :]]
