"""Minute candles as records: a plain loop gives the same, from any batches and any restart."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.candles import Candle, candle_rows, plain_candles, trade_rows

from tradercast import corrections
from tradercast.candles import Candles
from tradercast.decimals import Decimals
from tradercast.market import minute_candles as module
from tradercast.market.minute_candles import Derived, MinuteCandles, last_of_each
from tradercast.records import Kind, Notes, Trades
from tradercast.timerange import MIN_TIME_NS, parse_time_ns

SECOND = 10**9
NOON = parse_time_ns("2024-01-05T12:00:00Z")
Record = tuple[int, int, tuple[Kind, int] | None]  # second, price, and what it corrects


def records_of(rows: list[Record]) -> Trades:
    """Trades of size 1 and what corrects them; a gap loses two messages."""
    notes = []
    for at, (_, _, note) in enumerate(rows):
        if note is not None and note[0] == Kind.GAP:
            notes.append((at, Kind.GAP, 100, 101, NOON))
        elif note is not None:
            notes.append((at, note[0], note[1], 0, NOON + rows[note[1]][0] * SECOND))
    return Trades(
        np.array([NOON + second * SECOND for second, _, _ in rows], np.int64),
        Decimals.from_ints([price for _, price, _ in rows], -1),
        Decimals.from_ints([1] * len(rows)),
        np.zeros(len(rows), np.uint8),
        notes=Notes.of(notes),
    )


@st.composite
def feeds(draw: st.DrawFn) -> Trades:
    """Trades that go on, mostly, with late ones, busts, amendments and gaps between them."""
    now, rows, targets = 0, [], []
    for at in range(draw(st.integers(1, 40))):
        price = draw(st.integers(1, 99))
        kind = draw(st.sampled_from(["next", "next", "next", "late", "bust", "amend", "gap"]))
        now += draw(st.sampled_from([0, 1, 20, 66, 200])) if kind == "next" else 0
        if kind in ("bust", "amend") and targets:
            target = draw(st.sampled_from(targets))  # may be a correction itself
            moved = draw(st.sampled_from([rows[target][0], max(0, now - 90)]))
            rows.append((moved, price, (Kind[kind.upper()], target)))
            targets.append(at)
        elif kind == "gap":
            rows.append((now, 0, (Kind.GAP, 0)))
        else:
            second = max(0, now - draw(st.integers(1, 400))) if kind == "late" else now
            rows.append((second, price, None))
            targets.append(at)
    return records_of(rows)


def minute_of(records: Trades, minute: int, end_seq: int) -> Trades:
    """The plainest look-up."""
    trades, _, _ = corrections.apply(records[:end_seq], np.arange(end_seq))
    return trades[np.flatnonzero(trades.ts_event // module.STEP * module.STEP == minute)]


def expected(records: Trades) -> list[tuple[int, Candle | str]]:
    """Record by record, with all of what came before looked at each time."""
    found: list[tuple[int, Candle | str]] = []
    closed: set[int] = set()
    top = MIN_TIME_NS
    roots: dict[int, int] = {}
    where: dict[int, set[int]] = {}

    def tell(seq: int, minute: int) -> None:
        rows = plain_candles(trade_rows(minute_of(records, minute, seq + 1)), "1m")
        nothing = Candle(minute, *[Decimal(0)] * 6, 0)
        if rows or minute in closed:
            found.append((seq, rows[0] if rows else nothing))

    for seq in range(len(records)):
        one, time = records[seq : seq + 1], int(records.ts_event[seq])
        if len(one.notes) and one.notes.kind[0] == Kind.GAP:
            found.append((seq, "gap"))
            continue
        times = {time} if not len(one.notes) else {time, int(one.notes.ref_ts[0])}
        if len(one.notes):
            ref = int(one.notes.ref_seq[0])
            root = roots[seq] = roots.get(ref, ref)
            if one.notes.kind[0] == Kind.BUST:
                times = {int(one.notes.ref_ts[0])} | where.get(root, set())
            else:
                times |= where.get(root, set())
                where[root] = {time}
        for minute in sorted({each // module.STEP * module.STEP for each in times}):
            if minute in closed or minute + module.CLOSES <= top:
                closed.add(minute)
                tell(seq, minute)
        top = max(top, time) if not len(one.notes) else top
        passed = {t // module.STEP * module.STEP for t in records.ts_event[: seq + 1].tolist()}
        for minute in sorted(m for m in passed - closed if m + module.CLOSES <= top):
            tell(seq, minute)
            closed.add(minute)
    return found


def shown(derived: Derived) -> list[tuple[int, Candle | str]]:
    gaps = set(derived.candles.notes.row.tolist())
    rows = candle_rows(derived.candles)
    return [
        (seq, "gap" if at in gaps else row)
        for at, (seq, row) in enumerate(zip(derived.seq.tolist(), rows, strict=True))
    ]


def derive(records: Trades, edges: list[int], start: int = 0) -> Derived:
    plain = records.notes.plain(len(records))[:start]
    tops = records.ts_event[:start][plain]
    machine = MinuteCandles(
        lambda minute, end_seq: minute_of(records, minute, end_seq),
        next_seq=start,
        top_ns=int(tops.max()) if len(tops) else MIN_TIME_NS,
    )
    noted = records[:start].notes.row
    machine.passed(records[noted], noted)
    inside = sorted(min(max(edge, start), len(records)) for edge in edges)
    pairs = itertools.pairwise([start, *inside, len(records)])
    return Derived.concat([machine.push(records[a:b]) for a, b in pairs])


@given(feeds(), st.lists(st.integers(0, 40), max_size=5))
def test_the_rule_record_by_record(records: Trades, edges: list[int]) -> None:
    assert shown(derive(records, edges)) == expected(records)


@given(feeds(), st.integers(0, 40))
def test_a_restart_at_any_record_goes_on_alike(records: Trades, start: int) -> None:
    start = min(start, len(records))

    again = shown(derive(records, [], start))

    assert again == [each for each in shown(derive(records, [])) if each[0] >= start]


@given(feeds())
def test_minutes_that_are_kept_no_more_are_read_again(records: Trades) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_KEPT", 1)
        few = derive(records, [])

    assert shown(few) == shown(derive(records, []))


@given(feeds())
def test_the_last_of_each_minute_is_what_a_reader_of_trades_sees(records: Trades) -> None:
    # a trade far ahead closes all that there is
    far = records_of([(100_000, 1, None)])
    whole = Trades.concat([records, far])

    made = last_of_each(derive(whole, []).candles)

    trades, _, _ = corrections.apply(whole, np.arange(len(whole)))
    assert candle_rows(made) == plain_candles(trade_rows(trades), "1m")[:-1]


def test_no_candle_of_a_minute_without_trades_and_none_before_its_time() -> None:
    run = records_of([(10, 5, None), (64, 6, None), (65, 7, None), (500, 8, None)])

    derived = derive(run, [])

    assert shown(derived) == [
        (2, Candle(NOON, *map(Decimal, ["0.5"] * 4), Decimal(1), Decimal("0.5"), 1)),
        (3, plain_candles(trade_rows(run), "1m")[1]),
    ]
    assert isinstance(derived.candles, Candles)
