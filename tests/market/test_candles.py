"""Candles: equal to a loop over exact decimals, whatever comes and in whatever batches."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.candles import candle_rows, plain_candles, trade_rows

from tradercast.candles import Candles
from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.market import candles as module
from tradercast.market.candles import CandleBuilder, candles_of, filled
from tradercast.market.interval import INTERVALS, MINUTE, Interval
from tradercast.records import Kind, Notes, Trades
from tradercast.timerange import parse_time_ns

DAY = 86_400 * 10**9
NOON = parse_time_ns("2024-02-29T12:00:00Z")
NAMES = st.sampled_from(list(INTERVALS))
TIMES = st.one_of(
    st.integers(NOON - 90 * 10**9, NOON + 90 * 10**9),
    st.integers(NOON - 400 * DAY, NOON + 400 * DAY),
    st.integers(-400 * DAY, 400 * DAY),
)
NUMBERS = st.one_of(
    st.integers(1, 10**7).map(lambda n: Decimal(n).scaleb(-2)),
    st.integers(0, 2**63 - 1).map(lambda n: Decimal(n).scaleb(-8)),
    st.decimals("1e-20", "1e20", places=20),
    st.integers(-(10**12), 10**12).map(Decimal),  # oil was once given away with money on top
)


def trades_of(rows: list[tuple[int, Decimal, Decimal]]) -> Trades:
    return Trades(
        np.array([row[0] for row in rows], np.int64),
        Decimals.from_decimals(row[1] for row in rows),
        Decimals.from_decimals(row[2] for row in rows),
        np.zeros(len(rows), np.uint8),
    )


@st.composite
def trades(draw: st.DrawFn, times: st.SearchStrategy[int] = TIMES) -> Trades:
    rows = draw(st.lists(st.tuples(times, NUMBERS, NUMBERS), max_size=40))
    return trades_of(sorted(rows, key=lambda row: row[0]) if draw(st.booleans()) else rows)


def split(run: Trades, at: list[int]) -> list[Trades]:
    edges = [0, *sorted(min(each, len(run)) for each in at), len(run)]
    return [run[start:stop] for start, stop in itertools.pairwise(edges)]


@given(trades(), NAMES, st.lists(st.integers(0, 40), max_size=4))
def test_candles_are_those_of_a_plain_loop(run: Trades, name: str, at: list[int]) -> None:
    builder = CandleBuilder(Interval.parse(name))

    for part in split(run, at):
        builder.add(part)

    assert candle_rows(builder.candles()) == plain_candles(trade_rows(run), name)


@given(trades(), st.sampled_from([name for name in INTERVALS if name != "1s"]))
def test_candles_of_minutes_are_those_of_trades(run: Trades, name: str) -> None:
    minutes, interval = candles_of(run, MINUTE), Interval.parse(name)
    builder = CandleBuilder(interval)

    builder.add_candles(minutes)

    assert interval.holds(MINUTE)
    assert candle_rows(builder.candles()) == plain_candles(trade_rows(run), name)


@pytest.mark.parametrize("name", ["1s", "1m", "1h", "1d", "1M"])
def test_many_trades_with_sums_beyond_int64(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    count = 20_000
    monkeypatch.setattr(module, "_BLOCK", 4_096)
    monkeypatch.setattr(module, "_KEPT", 100)
    run = Trades(
        NOON + np.cumsum(rng.integers(0, 20 * 10**9, count)),
        Decimals.from_ints(rng.integers(10**9, 10**10, count), -5),
        Decimals.from_ints(rng.integers(1, 10**8, count) ** 2, -8),
        np.zeros(count, np.uint8),
    )

    made = candles_of(run, Interval.parse(name))

    assert candle_rows(made) == plain_candles(trade_rows(run), name)
    quote = made.quote_volume
    assert quote is not None
    assert (name in ("1s", "1m")) or any(abs(n) > 2**63 for n in _whole(quote))


def _whole(values: Decimals) -> list[int]:
    return [int(value.scaleb(13)) for value in values.to_decimals()]


def test_a_late_trade_opens_or_closes_only_by_its_time() -> None:
    rows = [
        (NOON + 30 * 10**9, Decimal(5), Decimal(1)),
        (NOON + 70 * 10**9, Decimal(9), Decimal(1)),
        (NOON + 20 * 10**9, Decimal(4), Decimal(1)),
        (NOON + 30 * 10**9, Decimal(6), Decimal(1)),
        (NOON + 20 * 10**9, Decimal(7), Decimal(1)),
    ]
    builder = CandleBuilder(MINUTE)

    for row in rows:
        builder.add(trades_of([row]))

    first, second = candle_rows(builder.candles())
    assert (first.open, first.high, first.low, first.close, first.trades) == (4, 7, 4, 6, 4)
    assert (second.open, second.close) == (9, 9)


@pytest.mark.parametrize(
    ("name", "time", "start"),
    [
        ("1s", "1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59Z"),
        ("5m", "2024-01-01T00:04:59.999Z", "2024-01-01T00:00:00Z"),
        ("12h", "2024-01-01T12:00:00Z", "2024-01-01T12:00:00Z"),
        ("3d", "1970-01-05T01:00:00Z", "1970-01-04T00:00:00Z"),
        ("1w", "2024-01-07T23:59:59Z", "2024-01-01T00:00:00Z"),  # a Sunday, a Monday
        ("1w", "1969-12-28T10:00:00Z", "1969-12-22T00:00:00Z"),
        ("1M", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z"),
        ("1M", "1969-12-31T23:00:00Z", "1969-12-01T00:00:00Z"),
    ],
)
def test_where_an_interval_begins(name: str, time: str, start: str) -> None:
    interval = Interval.parse(name)

    assert interval.start_of(parse_time_ns(time)) == parse_time_ns(start)
    assert interval.from_ns(parse_time_ns(start)) == parse_time_ns(start)
    assert interval.from_ns(parse_time_ns(start) + 1) == interval.end_of(parse_time_ns(start))


def test_intervals_that_are_not_there_and_times_too_far_are_refused() -> None:
    with pytest.raises(UsageError, match="'7m' is no interval"):
        Interval.parse("7m")
    with pytest.raises(UsageError, match="too far"):
        candles_of(trades_of([(-(2**63) + 5, Decimal(1), Decimal(1))]), MINUTE)
    with pytest.raises(UsageError, match="corrections"):
        candles_of(noted(), MINUTE)


def noted() -> Trades:
    run = trades_of([(NOON, Decimal(1), Decimal(1))])
    notes = Notes.of([(0, Kind.BUST, 0, 0, NOON)])
    return Trades(run.ts_event, run.price, run.size, run.side, notes=notes)


@given(trades(st.integers(NOON - 60 * DAY, NOON + 60 * DAY)), st.sampled_from(["1d", "1w", "1M"]))
def test_empty_intervals_are_filled_with_the_close_before_them(run: Trades, name: str) -> None:
    interval = Interval.parse(name)
    held = candles_of(run, interval)

    full = candle_rows(filled(held, interval))

    real = {row.ts_open: row for row in candle_rows(held)}
    assert len(real) == sum(row.trades > 0 for row in full)
    for before, row in itertools.pairwise(full):
        assert row.ts_open == interval.end_of(before.ts_open)
        empty = (row.ts_open, *[before.close] * 4, 0, 0, 0)
        assert row == real.get(row.ts_open, empty)


def test_what_a_source_does_not_say_stays_unknown() -> None:
    made = candles_of(
        trades_of([(NOON + n * DAY, Decimal(n + 1), Decimal(1)) for n in range(3)]), MINUTE
    )
    bare = Candles(made.ts_open, made.open, made.high, made.low, made.close, made.volume)
    builder = CandleBuilder(Interval.parse("1w"))

    builder.add_candles(bare)

    found = builder.candles()
    assert found.quote_volume is None
    assert found.counts().tolist() == [-1]
    assert found.volume.to_strings() == ["3"]
    assert not bare.equals(made)
    assert Candles.concat([bare[:1], bare[1:]]).equals(bare)
