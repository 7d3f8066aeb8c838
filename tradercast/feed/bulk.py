"""Importing a whole source: full chunks straight to the archive, the rest to the tail.

Nothing is appended before the source was read to its end: the encoded blocks wait in a file, which
is a tenth of the records' size.  So a broken row in the middle leaves the logs as they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from pathlib import Path

from tradercast.errors import DiskFullError
from tradercast.feed.archive_blocks import ArchiveEnd
from tradercast.feed.derived import DerivedLog
from tradercast.feed.held import skip_held
from tradercast.feed.restore import newest_archive
from tradercast.feed.sealing import Run, Sealer
from tradercast.feed.segment import Segment
from tradercast.feed.source import Batches, Source, read_ahead
from tradercast.feed.staged import ARCHIVE, TAIL, StagedImport, StagedWriter
from tradercast.feed.tail_blocks import TailBlocks
from tradercast.heap import keep_freed_memory
from tradercast.runs import Records

TAIL_RECORDS = 1_024  # in each tail block of what is left over


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is.

    Attributes
    ----------
    records : int
        Records of the source that were read.
    already_there : int
        Those of them that the feed had before.
    bytes : int
        Size of the archive's blocks so far.
    """

    records: int
    already_there: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    added : int
        Records of the source that the feed did not have.
    already_there : int
        Those that it had.
    total : int
        Records of the segment now.
    """

    added: int
    already_there: int
    total: int


class BulkImport:
    """One import into a segment.

    Parameters
    ----------
    segment : Segment
        Its state is that of the logs; after `run` it is so again.
    path : Path
        Where encoded blocks wait.
    room : async callable
        Bytes that may still be written to the logs' disk.
    appending : callable
        Gives a context manager that is entered while blocks are appended.
    on_progress : callable, optional
        Gets an `ImportProgress` for every batch and chunk.
    """

    def __init__(
        self,
        segment: Segment,
        path: Path,
        room: Callable[[], Awaitable[int]],
        appending: Callable[[], AbstractContextManager[None]],
        on_progress: Callable[[ImportProgress], None] | None = None,
    ) -> None:
        self._segment = segment
        self._path = path
        self._room = room
        self._appending = appending
        self._on_progress = on_progress
        self._read = self._there = self._bytes = 0

    async def run(self, batches: Batches) -> ImportReport:
        """Import; see `FeedWriter.import_batches`."""
        keep_freed_memory()
        segment = self._segment
        async with aclosing(Source(batches, segment.channel.records, self._note_read)) as source:
            archive = await newest_archive(segment.archive_log.core, segment.feed)
            self._there = await skip_held(source, segment, archive)
            first = await source.next()
            if first is not None:
                await self._add(first, source, archive)
        added = self._read - self._there
        return ImportReport(added, self._there, max(segment.end_seq, archive.end_seq))

    async def _add(self, first: Records, source: Source, archive: ArchiveEnd) -> None:
        segment = self._segment
        if segment.end_seq < archive.end_seq:  # the archive is further: go on behind its end
            sealer = Sealer(segment.channel.records, archive.end_seq, archive.running_max_ns)
            tail = segment.tail
            before = TailBlocks(segment.feed, sealer, tail.next_block, message=tail.message)
        else:
            before, archive = segment.tail.copy(), segment.archive.copy()
        sealer = before.sealer.copy()
        staged = StagedWriter(self._path, 2 * archive.n_chunks, before.next_block)
        try:
            runs = _runs(first, source, sealer)
            async with aclosing(segment.encoded(archive, runs)) as encoded:
                async for blocks in encoded:
                    staged.add(ARCHIVE, blocks)
                    self._bytes += sum(map(len, blocks))
                    self._tell()
            tail, rest = await asyncio.to_thread(_rest, before, sealer)
            staged.add(TAIL, rest)
            await self._check_room(staged.size)
            await _to_its_end(staged.commit)
        finally:
            staged.discard()
        with self._appending():
            await append_staged(StagedImport(self._path), segment.tail_log, segment.archive_log)
            segment.tail, segment.archive = tail, archive

    async def _check_room(self, size: int) -> None:
        room = await self._room()
        if room < 2 * size:
            raise DiskFullError(
                f"the disk has no room for the import, which takes {-(-2 * size >> 20)} MiB: "
                f"{max(room, 0) >> 20} MiB may be used",
                hint="free some space and import again; nothing was changed",
            )

    def _note_read(self, count: int) -> None:
        self._read += count
        self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(ImportProgress(self._read, self._there, self._bytes))


async def append_staged(staged: StagedImport, tail: DerivedLog, archive: DerivedLog) -> None:
    """Put the blocks of a staged import into the logs; those that are there are compared."""
    archive.length, tail.length = staged.archive_block, staged.tail_block
    for log, kind in ((archive, ARCHIVE), (tail, TAIL)):
        async with read_ahead(staged.batches(kind)) as batches:
            async for batch in batches:
                await log.put(batch)
    staged.remove()


async def _to_its_end(work: Callable[[], None]) -> None:
    """Run blocking work in a thread; a cancellation waits for it."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    finally:
        await asyncio.wait([running])


async def _runs(first: Records, source: Source, sealer: Sealer) -> AsyncGenerator[list[Run], None]:
    batch: Records | None = first
    while batch is not None:
        yield await asyncio.to_thread(sealer.push, batch)
        batch = await source.next()


def _rest(before: TailBlocks, sealer: Sealer) -> tuple[TailBlocks, list[bytes]]:
    """The tail, and its new blocks, after an import that left `sealer` like this."""
    rows = sealer.open_records()
    start = max(0, before.sealer.end_seq - sealer.open_seq)  # these are in the tail already
    opened = Sealer(type(rows), sealer.open_seq, sealer.before_open_ns)
    opened.push(rows[:start])
    tail = before.continued(opened)
    blocks: list[bytes] = []
    for at in range(start, len(rows), TAIL_RECORDS):
        blocks += tail.derive(rows[at : at + TAIL_RECORDS])[0]
    return tail, blocks
