"""Minute candles made of the logs of trades: late trades and corrections, and a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from support.candles import candle_rows, plain_candles, trade_rows
from support.feeds import Logs, logs_of, market, open_writer
from support.stores import open_store

from tradercast import corrections
from tradercast.candles import Candles
from tradercast.chunks import decode_candles
from tradercast.feed.candle_source import minute_candles
from tradercast.feeds import FeedId
from tradercast.log import LogStore
from tradercast.market.minute_candles import CLOSES, STEP, last_of_each
from tradercast.records import Kind, Notes, Trades

MADE = FeedId("bitfinex", "btcusd", "candles-1m")
COUNT = 30_000


def trades() -> Trades:
    """Three hours, up to 8 s late, with gaps, and with busts and amendments long after."""
    run = market(COUNT, per_hour=10_000, jitter_s=8)
    times, notes = run.ts_event.copy(), []
    for row in range(9_000, COUNT, 1_000):
        kind = (Kind.BUST, Kind.AMEND, Kind.GAP)[row // 1_000 % 3]
        target = row - 8_000 + row % 7  # once that is an amendment
        if kind == Kind.GAP:
            notes.append((row, kind, row, row + 3, int(times[row - 1])))
        else:
            notes.append((row, kind, target, 0, int(times[target])))
        if kind == Kind.AMEND:  # some move to another minute, one of which is corrected again
            times[row] = times[target] + row // 1_000 % 2 * 20 * 60 * 10**9
    return replace(run, ts_event=times, notes=Notes.of(notes))


TRADES = trades()


async def derive(store: LogStore, directory: Path, count: int) -> Logs:
    """Append trades up to `count`, and the candles that they come to."""
    async with open_writer(store, directory) as source:
        await source.append([TRADES[source.end_seq : count]])
        async with open_writer(store, directory, feed=MADE) as target:
            await target.import_batches(minute_candles(source.history))
    return await logs_of(store, MADE)


async def candles(store: LogStore, directory: Path) -> Candles:
    async with open_writer(store, directory) as source:
        return Candles.concat([each async for each in minute_candles(source.history)])


async def test_candles_of_a_log_are_what_a_reader_of_the_trades_sees(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await derive(store, tmp_path, COUNT)
        found = await candles(store, tmp_path)

    plain, _, gaps = corrections.apply(TRADES, np.arange(COUNT))
    top = int(plain.ts_event.max())
    rows = plain_candles(trade_rows(plain), "1m")
    closed = [row for row in rows if row.ts_open + CLOSES <= top]
    assert candle_rows(last_of_each(found)) == closed
    assert len(closed) >= 178
    assert len(found) > len(closed) + len(gaps)  # late trades and corrections replaced some
    assert found.notes.ref_seq.tolist() == [gap.first for gap in gaps]
    assert top // STEP * STEP not in found.ts_open


async def test_a_stop_in_the_middle_of_a_minute_leaves_the_same_chunks(tmp_path: Path) -> None:
    async with open_store(tmp_path / "once") as store:
        once = await derive(store, tmp_path / "once", COUNT)
    async with open_store(tmp_path / "often") as store:
        for count in (1, 9_517, 20_003, COUNT):
            often = await derive(store, tmp_path / "often", count)

    assert len(once.archive) == 2  # the hours before midnight
    assert once.archive == often.archive
    last_once, last_often = [decode_candles(logs.tail[-1] or b"") for logs in (once, often)]
    assert last_once[0].end_seq == last_often[0].end_seq
    assert last_once[1][-1:].equals(last_often[1][-1:])
