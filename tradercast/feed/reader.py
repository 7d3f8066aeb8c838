"""From a range of time to its records: plan, fetch, decode, correct, filter."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from tradercast.chunks import decode_header, decode_trades
from tradercast.errors import IncompleteError, StalledError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.block_decoder import Block, BlockDecoder, Decoded
from tradercast.feed.decoding import check_header, result_of
from tradercast.feed.fixes import Fixes, moves_in, noted_records
from tradercast.feed.piece import Piece as Piece
from tradercast.feed.plan import Plan
from tradercast.feed.report import ReadReport as ReadReport
from tradercast.feed.segment_blocks import SegmentBlocks
from tradercast.feed.tail import locate_tail
from tradercast.timerange import MAX_TIME_NS, TimeRange

_AHEAD = 1  # groups of blocks that wait for the one that is decoded
_ATTEMPTS = 4  # a segment that is sealed while it is planned is planned again


class SegmentReader(SegmentBlocks):
    """Reads one segment: its archive and its tail; parameters as of `SegmentBlocks`."""

    async def plan(self, time_range: TimeRange) -> Plan:
        """Find the blocks of a range.

        Raises
        ------
        IncompleteError
            If index or tail are not held and no peer has them.
        """
        last: IncompleteError | None = None
        for _ in range(_ATTEMPTS):
            archive_length, tail_length = await self.lengths()
            try:
                return await self._plan(time_range, archive_length, tail_length)
            except StalledError:
                raise
            except IncompleteError as error:
                last = error
                if not self.remote:
                    break
                await asyncio.sleep(0.25)
        assert last is not None
        raise last

    async def _plan(self, time_range: TimeRange, archive_length: int, tail_length: int) -> Plan:
        index = await ArchiveIndex.load(
            self.archive, archive_length, wait=self.remote, stall_s=self.stall_s
        )
        chunks, tail = await asyncio.gather(
            index.chunks_for(time_range),
            locate_tail(
                self.tail,
                tail_length,
                index.end_seq,
                wait=self.remote,
                stall_s=self.stall_s,
            ),
        )
        end_seq = max(index.end_seq, tail.end_seq if tail else 0)
        settled_ns = index.running_max_ns
        if tail is not None and tail.max_ns < MAX_TIME_NS:
            settled_ns = max(tail.max_ns, tail.max_ns if settled_ns is None else settled_ns)
        if tail is not None and not time_range.overlaps(tail.min_ns, tail.max_ns):
            tail = None
        return Plan(
            time_range,
            tuple(chunks),
            tail,
            end_seq,
            settled_ns,
            archive_length,
            tail_length,
        )

    async def read(
        self, plan: Plan, report: ReadReport, *, keep_gaps: bool = False
    ) -> AsyncIterator[Piece]:
        """The records of a plan in order, a piece a block, in constant memory.

        Records that nobody has are noted in `report`, and the read goes on behind them.  Gaps
        stay among the records if they are to be kept.
        """
        async for pieces in self.read_groups(plan, report, keep_gaps=keep_gaps):
            for piece in pieces:
                yield piece

    async def read_groups(
        self, plan: Plan, report: ReadReport, *, keep_gaps: bool = False
    ) -> AsyncIterator[list[Piece]]:
        """The same, as many pieces at a time as arrived together."""
        fixes = await self.corrections(plan, report)
        strays = fixes.strays(plan)
        done = 0
        async for pieces in self._decoded(plan, fixes, report, keep_gaps):
            if len(strays):
                firsts = [piece.seq[0] for piece in pieces]
                edges = [done, *np.searchsorted(strays.seq, firsts).tolist()]
                cuts = zip(itertools.pairwise(edges), pieces, strict=True)
                both = [each for (a, b), piece in cuts for each in (strays[a:b], piece)]
                pieces, done = [piece for piece in both if len(piece)], edges[-1]
            yield pieces
        if done < len(strays):
            yield [strays[done:]]
        report.records += len(strays)

    async def _decoded(
        self, plan: Plan, fixes: Fixes, report: ReadReport, keep_gaps: bool
    ) -> AsyncIterator[list[Piece]]:
        """What is left of the blocks, decoded ahead of the caller."""
        decoder = BlockDecoder(plan, fixes, self.channel, keep_gaps)
        pending: deque[Future[list[Decoded]]] = deque()
        waiting: list[Block] = []
        # Several threads took longer: they wait for each other at every step of a chunk.
        pool = ThreadPoolExecutor(1, "decode")
        try:
            async for blocks in self._groups(plan, report):
                waiting += blocks
                if pending and not pending[-1].done() and decoder.has_room_behind(waiting):
                    continue  # it would wait in any case: fewer are handed over at less cost
                pending.append(pool.submit(decoder.decode, waiting))
                waiting = []
                while pending and (pending[0].done() or len(pending) > _AHEAD):
                    if pieces := _noted_in(report, await result_of(pending.popleft())):
                        yield pieces
            if waiting:
                pending.append(pool.submit(decoder.decode, waiting))
            while pending:
                if pieces := _noted_in(report, await result_of(pending.popleft())):
                    yield pieces
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    async def _groups(self, plan: Plan, report: ReadReport) -> AsyncIterator[list[Block]]:
        """Blocks that arrived together, and which records of each are wanted."""
        async for chunks in self.chunk_groups(plan, report):
            yield [Block(data, ref, ref.first_seq, ref.end_seq) for ref, data in chunks]
        if plan.tail is not None:
            async for data, first, end in self.tail_blocks(plan, report):
                yield [Block(data, None, first, end)]

    async def corrections(self, plan: Plan, report: ReadReport) -> Fixes:
        """What the corrections that touch a range come to, read ahead of its records.

        Only chunks that hold some are looked at, as the index says.  If an amendment moves a
        trade into the range, every correction of the segment is read.  Missing ones among these
        are noted in `report`; those of the plan itself are noted when its records are read.
        """
        if not self.channel.has_corrections:
            return Fixes.of(())
        noted = replace(plan, chunks=tuple(ref for ref in plan.chunks if ref.notes))
        pieces = await self._noted(noted, ReadReport())
        if moves_in(pieces, plan.time_range):
            index = await ArchiveIndex.load(
                self.archive, plan.archive_length, wait=self.remote, stall_s=self.stall_s
            )
            known = {ref.number for ref in noted.chunks}
            others = [ref for ref in await index.noted_chunks() if ref.number not in known]
            tail = await locate_tail(
                self.tail,
                plan.tail_length,
                index.end_seq,
                wait=self.remote,
                stall_s=self.stall_s,
            )
            rest = replace(plan, chunks=tuple(others), tail=None if plan.tail else tail)
            pieces += await self._noted(rest, report)
        return Fixes.of(pieces)

    async def _noted(self, plan: Plan, report: ReadReport) -> list[Piece]:
        """The records of planned blocks that are no plain trades."""
        pieces: list[Piece | None] = []
        async for ref, data in self.chunk_blocks(plan, report):
            header, trades = await asyncio.to_thread(decode_trades, data)
            check_header(header, ref)
            pieces.append(noted_records(trades, header.first_seq))
        if plan.tail is not None:
            async for data, first, end in self.tail_blocks(plan, report):
                if decode_header(data).notes:
                    header, trades = decode_trades(data)
                    part = trades[first - header.first_seq : end - header.first_seq]
                    pieces.append(noted_records(part, first))
        return [piece for piece in pieces if piece is not None]


def _noted_in(report: ReadReport, decoded: list[Decoded]) -> list[Piece]:
    """What there is of some blocks, as the report is told."""
    for piece, gaps in decoded:
        report.gaps += gaps
        report.records += len(piece)
    return [piece for piece, _ in decoded if len(piece)]
