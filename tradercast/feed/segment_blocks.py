"""The blocks of a segment's archive and tail, from the disk and from peers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from tradercast.chunks import decode_header
from tradercast.errors import FormatError, IncompleteError, StalledError
from tradercast.feed.archive import ArchiveIndex, ChunkRef
from tradercast.feed.channel import TRADES, Channel
from tradercast.feed.decoding import check_header
from tradercast.feed.here import archive_here, tail_here
from tradercast.feed.plan import Plan, merge_ranges
from tradercast.feed.report import ReadReport
from tradercast.feed.tail import TailPart
from tradercast.log import Core
from tradercast.log.line_fetch import take


class SegmentBlocks:
    """Gets the blocks of one segment.

    Parameters
    ----------
    archive, tail : Core
        The two logs.
    channel : Channel
        What its records are.
    remote : bool
        Ask peers for what is not held; otherwise only what is held is read.
    stall_s : float
        How long to wait for peers without any progress.
    """

    def __init__(
        self,
        archive: Core,
        tail: Core,
        channel: Channel = TRADES,
        *,
        remote: bool,
        stall_s: float = 20.0,
    ) -> None:
        self.channel = channel
        self.archive = archive
        self.tail = tail
        self.remote = remote
        self.stall_s = stall_s

    async def lengths(self, timeout_s: float = 5.0, *, latest: bool = True) -> tuple[int, int]:
        """Newest verified lengths of archive and tail; unless remote, as far as they are held.

        With `latest` their newest blocks come along, which saves who begins there a round trip.
        """
        if not self.remote:
            ends = await asyncio.gather(archive_here(self.archive), tail_here(self.tail))
            return ends[0], ends[1]
        # the tail first would be enough for safety; both at once saves a round trip, and a seal
        # in between is met by planning again
        infos = await asyncio.gather(
            *(log.update(timeout_s, latest=latest) for log in (self.archive, self.tail))
        )
        return infos[0].length, infos[1].length

    async def chunk_blocks(
        self, plan: Plan, report: ReadReport
    ) -> AsyncGenerator[tuple[ChunkRef, bytes], None]:
        """The planned archive chunks as they come, in order; missing ones go to `report`."""
        async for group in self.chunk_groups(plan, report):
            for chunk in group:
                yield chunk

    async def chunk_groups(
        self, plan: Plan, report: ReadReport
    ) -> AsyncIterator[list[tuple[ChunkRef, bytes]]]:
        """The same, as many at a time as arrived together."""
        wanted = {ref.block: ref for ref in plan.chunks}
        async for group in self._ordered(wanted, plan.archive_blocks(), report):
            yield group

    async def loose_groups(
        self, plan: Plan, report: ReadReport
    ) -> AsyncGenerator[list[tuple[ChunkRef, bytes]], None]:
        """The same in any order, which takes less work."""
        wanted = {ref.block: ref for ref in plan.chunks if ref.is_known}
        if self.remote:
            async with contextlib.aclosing(take(self.archive, merged(wanted))) as batches:
                async for taken in batches:
                    yield [
                        (wanted.pop(block), data)
                        for block, data in zip(taken.blocks, taken.values, strict=True)
                    ]
        wanted |= {ref.block: ref for ref in plan.chunks if not ref.is_known}
        if not wanted:  # reading would wait until all that came is stored
            return
        async for group in self._ordered(wanted, merged(wanted), report):
            yield group

    async def _ordered(
        self, wanted: dict[int, ChunkRef], ranges: list[tuple[int, int]], report: ReadReport
    ) -> AsyncIterator[list[tuple[ChunkRef, bytes]]]:
        async for batch in self._batches(self.archive, ranges):
            group: list[tuple[ChunkRef, bytes]] = []
            for block, data in batch:
                ref = wanted.get(block)
                if ref is None:
                    continue
                if data is None or not ref.is_known:
                    report.note_missing(ref.first_seq, ref.end_seq, ref.min_ns, ref.max_ns)
                else:
                    group.append((ref, data))
            if group:
                yield group

    async def tail_blocks(
        self, plan: Plan, report: ReadReport
    ) -> AsyncIterator[tuple[bytes, int, int]]:
        """The records ``[first, end)`` of the planned tail, in order: blocks that hold them.

        Where a tail block was dropped since, the archive has its records; what nobody has goes to
        `report`.

        Raises
        ------
        FormatError
            If one holds records of another, or more than the newest one told.
        """
        tail = plan.tail
        assert tail is not None
        seq, end_before = tail.first_seq, 0
        async for block, data in self._blocks(self.tail, plan.tail_blocks()):
            if data is None:
                continue
            header = decode_header(data)
            if header.end_seq > tail.end_seq or header.first_seq < end_before:
                raise FormatError(
                    f"tail block {block} holds records {header.first_seq} to "
                    f"{header.end_seq}, which do not belong there"
                )
            end_before = header.end_seq
            async for part in self._sealed_since(seq, header.first_seq, tail, report):
                yield part
            seq = max(seq, header.first_seq)
            if seq < header.end_seq:
                yield data, seq, header.end_seq
                seq = header.end_seq
        async for part in self._sealed_since(seq, tail.end_seq, tail, report):
            yield part

    async def _sealed_since(
        self, seq: int, end_seq: int, tail: TailPart, report: ReadReport
    ) -> AsyncIterator[tuple[bytes, int, int]]:
        """Records that the tail has no more, from chunks that were sealed since it was planned."""
        if seq >= end_seq:
            return
        refs: list[ChunkRef] = []
        with contextlib.suppress(IncompleteError):
            length, _ = await self.lengths()
            index = await ArchiveIndex.load(
                self.archive, length, wait=self.remote, stall_s=self.stall_s
            )
            refs = await index.chunks_between(seq, end_seq)
        wanted = {ref.block: ref for ref in refs}
        async for block, data in self._blocks(self.archive, merged(wanted)):
            ref = wanted[block]
            end = min(ref.end_seq, end_seq)
            if data is None or not ref.is_known:
                report.note_missing(seq, end, ref.min_ns, ref.max_ns)
            else:
                check_header(decode_header(data), ref)
                yield data, seq, end
            seq = end
        if seq < end_seq:
            report.note_missing(seq, end_seq, tail.min_ns, tail.max_ns)

    async def _blocks(
        self, core: Core, ranges: list[tuple[int, int]]
    ) -> AsyncIterator[tuple[int, bytes | None]]:
        """Blocks of sorted ranges in order; None for what is not held and nobody sends."""
        async for batch in self._batches(core, ranges):
            for block in batch:
                yield block

    async def _batches(
        self, core: Core, ranges: list[tuple[int, int]]
    ) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        """The same, as many at a time as arrive together."""
        at = 0
        try:
            async for batch in core.read(ranges, wait=self.remote, stall_s=self.stall_s):
                at = batch[-1][0] + 1
                yield batch
            return
        except StalledError:
            pass
        # All were asked for at once: what peers had beyond the first missing one is here by now.
        rest = [(max(start, at), end) for start, end in ranges if end > at]
        async for batch in core.read(rest, wait=False):
            yield batch


def merged(blocks: Iterable[int]) -> list[tuple[int, int]]:
    """Ranges of these blocks."""
    return merge_ranges((block, block + 1) for block in sorted(blocks))
