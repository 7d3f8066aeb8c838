"""What this node can give to others: the content of its announcements."""

from __future__ import annotations

from dataclasses import dataclass

from tradercast.client.feed import OpenSegment
from tradercast.errors import IncompleteError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.here import archive_here
from tradercast.feed.plan import merge_ranges
from tradercast.timerange import TimeRange

MAX_RANGES = 16


@dataclass(frozen=True, slots=True)
class Availability:
    """What is held of one segment.

    Attributes
    ----------
    full : bool
        Every block of the archive.
    held : tuple of (int, int)
        Otherwise the half-open ranges of ``seq`` whose chunks are held, the longest 16.
    tail : bool
        The newest tail block as far as it is known.
    """

    full: bool
    held: tuple[tuple[int, int], ...]
    tail: bool

    @property
    def anything(self) -> bool:
        """Whether there is something to announce."""
        return self.full or bool(self.held) or self.tail


async def availability(segment: OpenSegment) -> Availability:
    """Look at what the store holds; asks no peer."""
    archive, tail = segment.reader.archive, segment.reader.tail
    tail_info = await tail.info()
    has_tail = tail_info.length > 0 and bool(
        await tail.held(tail_info.length - 1, tail_info.length)
    )
    info = await archive.info()
    if info.length == 0:
        return Availability(full=has_tail, held=(), tail=has_tail)
    held = await archive.held(0, info.length)
    if held == [(0, info.length)]:
        return Availability(full=True, held=(), tail=has_tail)
    try:
        index = await ArchiveIndex.load(archive, await archive_here(archive), wait=False)
        refs = await index.chunks_for(TimeRange())
    except IncompleteError:
        return Availability(full=False, held=(), tail=has_tail)
    blocks = {block for low, high in held for block in range(low, high)}
    ranges = merge_ranges(
        (ref.first_seq, ref.end_seq) for ref in refs if ref.is_known and ref.block in blocks
    )
    longest = sorted(ranges, key=lambda r: r[0] - r[1])[:MAX_RANGES]
    return Availability(full=False, held=tuple(sorted(longest)), tail=has_tail)
