"""The book at a time: one chunk of the archive, or its last one and the tail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from tradercast.book_levels import Keyframe
from tradercast.book_messages import BookMessages
from tradercast.chunks import decode_book
from tradercast.errors import FormatError, IncompleteError, StalledError
from tradercast.feed.archive import ArchiveIndex, ChunkRef
from tradercast.feed.decoding import check_header
from tradercast.feed.plan import Plan
from tradercast.feed.reader import ReadReport, SegmentReader
from tradercast.feed.tail import TailPart, locate_tail
from tradercast.market.book import Book
from tradercast.timerange import TimeRange, format_time_ns

_ATTEMPTS = 4  # a segment that is sealed while it is looked at is looked at again


@dataclass(frozen=True, slots=True)
class BookState:
    """The book of a segment after all records up to a time.

    Attributes
    ----------
    book : Book
        After every record before the first that is later than the time.
    ts_event : int or None
        Of the last record in it (ns UTC); None if that is not in the chunk that was read.
    reason : str or None
        Why it is not the exchange's book at this time; None if it is.
    is_settled : bool
        Whether a later record is known, so that the answer can not change any more.
    """

    book: Book
    ts_event: int | None
    reason: str | None
    is_settled: bool


class BookReader:
    """Finds the book of one segment at any time; keeps the chunk that it decoded last.

    Parameters
    ----------
    reader : SegmentReader
        Of a feed of books.
    """

    def __init__(self, reader: SegmentReader) -> None:
        self._reader = reader
        self._kept: tuple[ChunkRef, Keyframe, BookMessages] | None = None

    async def at(self, time_ns: int) -> BookState | None:
        """The book at a time; None if the segment has no record so early.

        Raises
        ------
        IncompleteError
            If a block that is needed is not held and no peer has it.
        """
        last: IncompleteError | None = None
        for _ in range(_ATTEMPTS):
            try:
                return await self._at(time_ns)
            except StalledError:
                raise
            except IncompleteError as error:
                last = error
                if not self._reader.remote:
                    break
                await asyncio.sleep(0.25)
        assert last is not None
        raise last

    async def _at(self, time_ns: int) -> BookState | None:
        reader = self._reader
        archive_length, tail_length = await reader.lengths(latest=False)
        index = await ArchiveIndex.load_at(
            reader.archive, archive_length, time_ns, wait=reader.remote, stall_s=reader.stall_s
        )
        ref = await index.chunk_past(time_ns)
        if ref is not None:
            found = await self._here_before(index, ref) if is_all_behind(ref, time_ns) else ref
            is_before, ref = found != ref, found
            keyframe, messages = await self._load(ref)
            book, is_first = Book.from_keyframe(keyframe), ref.first_seq == 0
            return await asyncio.to_thread(
                book_until, book, messages, time_ns, is_first, is_settled=is_before
            )
        tail = await locate_tail(
            reader.tail, tail_length, index.end_seq, wait=reader.remote, stall_s=reader.stall_s
        )
        return await self._behind_chunks(time_ns, index, tail)

    async def runs(
        self, time_range: TimeRange, report: ReadReport
    ) -> AsyncIterator[tuple[int, Keyframe | None, BookMessages]]:
        """Records that give the book at every time of a range, and those that settle the last.

        Yields
        ------
        first_seq, keyframe, messages
            Of each chunk, and of tail blocks without a keyframe.  What nobody has is left out
            and noted in `report`.  No messages at the end: the next one is behind the range.
        """
        reader = self._reader
        archive_length, tail_length = await reader.lengths(latest=False)
        index = await ArchiveIndex.load(
            reader.archive, archive_length, wait=reader.remote, stall_s=reader.stall_s
        )
        first = await index.chunk_past(time_range.start_ns)
        if first is None:
            first = await index.chunk_of_seq(index.end_seq - 1)
        last = await index.chunk_past(time_range.end_ns - 1)
        # a sync of the range does not fetch a chunk that has nothing of it, and it is not needed
        is_behind = last is not None and is_all_behind(last, time_range.end_ns - 1)
        if last is not None and is_behind and first == last:
            first = await self._here_before(index, last)
            is_behind = first != last
        end_seq = index.end_seq if last is None else last.first_seq if is_behind else last.end_seq
        refs = await index.chunks_between(first.first_seq if first else 0, end_seq)
        tail = None
        if last is None:
            tail = await locate_tail(
                reader.tail, tail_length, index.end_seq, wait=reader.remote, stall_s=reader.stall_s
            )
        plan = Plan(time_range, tuple(refs), tail, index.end_seq)
        async for ref, data in reader.chunk_blocks(plan, report):
            header, keyframe, messages = await asyncio.to_thread(decode_book, data)
            check_header(header, ref)
            yield ref.first_seq, keyframe, messages
        if is_behind:
            yield end_seq, None, BookMessages.empty()
        if tail is not None:
            async for data, begin, end in reader.tail_blocks(plan, report):
                header, _, messages = await asyncio.to_thread(decode_book, data)
                yield begin, None, messages[begin - header.first_seq : end - header.first_seq]

    async def _behind_chunks(
        self, time_ns: int, index: ArchiveIndex, tail: TailPart | None
    ) -> BookState | None:
        """The book after the archive's records, and those of the tail up to a time."""
        book, before = Book(), BookMessages.empty()
        ref = await index.chunk_of_seq(index.end_seq - 1) if index.end_seq else None
        if ref is not None:
            keyframe, before = await self._load(ref)
            book = Book.from_keyframe(keyframe)
        parts = [before]
        if tail is not None:
            plan = Plan(TimeRange(), (), tail, tail.end_seq)
            report = ReadReport()
            async for data, first, end in self._reader.tail_blocks(plan, report):
                header, _, messages = await asyncio.to_thread(decode_book, data)
                parts.append(messages[first - header.first_seq : end - header.first_seq])
            if report.missing:
                raise IncompleteError(
                    f"records {report.missing[0][0]} to {report.missing[-1][1]} are not here",
                    hint="connect to a peer that has them",
                )
        messages = BookMessages.concat(parts)
        if not len(messages):
            return None
        is_first = ref is None or ref.first_seq == 0
        return await asyncio.to_thread(book_until, book, messages, time_ns, is_first)

    async def _here_before(self, index: ArchiveIndex, ref: ChunkRef) -> ChunkRef:
        """A chunk, or the one before it if that is here and the chunk itself is not."""
        before = await index.chunk_of_seq(ref.first_seq - 1)
        if before is None or await self._is_here(ref) or not await self._is_here(before):
            return ref
        return before

    async def _is_here(self, ref: ChunkRef) -> bool:
        if self._kept is not None and self._kept[0] == ref:
            return True
        return bool(await self._reader.archive.held(ref.block, ref.block + 1))

    async def _load(self, ref: ChunkRef) -> tuple[Keyframe, BookMessages]:
        if self._kept is None or self._kept[0] != ref:
            reader = self._reader
            data = None
            if ref.is_known:
                data = await reader.archive.get(ref.block, reader.remote, reader.stall_s)
            if data is None:
                raise IncompleteError(
                    f"the chunk of {format_time_ns(ref.max_ns)} is not here",
                    hint="connect to a peer that has it",
                )
            header, keyframe, messages = await asyncio.to_thread(decode_book, data)
            check_header(header, ref)
            if keyframe is None:
                raise FormatError(f"chunk {ref.number} does not begin with a book")
            self._kept = ref, keyframe, messages
        return self._kept[1:]


