"""A collection's own fields become a trade's."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import UsageError
from tradercast.pipeline.documents import read_documents
from tradercast.pipeline.mapping import FieldMap

NOW_MS = 1_532_251_865_114
OWN = FieldMap.parse(
    "exchange==bitfinex,symbol=pair,trade_id=_id,ts_event=at.ms:ms,side=taker,price=deal.px,size=deal.0"
)


def test_documents_of_the_projects_own_form_are_taken_as_they_are() -> None:
    documents = [{"exchange": "bitfinex", "price": "1"}]

    assert FieldMap.parse("").read(documents, "market.trades") == documents


def test_every_field_may_be_called_and_nested_as_it_likes() -> None:
    key = ObjectId()
    document = {
        "_id": key,
        "pair": "BTC/USD",
        "at": {"ms": NOW_MS},
        "taker": "SELL",
        "deal": {"px": Decimal128("7437.10"), "0": 3},
    }

    [read] = OWN.read([document], "market.trades")

    assert read is not None
    trades = read_documents([read])
    assert str(trades.feeds[0]) == "bitfinex/btcusd/trades"
    assert trades.trades.trade_id is not None
    assert trades.trades.trade_id.to_strings() == [str(key)]
    assert trades.trades.ts_event.tolist() == [NOW_MS * 1_000_000]
    assert trades.trades.side.tolist() == [2]
    assert trades.trades.price.to_decimals() == [Decimal("7437.1")]


@pytest.mark.parametrize(
    ("unit", "value", "ns"),
    [
        (":s", 1_532_251_865, 1_532_251_865_000_000_000),
        (":s", 1_532_251_865.114, 1_532_251_865_114_000_000),
        (":ms", NOW_MS, NOW_MS * 1_000_000),
        (":us", NOW_MS * 1_000, NOW_MS * 1_000_000),
        (":ns", 17, 17),
        ("", 17, 17),
        ("", DatetimeMS(NOW_MS), NOW_MS * 1_000_000),
        (":ms", DatetimeMS(NOW_MS), NOW_MS * 1_000_000),
        (":iso", "2018-07-22T09:31:05.114Z", NOW_MS * 1_000_000),
    ],
)
def test_times_have_units(unit: str, value: object, ns: int) -> None:
    [read] = FieldMap.parse(f"ts_event=t{unit}").read([{"t": value}], "market.trades")

    assert read is not None
    assert read["ts_event"] == ns


def test_a_symbol_may_be_the_collections_name() -> None:
    [read] = FieldMap.parse("symbol=@collection").read([{}], "bitfinex.BTCUSD")

    assert read is not None
    assert read["symbol"] == "btcusd"


def raw(*message: object) -> dict[str, str]:
    return {"trade": json.dumps(message)}


def test_the_layout_of_2018_is_read_with_every_digit() -> None:
    documents = [
        {"trade": '[44,"te",[271311626,1532251865114,-0.08577620,7437.1]]'},
        {"trade": '[44,"te",[271311627,1532251865115,2e-05,7437.12]]'},
        raw(44, "tu", [271311626, NOW_MS, 0.08577622, 7437.1]),
        raw(44, "hb"),
    ]

    read = FieldMap.parse("bitfinex-2018").read(documents, "bitfinex.btcusd")

    assert read[2:] == [None, None]
    trades = read_documents([one for one in read if one is not None])
    assert trades.rejected == ()
    assert str(trades.feeds[0]) == "bitfinex/btcusd/trades"
    assert trades.trades.price.to_strings() == ["7437.1", "7437.12"]
    assert trades.trades.size.to_strings() == ["0.0857762", "0.00002"]
    assert trades.trades.side.tolist() == [2, 1]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["_id", "pair", "at", "taker", "deal"]), VALUES),
    st.sampled_from(["", ":s", ":ms", ":iso"]),
)
def test_no_document_stops_anything(document: dict[str, Any], unit: str) -> None:
    fields = FieldMap.parse(
        f"exchange=pair,symbol=pair,trade_id=_id,ts_event=at{unit},side=taker,price=deal.0,size=deal.a"
    )

    [read] = fields.read([document], "a.b")

    assert read is not None
    assert len(read_documents([read]).rejected) <= 1


@given(st.text(max_size=40) | st.recursive(VALUES, st.lists).map(repr))
def test_no_raw_message_stops_anything(text: str) -> None:
    [read] = FieldMap.parse("bitfinex-2018").read([{"trade": text}], "bitfinex.btcusd")

    assert read is None or read_documents([read]).rejected


@pytest.mark.parametrize(
    "text",
    [
        "price",
        "price=",
        "colour=red",
        "price=a,price=b",
        "ts_event=t:min",
        "exchange==BAD NAME",
        "p==x",
    ],
)
def test_a_map_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        FieldMap.parse(text)
