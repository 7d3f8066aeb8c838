"""A whole range loaded at once is what a read yields piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_logs import edges, segment

from tradercast.errors import FormatError
from tradercast.feed.bulk_load import load
from tradercast.feed.piece import Piece
from tradercast.feed.reader import ReadReport, SegmentReader
from tradercast.records import NO_TIME, Decimals, Ids, Kind, Notes, Trades
from tradercast.timerange import TimeRange


async def assert_loads_what_is_read(reader: SegmentReader, wanted: TimeRange) -> Piece:
    plan = await reader.plan(wanted)
    read_report, load_report = ReadReport(), ReadReport()

    expected = Piece.joined([piece async for piece in reader.read(plan, read_report)])
    loaded = await load(reader, plan, load_report)

    assert loaded.seq.tolist() == expected.seq.tolist()
    assert loaded.trades.equals(expected.trades)
    assert load_report.records == read_report.records == len(loaded)
    assert load_report.missing == read_report.missing
    assert load_report.gaps == read_report.gaps
    return loaded


VALUES = st.one_of(st.integers(-(10**5), 10**5), st.integers(-(10**18), 10**18))


@st.composite
def runs(draw: st.DrawFn) -> Trades:
    """Records whose columns, exponents and times differ from run to run."""
    parts = []
    for turn in range(draw(st.integers(1, 6))):
        count = draw(st.integers(1, 12))
        scale = st.sampled_from([-18, -8, -2, -2, 0, 5])
        column = st.lists(VALUES, min_size=count, max_size=count)
        jitter = st.integers(-15, 15)
        times = [turn * 10 + draw(jitter) for _ in range(count)]
        recv = draw(st.sampled_from(["none", "some", "all"]))
        ids = draw(st.sampled_from(["none", "some", "text"]))
        parts.append(
            Trades(
                np.array(times, np.int64),
                Decimals.from_ints(draw(column), draw(scale)),
                Decimals.from_ints(draw(column), draw(scale)),
                np.full(count, draw(st.integers(0, 2)), np.uint8),
                {
                    "none": None,
                    "some": np.array([NO_TIME, *times[1:]], np.int64),
                    "all": np.array(times, np.int64),
                }[recv],
                {
                    "none": None,
                    "some": Ids.from_strings([None, *map(str, range(1, count))]),
                    "text": Ids.from_strings([f"a{row}" for row in range(count)]),
                }[ids],
            )
        )
    trades = Trades.concat(parts)
    notes = []
    rows = st.sets(st.integers(1, max(1, len(trades) - 1)), max_size=3)
    for row in sorted(draw(st.one_of(st.just(set()), rows))):
        if row < len(trades):
            kind, ref = draw(st.sampled_from([Kind.BUST, Kind.AMEND, Kind.GAP])), row // 2
            time = NO_TIME if kind == Kind.GAP else int(trades.ts_event[ref])
            notes.append((row, kind, ref, 0, time))
    return Trades(
        trades.ts_event,
        trades.price,
        trades.size,
        trades.side,
        trades.ts_recv,
        trades.trade_id,
        Notes.of(notes),
    )


SIZES = st.lists(st.integers(1, 12), max_size=10)


@given(runs(), SIZES, SIZES, st.integers(0, 80), st.integers(-15, 30), st.integers(0, 90))
async def test_any_range_loads_as_it_reads(
    trades: Trades, chunks: list[int], messages: list[int], sealed: int, start: int, length: int
) -> None:
    sealed = min(sealed, len(trades))
    reader, _, _ = segment(trades, edges(sealed, chunks), edges(len(trades), messages))

    await assert_loads_what_is_read(reader, TimeRange(start, start + length))
    await assert_loads_what_is_read(reader, TimeRange())


def steady(count: int, **columns: object) -> Trades:
    return Trades(
        np.arange(count, dtype=np.int64),
        Decimals.from_ints(np.arange(count) + 1_001, -2),
        Decimals.from_ints(np.arange(count) * 2 + 1, -3),
        np.ones(count, np.uint8),
        **columns,  # type: ignore[arg-type]
    )


async def test_records_inside_the_range_are_decoded_where_they_stay() -> None:
    reader, _, _ = segment(steady(1_000), list(range(100, 1_001, 100)))

    loaded = await assert_loads_what_is_read(reader, TimeRange(50, 950))

    base = loaded.trades.ts_event.base
    assert base is not None
    assert base.shape == (1_000,)
    assert np.shares_memory(base[50:950], loaded.trades.ts_event)


async def test_blocks_that_nobody_has_leave_a_hole_and_are_reported() -> None:
    reader, archive, tail = segment(
        steady(1_000), list(range(100, 801, 100)), list(range(50, 1_001, 50))
    )
    archive.blocks[4] = None
    tail.blocks[17] = None
    plan = await reader.plan(TimeRange())
    report = ReadReport()

    loaded = await load(reader, plan, report)

    assert loaded.seq.tolist() == [*range(200), *range(300, 850), *range(900, 1_000)]
    assert loaded.trades.ts_event.tolist() == loaded.seq.tolist()
    assert report.missing == [(200, 300), (850, 900)]


async def test_a_chunk_with_finer_prices_refines_those_before_it() -> None:
    coarse, fine = steady(200), steady(200)
    price = Decimals.concat([coarse.price, Decimals.from_ints(np.arange(200) * 10 + 1, -9)])
    trades = Trades.concat([coarse, fine])
    trades = Trades(np.arange(400), price, trades.size, trades.side)
    reader, _, _ = segment(trades, [200, 400])

    loaded = await assert_loads_what_is_read(reader, TimeRange())

    assert loaded.trades.price.exponent == -9
    assert loaded.trades.price.to_strings()[:2] == ["10.01", "10.02"]


async def test_one_odd_value_does_not_push_all_others_out_of_the_columns() -> None:
    huge = Decimals.from_strings(["1000000000000"] * 200)
    tiny = Decimals.from_strings(["0.000000000000000001"])
    trades = steady(201)
    trades = Trades(trades.ts_event, trades.price, Decimals.concat([huge, tiny]), trades.side)
    reader, _, _ = segment(trades, [200, 201])

    loaded = await assert_loads_what_is_read(reader, TimeRange())

    assert list(loaded.trades.size.escapes) == [200]


async def test_receive_times_and_ids_may_begin_late_and_end_early() -> None:
    times = np.full(300, NO_TIME, np.int64)
    times[100:200] = np.arange(100) + 7
    ids = Ids.from_strings([None] * 100 + [f"x{n}" for n in range(50)] + ["5"] * 50 + [None] * 100)
    reader, _, _ = segment(steady(300, ts_recv=times, trade_id=ids), [100, 200, 300])

    loaded = await assert_loads_what_is_read(reader, TimeRange())

    assert loaded.trades.ts_recv is not None
    assert loaded.trades.ts_recv.tolist() == times.tolist()
    assert loaded.trades.trade_id is not None
    assert loaded.trades.trade_id.to_strings() == ids.to_strings()


async def test_a_range_of_few_among_many_takes_no_room_for_the_many() -> None:
    times = np.zeros(100_000, np.int64)
    times[::1_000] = 5
    late = Trades(times, steady(100_000).price, steady(100_000).size, np.zeros(100_000, np.uint8))
    reader, _, _ = segment(late, [50_000, 100_000])

    loaded = await assert_loads_what_is_read(reader, TimeRange(5, 6))

    assert len(loaded) == 100
    assert loaded.trades.ts_event.base is None or loaded.trades.ts_event.base.size < 1_000


@pytest.mark.parametrize("where", ["archive", "tail"])
async def test_a_block_in_another_ones_place_is_refused(where: str) -> None:
    reader, archive, tail = segment(steady(600), [100, 200, 300], list(range(50, 601, 50)))
    if where == "archive":
        archive.blocks[2] = archive.blocks[4]
    else:
        tail.blocks[9] = tail.blocks[7]
    plan = await reader.plan(TimeRange())

    with pytest.raises(FormatError, match=r"its index says|do not belong there"):
        await load(reader, plan, ReadReport())
