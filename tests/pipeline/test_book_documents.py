"""Documents of books: what a message says comes back exactly, and what is none is set aside."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.exchanges.book_entries import Entry, Hole, Message
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.pipeline.book_documents import (
    MAX_LEVELS,
    BookRun,
    read_book_documents,
    to_book_documents,
)
from tradercast.pipeline.exchange_trades import RecvPrecision, book_columns
from tradercast.pipeline.mongo_cursor import CODEC

NOW = 1_700_000_000_000_000_000
FEED = FeedId("bitfinex", "btcusd", "book")

TIMES = st.integers(0, 10**9).map(lambda n: NOW + n)
NUMBERS = st.none() | st.integers(0, 2**63 - 1)
PRICES = st.sampled_from(["93500", "0.000000000000000001", "-3", "12345678901234567890.5"])
SIZES = st.sampled_from(["0", "1.5", "0.1234567890123456789"])
LEVEL = st.tuples(PRICES, SIZES, st.integers(0, 2**40)).map(list)
MESSAGES = st.builds(
    Message,
    st.none() | TIMES,
    TIMES,
    NUMBERS,
    st.just(ABSENT) | st.integers(0, 2**63 - 1),
    NUMBERS,
    st.booleans(),
    st.lists(LEVEL, max_size=4),
    st.lists(LEVEL, max_size=4),
    st.none() | st.integers(-(2**31), 2**31 - 1),
)
HOLES = st.builds(Hole, st.just(3), st.integers(3, 9), TIMES, TIMES)


def documents(entries: list[Entry], precision: RecvPrecision) -> list[dict[str, Any]]:
    made = to_book_documents(FEED, entries, precision, first=7, after=5, native_symbol="tBTCUSD")
    return [bson.decode(bson.encode(one), CODEC) for one in made]


def message(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "_id": {"exchange": "bitfinex", "symbol": "btcusd", "number": number},
        "after": number - 1,
        "ts_event": NOW + number,
        "is_snapshot": False,
        "bids": [["100", "1", 2]],
        "asks": [],
    } | changes


@given(st.lists(MESSAGES | HOLES, min_size=1, max_size=8), st.sampled_from(RecvPrecision))
def test_what_is_collected_comes_back_as_it_goes_into_a_feed_at_once(
    entries: list[Entry], precision: RecvPrecision
) -> None:
    [found], rejected = read_book_documents(documents(entries, precision))

    assert not rejected
    assert found.feed == FEED
    assert found.messages.equals(book_columns(entries, precision))
    assert found.number.tolist() == list(range(7, 7 + len(entries)))
    assert found.after.tolist() == [5, *range(7, 6 + len(entries))]


BAD: dict[str, dict[str, Any]] = {
    "bad_name": {"_id": {"exchange": "bitfinex", "number": 1}},
    "bad_number": {"last_id": -4},
    "no_time": {"ts_event": None},
    "bad_time": {"ts_event": 1.5},
    "far_time": {"ts_recv": NOW + 90_000 * 10**9},
    "bad_kind": {"is_snapshot": 1},
    "bad_level": {"asks": ["12"]},
    "bad_count": {"bids": [["100", "1", -2]]},
    "no_price": {"bids": [[None, "1", 2]]},
    "bad_price": {"bids": [["NaN", "1", 2]]},
    "no_size": {"bids": [["100", None, 2]]},
    "bad_size": {"bids": [["100", 1.5, 2]]},
    "negative_size": {"asks": [["100", "-1", 2]]},
    "bad_gap": {"gap": {"first": 4, "last": 3, "ts_before": NOW}},
    "too_large": {"asks": [["1", "1", 1]] * MAX_LEVELS},
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_document_is_set_aside_and_its_neighbours_are_not(reason: str) -> None:
    given_documents = [message(1), message(2, **BAD[reason]), message(3)]

    runs, rejected = read_book_documents(given_documents)

    assert [(one.row, str(one.reason)) for one in rejected] == [(1, reason)]
    [run] = runs
    assert run.number.tolist() == [1, 3]
    assert run.messages.ts_event.tolist() == [NOW + 1, NOW + 3]


def test_what_an_exponent_stands_for_counts_as_if_it_were_written_out() -> None:
    _, rejected = read_book_documents([message(1, asks=[["1e-90", "1E-90", 1]] * 2_000)])

    assert [str(one.reason) for one in rejected] == ["too_large"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1", "-1", "1e9", "NaN", float("nan"), NOW]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
FIELDS = (
    "_id",
    "after",
    "ts_event",
    "ts_recv",
    "is_snapshot",
    "last_id",
    "checksum",
    "bids",
    "gap",
)


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=3))
def test_no_document_stops_a_batch(changes: dict[str, Any]) -> None:
    given_documents = [message(1), message(2, **changes), message(3)]

    runs, rejected = read_book_documents(given_documents)

    accepted = sum(len(run.number) for run in runs)
    assert accepted + len(rejected) == 3
    assert {one.row for one in rejected} <= {1}
    for run in runs:
        assert len(run.messages) == len(run.number) == len(run.after)


@pytest.mark.parametrize("document", [{}, {"_id": "text"}, message(-1), message(1, after="0")])
def test_documents_that_are_nothing_of_the_kind(document: dict[str, Any]) -> None:
    runs, rejected = read_book_documents([document])

    assert runs == []
    assert len(rejected) == 1


def test_numbers_of_orders_may_be_large_or_missing() -> None:
    large = message(1, bids=[["100", "1", bson.Int64(2**40)]])
    none = message(2, bids=[["100", "1"]])

    runs, rejected = read_book_documents([large, none])

    assert not rejected
    assert [one.messages.levels.counts().tolist() for one in runs] == [[2**40, ABSENT]]


def test_each_book_is_a_run_of_its_own() -> None:
    names = {"exchange": "bitfinex", "symbol": "ethusd"}
    other = message(9) | {"_id": {**names, "number": 9}}

    runs, _ = read_book_documents([message(1), other, message(2)])

    def told(run: BookRun) -> tuple[str, list[int]]:
        return run.feed.symbol, run.number.tolist()

    assert [told(run) for run in runs] == [("btcusd", [1, 2]), ("ethusd", [9])]
