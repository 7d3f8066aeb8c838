"""Documents of trades: there and back exactly, and what is wrong is set aside with its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.feeds import FeedId
from tradercast.pipeline.documents import Reason, read_documents, to_documents
from tradercast.records import NO_TIME, Decimals, Ids, Side, Trades

FEED = FeedId("bitfinex", "btcusd")
NOW = 1_700_000_000_123_000_000
DAY = 86_400 * 10**9


def document(**changes: Any) -> dict[str, Any]:
    """A good document with other values; a value of ... leaves the field out."""
    good = {
        "exchange": "bitfinex",
        "symbol": "btcusd",
        "native_symbol": "tBTCUSD",
        "trade_id": "401597395",
        "ts_event": NOW,
        "ts_recv": NOW + 5_000,
        "side": "sell",
        "price": "7245.3",
        "size": "0.005",
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def test_a_document_is_a_trade() -> None:
    read = read_documents([document()])

    assert read.feeds == (FEED,)
    assert read.rejected == ()
    assert read.trades.ts_event.tolist() == [NOW]
    assert read.trades.ts_recv is not None
    assert read.trades.ts_recv.tolist() == [NOW + 5_000]
    assert read.trades.trade_id is not None
    assert read.trades.trade_id.to_strings() == ["401597395"]
    assert read.trades.side.tolist() == [Side.SELL]
    assert read.trades.price.to_strings() == ["7245.3"]
    assert read.trades.size.to_strings() == ["0.005"]


def test_a_trade_is_a_document() -> None:
    trades = read_documents([document()]).trades

    assert to_documents(FEED, trades, native_symbol="tBTCUSD") == [document()]


def test_what_may_be_missing() -> None:
    read = read_documents([document(ts_recv=..., side=..., native_symbol=...)])

    assert read.rejected == ()
    assert read.trades.ts_recv is not None
    assert read.trades.ts_recv.tolist() == [NO_TIME]
    assert read.trades.side.tolist() == [Side.UNKNOWN]
    assert to_documents(FEED, read.trades) == [
        document(ts_recv=..., side="unknown", native_symbol=...)
    ]


class Decimal128:
    """What the driver gives for a decimal, as far as it is used."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_decimal(self) -> str:
        return self._text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2.516E-5", "0.00002516"),
        ("100.00", "100"),
        (7245, "7245"),
        (10**30, "1" + "0" * 30),
        (0.1, "0.1"),
        (1e-8, "0.00000001"),
        (Decimal128("123456789.123456789123456789"), "123456789.123456789123456789"),
        ("-37.63", "-37.63"),
    ],
)
def test_exact_numbers_of_any_type_are_prices(value: object, text: str) -> None:
    read = read_documents([document(), document(price=value)])

    assert read.rejected == ()
    assert read.trades.price.to_strings() == ["7245.3", text]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exchange": ...}, Reason.BAD_NAME),
        ({"symbol": "../etc"}, Reason.BAD_NAME),
        ({"symbol": ["btcusd"]}, Reason.BAD_NAME),
        ({"symbol": 7}, Reason.BAD_NAME),
        ({"ts_event": ...}, Reason.NO_TIME),
        ({"ts_event": "2024-01-01"}, Reason.BAD_TIME),
        ({"ts_event": float(NOW)}, Reason.BAD_TIME),
        ({"ts_event": True}, Reason.BAD_TIME),
        ({"ts_event": 2**63}, Reason.BAD_TIME),
        ({"ts_recv": "now"}, Reason.BAD_TIME),
        ({"ts_event": NOW - 10 * 365 * DAY}, Reason.FAR_TIME),
        ({"ts_event": -(2**63) + 1}, Reason.FAR_TIME),
        ({"ts_recv": NOW + DAY + 1}, Reason.FAR_TIME),
        ({"ts_recv": NOW - DAY - 1}, Reason.FAR_TIME),
        ({"trade_id": ...}, Reason.NO_ID),
        ({"trade_id": ""}, Reason.NO_ID),
        ({"trade_id": "x" * 129}, Reason.BAD_ID),
        ({"trade_id": "a\nb"}, Reason.BAD_ID),
        ({"trade_id": 1.5}, Reason.BAD_ID),
        ({"trade_id": -5}, Reason.BAD_ID),
        ({"side": "long"}, Reason.BAD_SIDE),
        ({"side": {}}, Reason.BAD_SIDE),
        ({"price": ...}, Reason.NO_PRICE),
        ({"price": None}, Reason.NO_PRICE),
        ({"price": "NaN"}, Reason.BAD_PRICE),
        ({"price": float("nan")}, Reason.BAD_PRICE),
        ({"price": Decimal128("NaN")}, Reason.BAD_PRICE),
        ({"price": "1,5"}, Reason.BAD_PRICE),
        ({"price": ""}, Reason.BAD_PRICE),
        ({"price": "1" * 100_000}, Reason.BAD_PRICE),
        ({"price": b"1"}, Reason.BAD_PRICE),
        ({"price": True}, Reason.BAD_PRICE),
        ({"size": ...}, Reason.NO_SIZE),
        ({"size": float("inf")}, Reason.BAD_SIZE),
        ({"size": "-0.1"}, Reason.NEGATIVE_SIZE),
        ({"size": "-" + "9" * 40}, Reason.NEGATIVE_SIZE),
    ],
)
def test_what_is_no_trade_is_set_aside_with_its_reason(
    changes: dict[str, Any], reason: Reason
) -> None:
    batch = [document(trade_id="1"), document(**changes), document(trade_id="3")]

    read = read_documents(batch)

    assert [(each.row, each.reason) for each in read.rejected] == [(1, reason)]
    assert len(read.rejected[0].detail) <= 120
    assert read.row.tolist() == [0, 2]
    assert read.trades.trade_id is not None
    assert read.trades.trade_id.to_strings() == ["1", "3"]
    assert read.trades.equals(read_documents([batch[0], batch[2]]).trades)


