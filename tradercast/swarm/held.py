"""Arithmetic on the ranges of records that peers hold. Ranges are half-open, of `seq`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tradercast.swarm.announcement import MAX_HELD, Announcement

Range: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cover:
    """Who to ask for a range.

    Attributes
    ----------
    peers : tuple of Announcement
        Enough peers that their union is all that anyone holds of the range, few of them.
    missing : tuple of (int, int)
        What nobody holds, sorted.
    """

    peers: tuple[Announcement, ...]
    missing: tuple[Range, ...]

    @property
    def complete(self) -> bool:
        """Whether every record of the range is held by someone."""
        return not self.missing


def merge_ranges(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same records as sorted ranges that neither touch nor overlap; empty ones vanish."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def announceable(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """At most 16 ranges, all of them held: the longest, where there are more.

    Joining ranges over a hole would promise what is not there, so short ones are left out.
    """
    merged = merge_ranges(ranges)
    longest = sorted(merged, key=lambda r: (r[0] - r[1], r[0]))[:MAX_HELD]
    return tuple(sorted(longest))


def covering(announcements: Sequence[Announcement], start_seq: int, end_seq: int) -> Cover:
    """Pick peers whose union covers ``[start_seq, end_seq)``, as far as anyone's does.

    Parameters
    ----------
    announcements : sequence of Announcement
        What a look-up returned; a peer with ``full`` holds every record.
    start_seq, end_seq : int
        The half-open range that is wanted.
    """
    offers = sorted(
        (
            (start, end, index)
            for index, found in enumerate(announcements)
            for start, end in (((start_seq, end_seq),) if found.full else found.held)
            if start < end_seq and end > start_seq
        ),
        key=lambda offer: offer[0],
    )
    picked: dict[int, None] = {}
    missing: list[Range] = []
    at, turn = start_seq, 0
    reach, reacher = at, -1
    while at < end_seq:
        while turn < len(offers) and offers[turn][0] <= at:
            if offers[turn][1] > reach:
                reach, reacher = offers[turn][1], offers[turn][2]
            turn += 1
        if reach > at:
            picked[reacher] = None
            at = reach
            continue
        hole_end = min(offers[turn][0], end_seq) if turn < len(offers) else end_seq
        missing.append((at, hole_end))
        at = reach = hole_end
    return Cover(tuple(announcements[index] for index in picked), tuple(missing))
