"""Corrections: what a reader sees after busts and amendments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast import corrections
from tradercast.errors import UsageError
from tradercast.records import Decimals, Gap, Kind, Notes, Trades

Entry = tuple[int, Kind, int, int, int]


def run(prices: list[int], entries: list[Entry]) -> Trades:
    count = len(prices)
    return Trades(
        np.arange(count, dtype=np.int64) * 10,
        Decimals.from_ints(prices),
        Decimals.from_ints(np.ones(count, np.int64)),
        np.zeros(count, np.uint8),
        notes=Notes.of(entries),
    )


def applied(prices: list[int], entries: list[Entry], first: int = 0) -> tuple[list[int], list[int]]:
    seq = np.arange(first, first + len(prices), dtype=np.int64)
    trades, kept, _ = corrections.apply(run(prices, entries), seq)
    assert not len(trades.notes)
    return trades.price.mantissa.tolist(), kept.tolist()


def test_a_bust_removes_its_trade_and_itself() -> None:
    assert applied([1, 2, 3, 0], [(3, Kind.BUST, 101, 0, 10)], first=100) == ([1, 3], [100, 102])


def test_an_amendment_takes_the_place_of_its_trade() -> None:
    assert applied([1, 2, 3, 9], [(3, Kind.AMEND, 101, 0, 10)], first=100) == (
        [1, 9, 3],
        [100, 101, 102],
    )


def test_the_last_correction_holds() -> None:
    assert applied([1, 7, 8], [(1, Kind.AMEND, 0, 0, 0), (2, Kind.AMEND, 0, 0, 0)]) == ([8], [0])
    assert applied([1, 7, 0], [(1, Kind.AMEND, 0, 0, 0), (2, Kind.BUST, 0, 0, 0)]) == ([], [])
    assert applied([1, 0, 7], [(1, Kind.BUST, 0, 0, 0), (2, Kind.AMEND, 0, 0, 0)]) == ([7], [0])


def test_a_correction_of_a_correction_is_about_the_first_trade() -> None:
    assert applied([1, 7, 8], [(1, Kind.AMEND, 0, 0, 0), (2, Kind.AMEND, 1, 0, 0)]) == ([8], [0])
    assert applied([1, 7, 0], [(1, Kind.AMEND, 0, 0, 0), (2, Kind.BUST, 1, 0, 0)]) == ([], [])


def test_a_correction_without_its_trade_is_left_out() -> None:
    assert applied([1, 9], [(1, Kind.AMEND, 3, 0, 0)], first=100) == ([1], [100])
    assert applied([1, 9], [(1, Kind.BUST, 101, 0, 0)], first=100) == ([1], [100])  # itself
    assert applied([9, 1], [(0, Kind.BUST, 101, 0, 0)], first=100) == ([1], [101])  # what follows


def test_gaps_are_told_and_are_no_trades() -> None:
    trades, seq, gaps = corrections.apply(
        run([1, 0, 3], [(1, Kind.GAP, 40, 44, 5)]), np.array([100, 101, 102])
    )

    assert trades.price.mantissa.tolist() == [1, 3]
    assert seq.tolist() == [100, 102]
    assert gaps == [Gap(seq=101, first=40, last=44, before_ns=5, after_ns=10)]


def test_a_run_with_holes_in_its_numbers_is_matched_by_number() -> None:
    trades, seq, _ = corrections.apply(
        run([1, 2, 9], [(2, Kind.AMEND, 20, 0, 0)]), np.array([10, 20, 300])
    )

    assert (trades.price.mantissa.tolist(), seq.tolist()) == ([1, 9], [10, 20])


def test_plain_trades_come_back_as_they_are() -> None:
    trades = run([1, 2], [])
    seq = np.array([0, 1])

    assert corrections.apply(trades, seq) == (trades, seq, [])


def test_numbers_of_another_length_are_refused() -> None:
    with pytest.raises(UsageError, match="2 records have 1 numbers"):
        corrections.apply(run([1, 2], []), np.array([0]))


def one_by_one(prices: list[int], entries: list[Entry]) -> tuple[list[int], list[int]]:
    """The rule as a loop over records."""
    current: dict[int, int | None] = {}
    about: dict[int, int] = {}
    notes = {row: (kind, ref) for row, kind, ref, _, _ in entries}
    for row, price in enumerate(prices):
        if row not in notes:
            current[row] = price
            continue
        kind, ref = notes[row]
        ref = about.get(ref, ref)
        if kind != Kind.GAP and ref < row and ref in current:
            about[row] = ref
            current[ref] = price if kind == Kind.AMEND else None
    kept = [(row, price) for row, price in sorted(current.items()) if price is not None]
    return [price for _, price in kept], [row for row, _ in kept]


@given(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 14)), max_size=15))
def test_it_agrees_with_the_rule_as_a_loop(rows: list[tuple[Kind, int]]) -> None:
    prices = [100 + i for i in range(len(rows))]
    entries = [(i, k, ref, 0, 0) for i, (k, ref) in enumerate(rows) if k != Kind.TRADE]

    assert applied(prices, entries) == one_by_one(prices, entries)
