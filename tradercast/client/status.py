"""What is known of a feed, and how much of it is here."""

from __future__ import annotations

from dataclasses import dataclass

from tradercast.client.availability import Availability, availability
from tradercast.client.feed import OpenFeed, OpenSegment
from tradercast.errors import IncompleteError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.here import archive_here, tail_here
from tradercast.feed.tail import locate_tail
from tradercast.timerange import TimeRange


@dataclass(frozen=True, slots=True)
class SegmentStatus:
    """One segment, as far as this node knows it.

    Attributes
    ----------
    name : str
    archive_length, tail_length : int
        Blocks signed.
    records, bytes : int
        Of the archive and the tail behind it; the tail's bytes are an estimate.
    held_records, held_bytes : int
        What of it is here.
    first_ns, last_ns : int or None
        Smallest and largest time of the archive's and the tail's records.
    has : Availability
        What this node can give to others.
    """

    name: str
    archive_length: int
    tail_length: int
    records: int
    bytes: int
    held_records: int
    held_bytes: int
    first_ns: int | None
    last_ns: int | None
    has: Availability


async def feed_status(feed: OpenFeed) -> list[SegmentStatus]:
    """The state of every segment; asks no peer."""
    return [await _segment_status(segment) for segment in feed.segments]


async def _segment_status(segment: OpenSegment) -> SegmentStatus:
    archive, tail = segment.reader.archive, segment.reader.tail
    archive_length, tail_length = (await archive.info()).length, (await tail.info()).length
    has = await availability(segment)
    times: list[int] = []
    records = size = held_records = held_bytes = end_seq = 0
    try:
        index = await ArchiveIndex.load(archive, await archive_here(archive), wait=False)
        refs = await index.chunks_for(TimeRange())
        held = {b for low, high in await archive.held(0, archive_length) for b in range(low, high)}
        records, size, end_seq = index.total_records, index.total_bytes, index.end_seq
        for ref in refs:
            times += [ref.min_ns, ref.max_ns]
            if ref.is_known and ref.block in held:
                held_records += ref.count
                held_bytes += ref.bytes
    except IncompleteError:
        pass  # not even the index is here
    try:
        part = await locate_tail(tail, await tail_here(tail), end_seq, wait=False, stall_s=1.0)
    except IncompleteError:
        part = None
    if part is not None:
        times += [part.min_ns, part.max_ns]
        records += part.count
        size += part.bytes
        here = await tail.held(part.start_block, part.end_block)
        if here == [(part.start_block, part.end_block)]:
            held_records += part.count
            held_bytes += part.bytes
    return SegmentStatus(
        segment.segment.name,
        archive_length,
        tail_length,
        records,
        size,
        held_records,
        held_bytes,
        min(times, default=None),
        max(times, default=None),
        has,
    )
