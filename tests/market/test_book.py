"""The book: equal to the plainest book there is, whatever comes and in whatever batches."""

import itertools
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.books import ASK, BID, Row, gap, levels_of, message_rows, messages_of, row, rows_of

from tradercast.book_levels import BookSide, Keyframe
from tradercast.book_messages import BookMessages
from tradercast.market.book import Book

SIDES = st.sampled_from(BookSide)


class PlainBook:
    """Dictionaries of exact decimals, one level after the other."""

    def __init__(self) -> None:
        self.valid = False
        self.sides: dict[int, dict[Decimal, tuple[Decimal, Any]]] = {1: {}, 2: {}}

    def apply(self, rows: list[Row]) -> None:
        for entry in rows:
            if entry["gap"]:
                self.valid = False
            if entry["snapshot"]:
                self.valid = True
                self.sides = {1: {}, 2: {}}
            for side, price, size, count in entry["levels"]:
                if size:
                    self.sides[side][price] = (size, count)
                else:
                    self.sides[side].pop(price, None)

    def levels(self, side: int) -> list[tuple[Any, ...]]:
        best_first = sorted(self.sides[side].items(), reverse=side == BID)
        return [(side, price, size, count) for price, (size, count) in best_first]


def same(book: Book, plain: PlainBook) -> None:
    assert book.valid == plain.valid
    for side in BookSide:
        assert levels_of(book.levels(side)) == plain.levels(side)
        best = book.best(side)
        assert best == (plain.levels(side)[0][1:3] if plain.levels(side) else None)
    assert [entry[:3] for entry in levels_of(book.keyframe().levels)] == [
        entry[:3] for entry in plain.levels(BID)[::-1] + plain.levels(ASK)
    ]


def batches(run: BookMessages, splits: list[int]) -> list[BookMessages]:
    edges = [0, *sorted(min(split, len(run)) for split in splits), len(run)]
    return [run[start:stop] for start, stop in itertools.pairwise(edges)]


@given(message_rows(), st.lists(st.integers(0, 12), max_size=4))
def test_it_is_the_plain_book_after_every_batch(rows: list[Row], splits: list[int]) -> None:
    book, plain = Book(), PlainBook()

    for batch in batches(messages_of(rows), splits):
        book.apply(batch)
        plain.apply(rows_of(batch))

        same(book, plain)


@given(message_rows(), st.sets(st.integers(0, 12)))
def test_record_by_record_it_is_the_plain_book_however_often_columns_are_read(
    rows: list[Row], read_after: set[int]
) -> None:
    book, plain, run = Book(), PlainBook(), messages_of(rows)

    for at in range(len(run)):
        book.apply_row(run, at)
        plain.apply(rows_of(run[at : at + 1]))

        assert book.ts_event == int(run.ts_event[at])
        assert book.valid == plain.valid
        for side in BookSide:
            expected = [entry[1:3] for entry in plain.levels(side)]
            assert book.best(side) == (expected[0] if expected else None)
            assert book.top(side, 3) == expected[:3]
        if at in read_after:
            same(book, plain)

    same(book, plain)


@given(message_rows(), message_rows())
def test_a_keyframe_goes_on_where_the_book_was(before: list[Row], after: list[Row]) -> None:
    whole, plain = Book(), PlainBook()
    whole.apply(messages_of(before))
    plain.apply(rows_of(messages_of(before + after)))

    resumed = Book.from_keyframe(whole.keyframe())

    assert resumed.keyframe().equals(whole.keyframe())
    resumed.apply(messages_of(after))
    same(resumed, plain)


@given(message_rows(), SIDES, st.integers(0, 5), st.data())
def test_depth_and_volumes(rows: list[Row], side: BookSide, n: int, data: st.DataObject) -> None:
    book, plain = Book(), PlainBook()
    book.apply(messages_of(rows))
    plain.apply(rows_of(messages_of(rows)))
    best = plain.levels(side)
    prices = [level[1] for level in best] + [Decimal("0"), Decimal("-3.25"), Decimal("1e40")]
    limit = data.draw(st.sampled_from(prices))

    sums = [int(total) * Fraction(10) ** book.size_exponent for total in book.cumulative(side, n)]

    assert levels_of(book.levels(side, n)) == best[:n]
    assert sums == [exact_sum(best[: k + 1]) for k in range(len(best[:n]))]
    reached = [level for level in best if (level[1] >= limit if side == BID else level[1] <= limit)]
    assert Fraction(book.volume(side, limit)) == exact_sum(reached)


def exact_sum(levels: list[tuple[Any, ...]]) -> Fraction:
    return sum((Fraction(level[2]) for level in levels), Fraction(0))


def test_levels_are_set_and_removed_and_the_best_known() -> None:
    book = Book()

    book.apply(
        messages_of(
            [
                row(1, (BID, "1", "5"), (ASK, "7", "1")),
                row(2, (BID, "9.5", "2"), (BID, "9", "1"), (ASK, "10", "3", 4), snapshot=True),
                row(3, (BID, "9.5", "0"), (ASK, "9.75", "0.001")),
            ]
        )
    )

    assert book.best(BID) == (Decimal("9"), Decimal("1"))
    assert book.best(ASK) == (Decimal("9.75"), Decimal("0.001"))
    assert book.levels(ASK).price.to_strings() == ["9.75", "10"]
    assert book.levels(ASK).counts().tolist() == [-1, 4]
    assert book.cumulative(ASK).tolist() == [1, 3_001]
    assert (book.price_exponent, book.size_exponent) == (-2, -3)
    assert (book.valid, book.is_crossed, book.ts_event) == (True, False, 3)


def test_a_gap_makes_it_invalid_until_a_snapshot() -> None:
    book = Book()
    snapshot = row(4, (BID, "2", "1"), snapshot=True)

    states = []
    for entry in (snapshot, row(5, (BID, "3", "1")), gap(7, 1, 2, 5), row(8), snapshot):
        book.apply(messages_of([entry]))
        states.append((book.valid, book.best(BID)))

    two, three = (Decimal(2), Decimal(1)), (Decimal(3), Decimal(1))
    assert states == [(True, two), (True, three), (False, three), (False, three), (True, two)]


@pytest.mark.parametrize(("ask", "crossed"), [("3", False), ("2", True), ("1.5", True)])
def test_a_crossed_book_is_seen(ask: str, crossed: bool) -> None:
    book = Book()
    book.apply(messages_of([row(1, (BID, "2", "1"), (ASK, ask, "1"), snapshot=True)]))

    assert book.is_crossed == crossed


def test_nothing_is_an_empty_invalid_book() -> None:
    book = Book()
    book.apply(BookMessages.empty())

    assert book.keyframe().equals(Keyframe.empty())
    assert (book.best(BID), book.is_crossed, book.ts_event) == (None, False, None)
    assert book.volume(ASK, Decimal(1)) == 0
    assert len(book.cumulative(BID, -1)) == 0
