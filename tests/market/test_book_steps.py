"""Books at fixed steps: those that a look at each single time gives, as columns."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.books import ASK, BID, gap, messages, messages_of, row

from tradercast.book_levels import BookSide, Keyframe
from tradercast.book_messages import BookMessages
from tradercast.client.book_snapshots import BookSnapshots, Steps
from tradercast.client.step_files import write_steps
from tradercast.errors import UsageError
from tradercast.feed.book_at import book_until
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.market.book_steps import BookSteps

FEED = FeedId("binance", "btcusdt", "book")
S = 10**9
RUN = messages_of(
    [
        row(1 * S, (BID, "1.1", "4", 2), (ASK, "1.4", "1"), (BID, "1", "3"), snapshot=True),
        row(2 * S, (ASK, "1.3", "0.5")),
        gap(5 * S, 7, 9, 3 * S),
        row(5 * S, (BID, "1.2", "9")),
        row(6 * S, (BID, "1.2", "9"), snapshot=True),
        row(7 * S, (ASK, "1.7", "2")),
    ]
)


def taken(times: list[int], runs: list[tuple[int, Keyframe | None, BookMessages]]) -> BookSteps:
    steps = BookSteps(np.array(times, np.int64), depth=2)
    steps.begin()
    for first_seq, keyframe, records in runs:
        steps.take(first_seq, keyframe, records)
    steps.finish()
    return steps


def parts(run: BookMessages, edges: list[int]) -> list[tuple[int, Keyframe | None, BookMessages]]:
    """The run in pieces, each with the book before it."""
    found: list[tuple[int, Keyframe | None, BookMessages]] = []
    book, ends = Book(), sorted({*edges, len(run)} - {0})
    for start, end in zip([0, *ends], ends, strict=False):
        found.append((start, book.keyframe(), run[start:end]))
        book.apply(run[start:end])
    return found


def test_the_columns_of_steps() -> None:
    steps = Steps.parse(0, 9 * S, "1s", 2)
    columns = BookSnapshots(FEED, steps.times, 2, taken(steps.times.tolist(), parts(RUN, [1, 4])))

    found = columns.to_numpy()

    nan = np.nan
    assert found["ts"].tolist() == [at * S for at in range(9)]
    #                                  0      1     2     3      4      5      6     7     8
    assert found["valid"].tolist() == [False, True, True, False, False, False, True, True, False]
    for name, values in {
        "bid_px_00": [nan, 1.1, 1.1, nan, nan, nan, 1.2, 1.2, nan],
        "bid_sz_00": [nan, 4, 4, nan, nan, nan, 9, 9, nan],
        "bid_px_01": [nan, 1, 1, nan, nan, nan, nan, nan, nan],
        "ask_px_00": [nan, 1.4, 1.3, nan, nan, nan, nan, 1.7, nan],
        "ask_px_01": [nan, nan, 1.4, nan, nan, nan, nan, nan, nan],
        "mid": [nan, 1.25, 1.2, nan, nan, nan, nan, 1.45, nan],
        "spread": [nan, 0.3, 0.2, nan, nan, nan, nan, 0.5, nan],
    }.items():
        np.testing.assert_array_equal(found[name], values, name)
    assert found["bid_ct_00"].tolist() == [-1, 2, 2, -1, -1, -1, -1, -1, -1]
    assert list(found)[:6] == ["ts", "valid", "mid", "spread", "bid_px_00", "bid_sz_00"]
    assert "9 steps of 2 levels, 4 of them valid" in repr(columns)


def test_frames_of_steps() -> None:
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    steps = Steps.parse(0, 9 * S, "1s", 2)
    columns = BookSnapshots(FEED, steps.times, 2, taken(steps.times.tolist(), parts(RUN, [])))

    polars, pandas = columns.to_polars(), columns.to_pandas()

    assert polars["ts"].dtype == pl.Datetime("ns", "UTC")
    assert polars["bid_px_00"].to_list() == [None, 1.1, 1.1, None, None, None, 1.2, 1.2, None]
    assert polars["bid_ct_00"].to_list() == [None, 2, 2, *[None] * 6]
    assert pandas.index[1] == pd.Timestamp(1, unit="s", tz="UTC")
    assert pandas["spread"].dropna().tolist() == [0.3, 0.2, 0.5]
    assert polars.width == len(pandas.columns) + 1 == 4 + 2 * 2 * 4


def test_csv_of_steps_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    steps = Steps.parse(0, 9 * S, "1s", 2)
    columns = BookSnapshots(FEED, steps.times, 2, taken(steps.times.tolist(), parts(RUN, [])))

    write_steps(tmp_path / "x.csv", columns)

    expected = columns.to_numpy()
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(expected)
    assert [row["valid"] == "true" for row in rows] == expected["valid"].tolist()
    for name in set(expected) - {"valid"}:
        absent = -1 if "_ct_" in name else np.nan
        found = [float(row[name]) if row[name] else absent for row in rows]
        np.testing.assert_array_equal(found, expected[name], name)
    first = (tmp_path / "x.csv").read_text().splitlines()[2]
    assert first == "1000000000,true,1.25,0.3,1.1,4,2,4.4,1,3,,3,1.4,1,,1.4,,,,"


def test_steps_without_any_book() -> None:
    steps = Steps.parse(0, 3 * S, 10**9, 1)

    found = BookSnapshots(FEED, steps.times, 1, taken(steps.times.tolist(), [])).to_numpy()

    assert not found["valid"].any()
    assert np.isnan(found["mid"]).all()


def test_steps_up_to_a_record_that_is_known_to_be_behind_them() -> None:
    behind = len(RUN), None, BookMessages.empty()
    until = [at * S for at in range(9)]

    whole = taken(until, [*parts(RUN, [4]), behind])
    holey = taken(until, [*parts(RUN, [4])[:1], behind])

    assert whole.is_settled
    assert whole.valid.tolist() == [False, True, True, False, False, False, True, True, True]
    assert not holey.valid[5:].any()


def test_what_is_missing_between_chunks_leaves_its_steps_without_a_book() -> None:
    runs = parts(RUN, [1, 4, 5])
    del runs[1]

    steps = taken([at * S for at in range(9)], runs)

    assert steps.valid.tolist() == [False, False, False, False, False, False, True, True, False]


@settings(max_examples=60)
@given(messages(14), st.lists(st.integers(0, 14), max_size=3), st.data())
def test_every_step_is_the_book_at_its_time(
    run: BookMessages, edges: list[int], data: st.DataObject
) -> None:
    times = sorted({t + d for t in run.times().tolist() for d in (-1, 0, 1) if abs(t + d) < 2**62})
    chosen = sorted(data.draw(st.sets(st.sampled_from(times or [0]), max_size=8)))

    steps = taken(chosen, parts(run, [edge for edge in edges if edge <= len(run)]))

    for at, time in enumerate(chosen):
        state = book_until(Book(), run, time, is_first=False)
        assert state is not None
        assert bool(steps.valid[at]) == (state.reason is None)
        for side in BookSide if steps.valid[at] else ():
            found = steps.sides[side]
            assert found.levels[found.step.index(at)].equals(state.book.levels(side, 2))
    assert steps.is_settled == (not chosen or int(run.times().max()) > chosen[-1])


@pytest.mark.parametrize("every", ["", "1", "1 h", "-1s", "0s", 0, -5, "1w"])
def test_a_step_that_is_none_is_refused(every: str | int) -> None:
    with pytest.raises(UsageError, match="is no step"):
        Steps.parse(0, S, every, 5)


def test_more_steps_than_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="not one table"):
        Steps.parse("2020-01-01", "2024-01-01", "1ms", 15)
    with pytest.raises(UsageError, match="not one table"):
        Steps.parse(0, S, "1s", 0)
