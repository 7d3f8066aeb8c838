"""Minute candles of a segment of trades, read from its writer's logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from tradercast import corrections
from tradercast.candles import Candles
from tradercast.feed.fixes import moves_in, noted_records
from tradercast.feed.history import History
from tradercast.market.minute_candles import STEP, MinuteCandles
from tradercast.notes import Kind
from tradercast.records import Trades
from tradercast.rows import I64
from tradercast.timerange import MIN_TIME_NS, TimeRange


async def minute_candles(trades: History) -> AsyncIterator[Candles]:
    """All records of the feed of candles, as far as the trades decide them."""
    machine = await machine_at(trades, 0)
    async for _, records in trades.since(0):
        derived = await asyncio.to_thread(machine.push, records)
        yield derived.candles


async def machine_at(trades: History, seq: int) -> MinuteCandles:
    """What takes the records from `seq` on; push in a thread, for it may look into the log."""
    loop = asyncio.get_running_loop()

    def lookup(minute: int, end_seq: int) -> Trades:
        reading = minute_trades(trades, minute, end_seq)
        return asyncio.run_coroutine_threadsafe(reading, loop).result()

    machine = MinuteCandles(lookup, next_seq=seq, top_ns=await _top(trades, seq))
    async for first, records in _noted(trades, seq):
        piece = noted_records(records[: seq - first], first)
        if piece is not None:
            machine.passed(piece.trades, piece.seq)
    return machine


async def _noted(trades: History, end_seq: int) -> AsyncIterator[tuple[int, Trades]]:
    """Runs of records before `end_seq`, all with corrections among them."""
    for ref in await (await trades.index()).noted_chunks():
        if ref.first_seq < end_seq:
            yield ref.first_seq, await trades.load(ref)
    if (opened := trades.opened) is not None and opened[0] < end_seq:
        yield opened


async def _top(trades: History, seq: int) -> int:
    """The latest time of the trades before a record: from the last chunks, mostly from one."""
    top = MIN_TIME_NS
    if (opened := trades.opened) is not None and opened[0] < seq:
        top = max(top, _latest(opened[1][: seq - opened[0]]))
    for ref in reversed(await (await trades.index()).chunks_between(0, seq)):
        if ref.running_max_ns <= top:
            break
        top = max(top, _latest((await trades.load(ref))[: seq - ref.first_seq]))
    return top


def _latest(records: Trades) -> int:
    plain = records.ts_event[records.notes.plain(len(records))]
    return int(plain.max()) if len(plain) else MIN_TIME_NS


async def minute_trades(trades: History, minute: int, end_seq: int) -> Trades:
    """The trades of a minute as the records before `end_seq` have them."""
    wanted = TimeRange(minute, minute + STEP)
    index = await trades.index()
    refs = {ref.first_seq: ref for ref in await index.chunks_for(wanted)}
    runs = {first: await trades.load(ref) for first, ref in refs.items() if first < end_seq}
    if (opened := trades.opened) is not None and opened[0] < end_seq:
        runs[opened[0]] = opened[1]
    # what was amended into the minute has its place, and may have other corrections, elsewhere
    noted = [noted_records(run, first) for first, run in runs.items()]
    if moves_in([piece for piece in noted if piece is not None], wanted):
        runs |= {first: run async for first, run in _noted(trades, end_seq)}
        for lost in _targets(runs):
            for ref in await index.chunks_between(lost, lost + 1):
                if ref.first_seq not in runs:
                    runs[ref.first_seq] = await trades.load(ref)
    seq, records = _joined(runs)
    kept = int(np.searchsorted(seq, end_seq))
    plain, _, _ = corrections.apply(records[:kept], seq[:kept])
    inside = (plain.ts_event >= wanted.start_ns) & (plain.ts_event < wanted.end_ns)
    return plain[np.flatnonzero(inside)]


def _targets(runs: dict[int, Trades]) -> list[int]:
    """The records that are amended."""
    found: set[int] = set()
    for records in runs.values():
        notes = records.notes
        found |= set(notes.ref_seq[notes.kind == Kind.AMEND].tolist())
    return sorted(found)


def _seq(first: int, run: Trades) -> I64:
    return np.arange(first, first + len(run), dtype=np.int64)


def _joined(runs: dict[int, Trades]) -> tuple[I64, Trades]:
    firsts = sorted(runs)
    seqs = [_seq(first, runs[first]) for first in firsts]
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *seqs]), Trades.concat([runs[first] for first in firsts])
