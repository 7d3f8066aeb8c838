"""What a source has in common with its feed: skipped, once it has proved to be the same."""

from __future__ import annotations

import asyncio

from tradercast.chunks import decode_header, extend_chain
from tradercast.errors import ConflictingImportError, FormatError, IncompleteError
from tradercast.feed.archive_blocks import ArchiveEnd
from tradercast.feed.channel import Channel
from tradercast.feed.compare import first_difference
from tradercast.feed.segment import Segment
from tradercast.feed.source import Source
from tradercast.runs import Records


async def skip_held(source: Source, segment: Segment, archive: ArchiveEnd) -> int:
    """Take from a source the records that its segment holds.

    Archived records are compared by their chain hash, without decoding a chunk; those of the tail
    one by one.

    Parameters
    ----------
    source : Source
        At its beginning.
    segment : Segment
        Its tail's open records are compared.
    archive : ArchiveEnd
        How far the archive is to be compared.

    Returns
    -------
    int
        How many records were taken: all that the segment holds, or all of a shorter source.

    Raises
    ------
    ConflictingImportError
        If one of them differs; names the first.
    """
    taken = await _skip_archive(source, segment, archive)
    if taken < archive.end_seq:
        return taken
    opened = segment.tail.sealer.open_records()
    start = max(0, archive.end_seq - segment.tail.sealer.open_seq)
    rows = await source.take(max(0, len(opened) - start))
    _compare(segment.channel, taken, rows, opened[start : start + len(rows)])
    return taken + len(rows)


async def _skip_archive(source: Source, segment: Segment, archive: ArchiveEnd) -> int:
    core, channel = segment.archive_log.core, segment.channel
    seq, chain = 0, b""
    run: list[tuple[bytes, Records]] = []  # of one run: the chunks, and what the source has
    async for batch in core.read([(0, 2 * archive.n_chunks)], wait=False):
        for block, data in batch:
            if block % 2:
                continue  # an index node
            if data is None:
                raise IncompleteError(
                    f"chunk {block // 2} of the archive of {segment.feed} is not here",
                    hint="sync the feed to this data directory first",
                )
            header = decode_header(data)
            rows = await source.take(header.count)
            run.append((data, rows))
            seq += len(rows)
            if len(rows) < header.count:
                await asyncio.to_thread(_compare_run, channel, run)
                return seq
            if header.chain:
                joined = channel.records.concat([part for _, part in run])
                chain = await asyncio.to_thread(extend_chain, chain, joined)
                if chain != header.chain:
                    await asyncio.to_thread(_compare_run, channel, run)
                    raise FormatError(f"chunk {block // 2} has not the hash of its own records")
                run = []
    return seq


def _compare_run(channel: Channel, run: list[tuple[bytes, Records]]) -> None:
    for data, rows in run:
        header, held = channel.decode(data)
        _compare(channel, header.first_seq, rows, held[: len(rows)])


def _compare(channel: Channel, seq: int, rows: Records, held: Records) -> None:
    row = first_difference(rows, held)
    if row is not None:
        raise ConflictingImportError(
            f"record {seq + row + 1} of the source is {channel.describe(rows, row)}, "
            f"but the feed holds {channel.describe(held, row)}",
            hint="give all files from the first one on, or older history with --segment NAME",
        )