def is_all_behind(ref: ChunkRef, time_ns: int) -> bool:
    """Whether a chunk says that the book at a time is the one that it begins with."""
    return ref.first_seq > 0 and ref.is_known and not ref.notes and ref.min_ns > time_ns


def book_until(
    book: Book,
    messages: BookMessages,
    time_ns: int,
    is_first: bool,
    *,
    is_settled: bool = False,
) -> BookState | None:
    """The book after those of the messages that come before the first later than a time.

    Parameters
    ----------
    book : Book
        Before the messages; it is changed.
    messages : BookMessages
        No earlier record of the segment is later than the time.
    time_ns : int
        ns UTC.
    is_first : bool
        Whether these are the first messages of the segment: then there may be no book yet.
    is_settled : bool
        Whether the record behind them is known to be later.
    """
    running = np.maximum.accumulate(messages.times())
    count = int(np.searchsorted(running, time_ns, "right"))
    if is_first and count == 0:
        return None
    done = messages[:count]
    book.apply(done)
    is_settled = is_settled or count < len(messages)
    reason = _hole_from(messages[count : count + 1], time_ns)
    if reason is None and not book.valid:
        reason = _why_invalid(done)
    if reason is None and not is_settled and time_ns > int(running[-1]):
        reason = f"nothing is known after {format_time_ns(int(running[-1]))}"
    return BookState(book, book.ts_event, reason, is_settled)


def _hole_from(following: BookMessages, time_ns: int) -> str | None:
    """Why the next record makes the book invalid: messages before it are missing already."""
    notes = following.notes
    if not len(notes) or int(notes.ref_ts[0]) > time_ns:
        return None
    return _missing(following, 0)


def _why_invalid(done: BookMessages) -> str:
    if len(done.notes):
        return f"{_missing(done, len(done.notes) - 1)}, and no snapshot came since"
    return "no snapshot came yet, or none since messages went missing"


def _missing(messages: BookMessages, at: int) -> str:
    notes = messages.notes
    first, last = int(notes.ref_seq[at]), int(notes.ref_end[at])
    since = format_time_ns(int(notes.ref_ts[at]))
    return f"messages {first} to {last} are missing since {since}"
