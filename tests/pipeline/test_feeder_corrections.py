"""Corrections name a trade by id and time; the log names it by number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from support.feeding import feed, numbered
from support.feeds import FEED, batches, logs_of, market
from support.stores import open_store

from tradercast import corrections
from tradercast.pipeline.messages import Correction, Message
from tradercast.records import Decimals, Ids, Kind, Trades


def correcting(number: int, original: Trades, kind: Kind, price: str = "7.5") -> Message:
    """A message with one correction of one trade."""
    assert original.trade_id is not None
    now = replace(original, price=Decimals.from_strings([price]))
    trade_id = original.trade_id.to_strings()[0]
    assert trade_id is not None
    fix = Correction(0, kind, trade_id, int(original.ts_event[0]))
    return Message(FEED, number, now, (fix,))


async def test_a_correction_refers_to_the_trade_wherever_it_is(tmp_path: Path) -> None:
    trades = market(200_000)
    runs = numbered(list(batches(trades, [10_000])))
    old, new = 17, 199_990  # far behind the window, and in the tail
    messages = [
        *runs,
        correcting(20, trades[old : old + 1], Kind.BUST),
        correcting(21, trades[new : new + 1], Kind.AMEND),
    ]
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, messages, sizes=[5])
        records = (await logs_of(store)).records()

    assert records.notes.kind.tolist() == [Kind.BUST, Kind.AMEND]
    assert records.notes.ref_seq.tolist() == [old, new]
    assert records.notes.ref_ts.tolist() == trades.ts_event[[old, new]].tolist()
    seen, seq, _ = corrections.apply(records, np.arange(len(records)))
    assert len(seen) == 199_999
    assert seen.price.to_strings()[seq.tolist().index(new)] == "7.5"


async def test_a_correction_in_the_message_of_its_trade(tmp_path: Path) -> None:
    trades = market(5)
    whole = Trades.concat([trades, replace(trades[2:3], price=Decimals.from_strings(["9"]))])
    fix = Correction(5, Kind.AMEND, "10002", int(trades.ts_event[2]))
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, [Message(FEED, 0, whole, (fix,))])
        records = (await logs_of(store)).records()

    assert records.notes.ref_seq.tolist() == [2]
    assert len(corrections.apply(records, np.arange(6))[0]) == 5


async def test_a_correction_that_is_repeated_is_there_once(tmp_path: Path) -> None:
    trades = market(50)
    first = numbered([trades])
    bust = [correcting(n, trades[3:4], Kind.BUST) for n in (1, 2)]
    amend = [correcting(n, trades[4:5], Kind.AMEND) for n in (3, 4)]
    other = correcting(5, trades[4:5], Kind.AMEND, "8")
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, [*first, *bust, amend[0]])
        feeder = await feed(store, tmp_path, [*first, *bust, *amend, other])
        records = (await logs_of(store)).records()

    assert records.notes.kind.tolist() == [Kind.BUST, Kind.AMEND, Kind.AMEND]
    assert feeder.feeds[FEED].counts.repeats == 1


async def test_an_amended_trade_that_never_came_is_a_trade_and_a_bust_of_it_is_nothing(
    tmp_path: Path,
) -> None:
    trades = market(12)
    messages = [
        *numbered([trades[:10]]),
        correcting(1, trades[10:11], Kind.AMEND),
        correcting(2, trades[11:12], Kind.BUST),
        *numbered([trades[10:11]], first=3),
    ]
    async with open_store(tmp_path) as store:
        feeder = await feed(store, tmp_path, messages)
        records = (await logs_of(store)).records()

    assert (len(records), len(records.notes)) == (11, 0)
    assert records.price.to_strings()[10] == "7.5"
    counts = feeder.feeds[FEED].counts
    assert (counts.unmatched, counts.repeats) == (2, 1)


async def test_trades_with_text_ids_are_told_apart_too(tmp_path: Path) -> None:
    trades = market(100_000, per_hour=60_000)
    names = [f"t-{n:06}" for n in range(len(trades))]
    trades = replace(trades, trade_id=Ids.from_strings(names))
    messages = numbered(list(batches(trades, [5_000])))
    again = numbered([trades[100:200], trades[99_000:]], first=20, anywhere=True)
    bust = correcting(22, trades[3:4], Kind.BUST)
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, [*messages, *again, bust], sizes=[6])
        records = (await logs_of(store)).records()

    assert records[:100_000].equals(trades)
    assert records.notes.ref_seq.tolist() == [3]
    assert len(records) == 100_001
