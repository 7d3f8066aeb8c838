"""New records of a segment as they arrive, without a gap or a repetition."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import numpy as np

from tradercast.chunks import decode_header
from tradercast.errors import IncompleteError, StalledError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.decoding import check_header
from tradercast.feed.plan import merge_ranges
from tradercast.feed.reader import Piece, SegmentReader
from tradercast.feed.tail import locate_tail

_log = logging.getLogger(__name__)

_POLL_S = 1.0  # only in case an announcement of new blocks was lost
_RETRY_S = 0.2
_STALL_S = 3.0  # a tail block that nobody has any more is in the archive
_FAR = 256  # tail blocks: who is so far behind takes what is sealed from the archive


class Follower:
    """Keeps the number of the next record and takes it from wherever it is.

    The tail is read block by block; when a block of it is gone (sealed, then cleared) or
    records were written straight to the archive, the archive has them.  A hole is believed
    in only by a writer: here it is waited for.

    Parameters
    ----------
    reader : SegmentReader
    next_seq : int
        The first record that is wanted.
    """

    def __init__(self, reader: SegmentReader, next_seq: int) -> None:
        self.next_seq = next_seq
        self._reader = reader
        self._tail_block: int | None = None
        self._news = asyncio.Event()

    @property
    def in_use(self) -> int:
        """The first tail block that may be read yet."""
        return self._tail_block or 0

    def wake(self) -> None:
        """There may be something new: look at once."""
        self._news.set()

    async def records(self, stop: Callable[[], bool] = lambda: False) -> AsyncIterator[Piece]:
        """Records from `next_seq` on, for ever or until `stop` says so.

        Corrections and gaps come as they are (`Trades.notes`): whoever follows has acted on
        the record that is corrected already.
        """
        while not stop():
            self._news.clear()
            moved = False
            try:
                if self._tail_block is None or await self._is_overtaken(self._tail_block):
                    self._tail_block = None
                    async for piece in self._from_archive():
                        moved = True
                        yield piece
                async for piece in self._from_tail():
                    moved = True
                    yield piece
            except IncompleteError as error:  # a stall among them: what is sealed moves on
                _log.debug("record %d is not to be had yet: %s", self.next_seq, error.message)
                self._tail_block = None
                await asyncio.sleep(_RETRY_S)
                continue
            if not moved:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _is_overtaken(self, block: int) -> bool:
        """Whether the writer is far ahead, and has sealed the next record."""
        tail = self._reader.tail
        length = (await tail.info()).length
        if length - block < _FAR:
            return False
        newest = await tail.get(length - 1, wait=True, stall_s=_STALL_S)
        header = decode_header(newest) if newest is not None else None
        return (
            header is not None and header.tail is not None and header.tail.open_seq > self.next_seq
        )

    async def _from_archive(self) -> AsyncIterator[Piece]:
        archive = self._reader.archive
        info = await (archive.update(_STALL_S) if self._reader.remote else archive.info())
        index = await ArchiveIndex.load(archive, info.length, wait=True, stall_s=_STALL_S)
        refs = await index.chunks_between(self.next_seq, index.end_seq)
        wanted = {ref.block: ref for ref in refs}
        ranges = merge_ranges((ref.block, ref.block + 2) for ref in refs)
        async for batch in archive.read(ranges, wait=True, stall_s=_STALL_S):
            for block, data in batch:
                if block in wanted and data is not None:
                    check_header(decode_header(data), wanted[block])
                    piece = self._take(data)
                    if piece is not None:
                        yield piece

    async def _from_tail(self) -> AsyncIterator[Piece]:
        tail = self._reader.tail
        length = (await tail.info()).length
        if self._tail_block is None:
            part = await locate_tail(tail, length, self.next_seq, wait=True, stall_s=_STALL_S)
            self._tail_block = part.start_block if part else length
        if self._tail_block >= length:
            return
        async for batch in tail.read([(self._tail_block, length)], wait=True, stall_s=_STALL_S):
            for block, data in batch:
                if data is None:
                    raise StalledError(f"tail block {block} is gone")
                piece = self._take(data)
                self._tail_block = block + 1
                if piece is not None:
                    yield piece

    def _take(self, data: bytes) -> Piece | None:
        header, records = self._reader.channel.decode(data)
        if header.first_seq > self.next_seq:
            raise IncompleteError(
                f"records {self.next_seq} to {header.first_seq} are in the archive only"
            )
        if header.end_seq <= self.next_seq:
            return None
        seq = np.arange(self.next_seq, header.end_seq, dtype=np.int64)
        skip = self.next_seq - header.first_seq
        self.next_seq = header.end_seq
        return Piece(records[skip:] if skip else records, seq)
