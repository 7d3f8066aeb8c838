"""What this node can give to others: the content of its announcements."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from tradercast.chunks import decode_header
from tradercast.chunks.index import chunk_block
from tradercast.client.feed import OpenSegment
from tradercast.errors import IncompleteError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.here import archive_here
from tradercast.feed.plan import merge_ranges
from tradercast.log import Core
from tradercast.timerange import TimeRange

MAX_RANGES = 16
_MAX_UNTOLD = 32  # chunks that are read for it


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
    known: dict[int, tuple[int, int]] = {}
    with contextlib.suppress(IncompleteError):
        index = await ArchiveIndex.load(archive, await archive_here(archive), wait=False)
        refs = await index.chunks_for(TimeRange())
        known = {ref.block: (ref.first_seq, ref.end_seq) for ref in refs if ref.is_known}
    blocks = {block for low, high in held for block in range(low, high)}
    spans = [known[block] for block in blocks & known.keys()]
    ranges = merge_ranges(sorted(spans + await _untold(archive, blocks - known.keys())))
    longest = sorted(ranges, key=lambda r: r[0] - r[1])[:MAX_RANGES]
    return Availability(full=False, held=tuple(sorted(longest)), tail=has_tail)


async def _untold(archive: Core, blocks: set[int]) -> list[tuple[int, int]]:
    """The records of chunks that are here, and no index node that is: of some of them."""
    chunks = sorted(block for block in blocks if block == chunk_block(block // 2))[:_MAX_UNTOLD]
    found = []
    ranges = merge_ranges((block, block + 1) for block in chunks)
    async for batch in archive.read(ranges, wait=False):
        for _, data in batch:
            if data is not None:
                header = decode_header(data)
                found.append((header.first_seq, header.end_seq))
    return found
