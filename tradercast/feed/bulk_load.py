"""A whole range into memory: decoded where it stays, while further blocks still arrive."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import numpy as np

from tradercast.chunks import open_trades
from tradercast.feed.archive import ChunkRef
from tradercast.feed.columns import Columns, Slot
from tradercast.feed.decoding import check_header, decode_piece, result_of
from tradercast.feed.fixes import Fixes
from tradercast.feed.piece import Piece
from tradercast.feed.plan import Plan
from tradercast.feed.reader import ReadReport, SegmentReader
from tradercast.heap import keep_freed_memory
from tradercast.notes import Gap

Group: TypeAlias = list[tuple[ChunkRef, bytes]]
Groups: TypeAlias = AsyncGenerator[Group, None]

_WORKERS = max(1, min(4, os.cpu_count() or 1))
_TOGETHER = 32
"""Chunks to a thread at once: one by one, threads would wait for each other most of the time."""

_AHEAD = 2 * _WORKERS  # groups of blocks that arrived and are not decoded yet


async def load(reader: SegmentReader, plan: Plan, report: ReadReport) -> Piece:
    """All records of a plan in new arrays: what `SegmentReader.read` yields, in one piece.

    Blocks are decoded by several threads while others arrive, straight into the result, which is
    allocated once.  What nobody has is noted in `report`.

    Parameters
    ----------
    reader : SegmentReader
        Of the segment.
    plan : Plan
        Made by it.
    report : ReadReport
        Takes gaps and what is missing.

    Raises
    ------
    FormatError
        If a block is no chunk of trades, or not the one that the index promises.
    """
    inside = sum(ref.count for ref in plan.chunks if plan.is_inside(ref))
    if 2 * inside < plan.records:  # mostly records that are not wanted: no room for those
        return Piece.joined([piece async for piece in reader.read(plan, report)])
    keep_freed_memory()
    blocks = reader.loose_groups(plan, report)
    first = asyncio.create_task(_next(blocks))  # they are on their way while corrections are read
    try:
        fixes = await reader.corrections(plan, report)
        work = _Load(reader, plan, fixes, report)
        with ThreadPoolExecutor(_WORKERS, "decode") as pool:
            await work.run(pool, first, blocks)
    finally:
        first.cancel()
        await asyncio.wait([first])
        await blocks.aclose()
    piece = work.columns.piece()
    report.records += len(piece)
    return piece


class _Load:
    """One load: which part of the columns each block goes to."""

    def __init__(self, reader: SegmentReader, plan: Plan, fixes: Fixes, report: ReadReport) -> None:
        self._reader = reader
        self._plan = plan
        self._fixes = fixes
        self._report = report
        strays = fixes.strays(plan)
        self.columns = Columns(plan.records + len(strays))
        self._chunks: dict[int, Slot] = {}
        for ref in plan.chunks:
            strays = self._put_before(ref.first_seq, strays)
            self._chunks[ref.block] = self.columns.slot(ref.count)
        if plan.tail is not None:
            strays = self._put_before(plan.tail.first_seq, strays)
            self._tail = self.columns.slot(plan.tail.count)
        self._put_before(plan.end_seq, strays)

    def _put_before(self, seq: int, strays: Piece) -> Piece:
        """Put the strays before a record into a slot; the others are returned."""
        if not len(strays):
            return strays
        count = int(np.searchsorted(strays.seq, seq))
        if count:
            self.columns.slot(count).put(Piece(strays.trades[:count], strays.seq[:count]))
        return Piece(strays.trades[count:], strays.seq[count:])

    async def run(
        self, pool: ThreadPoolExecutor, first: Awaitable[Group | None], blocks: Groups
    ) -> None:
        """Decode the first blocks and all others, and fetch and decode the tail."""
        gaps: dict[int, list[Gap]] = {}
        pending: deque[Future[dict[int, list[Gap]]]] = deque()
        try:
            group = await first
            here: Group = []
            while group is not None:
                here += group
                if len(here) >= (_TOGETHER if pending else _TOGETHER // 4):
                    pending.append(pool.submit(self._decode, here))
                    here = []
                while pending and (pending[0].done() or len(pending) > _AHEAD):
                    found = await result_of(pending.popleft())
                    gaps |= found
                group = await _next(blocks)
            pending.append(pool.submit(self._decode, here))
            while pending:
                found = await result_of(pending.popleft())
                gaps |= found
        finally:
            for future in pending:
                future.cancel()
        for block in sorted(gaps):
            self._report.gaps += gaps[block]
        if self._plan.tail is not None:
            await self._load_tail(pool)

    def _decode(self, group: Group) -> dict[int, list[Gap]]:
        """Decode chunks into their slots; only what is wanted as it is can stay there."""
        gaps: dict[int, list[Gap]] = {}
        plain: list[tuple[ChunkRef, bytes]] = []
        plan, fixes = self._plan, self._fixes
        for ref, data in sorted(group, key=lambda chunk: chunk[0].block):
            touched = ref.notes or fixes.touch(ref.first_seq, ref.end_seq)
            if not touched and plan.is_inside(ref):
                plain.append((ref, data))
                continue
            piece, gaps[ref.block] = decode_piece(
                data, ref, ref.first_seq, ref.end_seq, fixes, plan.time_range
            )
            self._chunks[ref.block].put(piece)
        chunks = [open_trades(data) for _, data in plain]
        for chunk, (ref, _) in zip(chunks, plain, strict=True):
            check_header(chunk.header, ref)
        self.columns.decode([self._chunks[ref.block] for ref, _ in plain], chunks)
        return gaps

    async def _load_tail(self, pool: ThreadPoolExecutor) -> None:
        pieces: list[Piece] = []
        loop = asyncio.get_running_loop()
        fixes, time_range = self._fixes, self._plan.time_range
        async for data, first, end in self._reader.tail_blocks(self._plan, self._report):
            piece, gaps = await loop.run_in_executor(
                pool, decode_piece, data, None, first, end, fixes, time_range
            )
            pieces.append(piece)
            self._report.gaps += gaps
        self._tail.put(Piece.joined(pieces))


async def _next(blocks: Groups) -> Group | None:
    return await anext(blocks, None)
