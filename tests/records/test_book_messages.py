"""Runs of book messages: joining, picking, comparing, and the time they span."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.books import ASK, BID, gap, messages, messages_of, row, rows_of

from tradercast.book_levels import Keyframe, Levels
from tradercast.book_messages import BookMessages
from tradercast.errors import UsageError
from tradercast.records import ABSENT, Decimals, Kind, Notes

SNAPSHOT = row(1, (BID, "9.50", "2", 3), (ASK, "10", "1"), snapshot=True, last_id=7)
CHANGE = row(2, (BID, "9.5", "0"), (BID, "9.4", "1e-8"), first_id=8, last_id=9, checksum=-5)
GAP = gap(5, 10, 12, 2)
EMPTY = row(6, prev_id=12, ts_recv=60)


def test_rows_go_into_columns_and_come_back() -> None:
    run = messages_of([SNAPSHOT, CHANGE, GAP, EMPTY])

    assert run.offsets.tolist() == [0, 2, 4, 4, 4]
    assert run.levels.price.to_strings() == ["9.5", "10", "9.5", "9.4"]
    assert run.levels.counts().tolist() == [3, ABSENT, ABSENT, ABSENT]
    assert run.filled("last_id").tolist() == [7, 9, ABSENT, ABSENT]
    assert rows_of(run)[1] == {
        "ts_event": 2,
        "snapshot": False,
        "levels": [(1, Decimal("9.5"), 0, None), (1, Decimal("9.4"), Decimal("1e-8"), None)],
        "gap": None,
        "ts_recv": None,
        "first_id": 8,
        "last_id": 9,
        "prev_id": None,
        "checksum": -5,
    }


@given(messages(), messages())
def test_runs_join_and_part_again(one: BookMessages, two: BookMessages) -> None:
    both = BookMessages.concat([one, BookMessages.empty(), two])

    assert rows_of(both) == rows_of(one) + rows_of(two)
    assert both[: len(one)].equals(one)
    assert both[len(one) :].equals(two)


@given(messages(), st.data())
def test_any_rows_are_picked_with_their_levels(run: BookMessages, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, len(run) - 1), max_size=6, unique=True))
    mask = np.isin(np.arange(len(run)), numbers)

    plain = rows_of(run)

    assert rows_of(run[np.array(numbers, np.int64)]) == [plain[at] for at in numbers]
    assert rows_of(run[mask]) == [plain[at] for at in sorted(numbers)]
    assert rows_of(run[::-2]) == plain[::-2]
    assert rows_of(run[3:1]) == []


def test_a_column_of_absences_equals_no_column() -> None:
    run = messages_of([SNAPSHOT])
    absent = np.array([ABSENT])

    same = BookMessages(
        run.ts_event, run.is_snapshot, run.offsets, run.levels, first_id=absent, last_id=run.last_id
    )
    other = BookMessages(run.ts_event, run.is_snapshot, run.offsets, run.levels, first_id=absent)

    assert run.equals(same)
    assert not run.equals(other)
    assert not run.equals(messages_of([SNAPSHOT | {"snapshot": False}]))
    assert not run.equals(messages_of([SNAPSHOT | {"levels": SNAPSHOT["levels"][::-1]}]))


def test_a_gap_widens_the_span_and_the_times() -> None:
    late = gap(5, 10, 12, 9)

    assert messages_of([SNAPSHOT, late]).times().tolist() == [1, 9]
    assert messages_of([CHANGE, late]).span() == (2, 9)
    with pytest.raises(UsageError, match="no span"):
        BookMessages.empty().span()


def built(**columns: object) -> BookMessages:
    run = messages_of([SNAPSHOT, GAP])
    names = ("ts_event", "is_snapshot", "offsets", "levels", "notes")
    return BookMessages(**({name: getattr(run, name) for name in names} | columns))


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"offsets": np.array([0, 1, 1])}, "do not divide"),
        ({"offsets": np.array([1, 2, 2])}, "do not divide"),
        ({"offsets": np.array([0, 3, 2])}, "do not divide"),
        ({"offsets": np.array([0, 2])}, "offsets has 2 rows, not 3"),
        ({"is_snapshot": np.array([1, 0])}, "is_snapshot must be"),
        ({"checksum": np.array([1])}, "checksum has 1 rows, not 2"),
        ({"last_id": np.array([1.0, 2.0])}, "last_id must be"),
        ({"notes": Notes.of([(2, Kind.GAP, 0, 0, 0)])}, "row 2 of 2"),
        ({"notes": Notes.of([(1, Kind.BUST, 0, 0, 0)])}, "is a gap"),
        ({"notes": Notes.of([(0, Kind.GAP, 0, 0, 0)])}, "has no levels"),
        ({"is_snapshot": np.array([True, True])}, "is no snapshot"),
    ],
)
def test_columns_that_do_not_belong_together_are_refused(columns: dict, what: str) -> None:
    assert built().equals(messages_of([SNAPSHOT | {"last_id": None}, GAP]))
    with pytest.raises(UsageError, match=what):
        built(**columns)


def levels(**columns: object) -> Levels:
    one = Decimals.from_strings(["1"])
    return Levels(**({"side": np.array([1], np.uint8), "price": one, "size": one} | columns))


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"side": np.array([0], np.uint8)}, "neither bid nor ask"),
        ({"side": np.array([3], np.uint8)}, "neither bid nor ask"),
        ({"side": np.array([1])}, "side must be"),
        ({"size": Decimals.from_strings(["-1"])}, "size is negative"),
        ({"size": Decimals.from_strings(["-1e60"])}, "size is negative"),
        ({"size": Decimals.from_strings(["1", "2"])}, "size has 2 rows"),
        ({"count": np.array([-2])}, "count of orders is negative"),
    ],
)
def test_levels_that_can_not_be_are_refused(columns: dict, what: str) -> None:
    assert len(levels()) == 1
    with pytest.raises(UsageError, match=what):
        levels(**columns)


def test_keyframes_are_compared_with_their_validity() -> None:
    book = messages_of([SNAPSHOT]).levels

    assert Keyframe(book, valid=True).equals(Keyframe(book[:], valid=True))
    assert not Keyframe(book, valid=True).equals(Keyframe(book, valid=False))
    assert not Keyframe(book, valid=True).equals(Keyframe(book[:1], valid=True))
    assert Keyframe.empty().equals(Keyframe(Levels.empty(), valid=False))
