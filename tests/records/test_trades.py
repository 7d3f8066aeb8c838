"""Runs of trades: joining, picking, comparing, and the time they span."""

import numpy as np
import pytest

from tradercast.errors import UsageError
from tradercast.records import NO_TIME, Decimals, Ids, Kind, Notes, Side, Trades


def run(
    times: list[int],
    *,
    notes: list[tuple[int, Kind, int, int, int]] | None = None,
    ids: list[str | None] | None = None,
    recv: list[int] | None = None,
) -> Trades:
    count = len(times)
    return Trades(
        np.array(times, np.int64),
        Decimals.from_ints(np.arange(count) + 100, -2),
        Decimals.from_ints(np.ones(count, np.int64)),
        np.full(count, Side.BUY, np.uint8),
        None if recv is None else np.array(recv, np.int64),
        None if ids is None else Ids.from_strings(ids),
        Notes.of(notes or []),
    )


def test_runs_join_in_order_and_notes_move_with_their_rows() -> None:
    one = run([1, 2], notes=[(1, Kind.BUST, 7, 0, 1)], ids=["a", "5"])
    two = run([3, 4], notes=[(0, Kind.GAP, 3, 9, 2)], recv=[30, 40])

    both = Trades.concat([one, Trades.empty(), two])

    assert both.ts_event.tolist() == [1, 2, 3, 4]
    assert both.notes.row.tolist() == [1, 2]
    assert both.notes.kind.tolist() == [Kind.BUST, Kind.GAP]
    assert both.trade_id is not None
    assert both.trade_id.to_strings() == ["a", "5", None, None]
    assert both.ts_recv is not None
    assert both.ts_recv.tolist() == [NO_TIME, NO_TIME, 30, 40]
    assert both[:2].equals(one)
    assert both[2:].equals(two)


def test_rows_are_picked_by_slice_mask_and_numbers() -> None:
    trades = run([1, 2, 3, 4], notes=[(1, Kind.BUST, 0, 0, 1), (3, Kind.AMEND, 0, 0, 1)])

    assert trades[1::2].notes.row.tolist() == [0, 1]
    assert trades[trades.ts_event > 2].notes.row.tolist() == [1]
    assert trades[np.array([3, 0, 1])].notes.row.tolist() == [0, 2]
    assert trades[np.array([3, 0, 1])].notes.kind.tolist() == [Kind.AMEND, Kind.BUST]
    assert trades[[-1, 0]].ts_event.tolist() == [4, 1]


def test_a_column_of_absences_equals_no_column() -> None:
    assert run([1, 2], ids=[None, None], recv=[NO_TIME, NO_TIME]).equals(run([1, 2]))
    assert not run([1, 2], ids=[None, "1"]).equals(run([1, 2]))
    assert not run([1, 2], recv=[5, NO_TIME]).equals(run([1, 2]))
    assert not run([1, 2], notes=[(0, Kind.BUST, 0, 0, 0)]).equals(run([1, 2]))
    assert not run([1, 2]).equals(run([1, 3]))


def test_the_span_holds_what_corrections_and_gaps_are_about() -> None:
    assert run([50, 20, 30]).span() == (20, 50)
    assert run([50, 60], notes=[(1, Kind.BUST, 0, 0, 5)]).span() == (5, 60)
    assert run([50, 60], notes=[(0, Kind.GAP, 0, 1, 40)]).span() == (40, 60)
    assert run([50, 60], notes=[(0, Kind.AMEND, 0, 0, 90)]).span() == (50, 90)
    assert run([50, 60], notes=[(0, Kind.GAP, 0, 1, NO_TIME)]).span() == (50, 60)


def test_cut_times_are_the_later_of_event_and_reference() -> None:
    trades = run([50, 60], notes=[(0, Kind.AMEND, 0, 0, 90), (1, Kind.BUST, 0, 0, 10)])

    assert trades.times().tolist() == [90, 60]
    assert trades.ts_event.tolist() == [50, 60]


def test_no_records_have_no_span() -> None:
    assert len(Trades.empty()) == 0
    assert Trades.concat([]).equals(Trades.empty())
    with pytest.raises(UsageError, match="no span"):
        Trades.empty().span()


def test_columns_that_do_not_belong_together_are_refused() -> None:
    good = run([1, 2])
    with pytest.raises(UsageError, match="price has 1 rows"):
        Trades(good.ts_event, good.price[:1], good.size, good.side)
    with pytest.raises(UsageError, match="side must be"):
        Trades(good.ts_event, good.price, good.size, good.side.astype(np.int64))  # type: ignore[arg-type]
    narrow = good.ts_event.astype(np.int32)
    with pytest.raises(UsageError, match=r"price.mantissa must be"):
        Trades(good.ts_event, Decimals(narrow, 0), good.size, good.side)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"trade_id.values must be"):
        Trades(good.ts_event, good.price, good.size, good.side, trade_id=Ids(narrow))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="kind must be"):
        Notes(*np.zeros((5, 1), np.int64))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="row 2 of 2"):
        run([1, 2], notes=[(2, Kind.BUST, 0, 0, 0)])
    with pytest.raises(UsageError, match="increase"):
        Notes.of([(1, Kind.BUST, 0, 0, 0), (1, Kind.BUST, 0, 0, 0)])
    with pytest.raises(UsageError, match="bust"):
        Notes.of([(1, Kind.TRADE, 0, 0, 0)])


@pytest.mark.parametrize("key", [np.array([True]), np.array([[0]]), np.array([9]), np.array([0.5])])
def test_an_index_that_means_nothing_is_refused(key: np.ndarray) -> None:
    notes = Notes.of([(1, Kind.BUST, 0, 0, 0)])
    with pytest.raises(UsageError):
        notes.pick(key, 3)