def test_a_day_between_event_and_arrival_is_still_a_trade() -> None:
    batch = [document(ts_recv=NOW + DAY), document(ts_recv=NOW - DAY)]

    assert read_documents(batch).rejected == ()


def test_the_first_reason_is_the_one_that_is_told() -> None:
    read = read_documents([document(price=..., size="-1", side="long")])

    assert [each.reason for each in read.rejected] == [Reason.BAD_SIDE]


def test_a_batch_of_several_feeds_keeps_the_order_of_each() -> None:
    symbols = ["btcusd", "ethusd", "btcusd", "BAD!", "ethusd"]
    read = read_documents(
        [document(symbol=symbol, trade_id=str(row)) for row, symbol in enumerate(symbols)]
    )

    found = {
        str(feed): (rows.tolist(), trades.trade_id.to_strings() if trades.trade_id else None)
        for feed, rows, trades in read.by_feed()
    }

    assert found == {
        "bitfinex/btcusd/trades": ([0, 2], ["0", "2"]),
        "bitfinex/ethusd/trades": ([1, 4], ["1", "4"]),
    }
    assert [(each.row, each.reason) for each in read.rejected] == [(3, Reason.BAD_NAME)]


def test_no_documents_are_no_trades() -> None:
    read = read_documents([])

    assert len(read.trades) == 0
    assert read.feeds == ()
    assert list(read.by_feed()) == []


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text("0123456789.-+eE \n\x00é\ud800x", max_size=12),
    st.binary(max_size=5),
    st.just([1]),
    st.sampled_from(["1E+200", "1e-9", "-0", "Infinity", "sNaN", "9" * 200, "buy"]),
)
FIELDS = ("exchange", "symbol", "trade_id", "ts_event", "ts_recv", "side", "price", "size")


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES), max_size=5))
def test_any_values_are_read_or_set_aside(changes: list[dict[str, Any]]) -> None:
    batch = [document(**each) for each in changes]

    read = read_documents(batch)

    rejected = {each.row for each in read.rejected}
    assert rejected.isdisjoint(read.row.tolist())
    assert sorted(rejected | set(read.row.tolist())) == list(range(len(batch)))
    for at, row in enumerate(read.row.tolist()):
        alone = read_documents([batch[row]])
        assert alone.trades.equals(read.trades[at : at + 1])
    for each in read.rejected:
        assert [one.reason for one in read_documents([batch[each.row]]).rejected] == [each.reason]


TEXT = st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**20, places=9)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 2**63 - 1), st.sampled_from(Side))))
def test_trades_come_back_as_they_were(rows: list[tuple[Any, Any, int, Side]]) -> None:
    trades = Trades(
        np.arange(len(rows), dtype=np.int64) + NOW,
        Decimals.from_decimals(row[0] for row in rows),
        Decimals.from_decimals(row[1] for row in rows),
        np.array([row[3] for row in rows], np.uint8),
        np.arange(len(rows), dtype=np.int64) + NOW + 1_000,
        Ids.from_ints([row[2] for row in rows]),
    )

    read = read_documents(to_documents(FEED, trades))

    assert read.rejected == ()
    assert read.trades.equals(trades)
