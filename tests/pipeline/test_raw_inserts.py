"""Inserts read by column are what decoding each of them gives, whatever is in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex, Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from tradercast.pipeline.listener_events import changed_rows
from tradercast.pipeline.listener_messages import Outcome, to_messages
from tradercast.pipeline.mapping import FieldMap
from tradercast.pipeline.mongo_cursor import CODEC, elements, reply_of
from tradercast.pipeline.raw_inserts import Inserts, read_inserts

NOW = 1_700_000_000_000_000_000
BROKEN = "BROKEN"  # becomes bytes that are no text
HOSTILE: list[Any] = [
    None, "", " ", "x", "1", "-0.5", "1e5", "1e400", "0x10", "nan", "buy", "BUY", "é", "€uro", "𝕏",
    "a\x00b", "a\nb", "\x7f", "\x00", BROKEN, "9" * 300, 0, -1, 7, Int64(7), Int64(-(2**63)),
    Int64(2**63 - 1), Int64(NOW + 10**18), 0.1, -0.0, 1e300, float("nan"), float("inf"), True,
    False, Decimal128("1.50"), Decimal128("NaN"), datetime(2024, 1, 1, tzinfo=UTC),
    ObjectId("5" * 24), Timestamp(1, 2), Binary(b"x"), Regex("a"), [1, 2], {"a": 1}, {}, [],
]  # fmt: skip
FIELDS = ["exchange", "symbol", "trade_id", "ts_event", "ts_recv", "side", "price", "size", "_id",
          "native_symbol", "other"]  # fmt: skip


def document(key: int) -> dict[str, Any]:
    return {
        "_id": ObjectId(f"{key:024x}"),
        "exchange": "bitfinex",
        "symbol": ("btcusd", "ethusd", "xrp")[key % 3],
        "native_symbol": "tBTCUSD",
        "trade_id": str(10**key % 7 + key),
        "ts_event": Int64(NOW + key),
        "ts_recv": Int64(NOW + key + 35),
        "side": ("buy", "sell")[key % 2],
        "price": f"{67_000 + key}.{key % 10}",
        "size": f"0.{key * 7919 % 99_999:05d}",
    }


def event(key: int, inserted: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "_id": {"_data": f"82{key:064x}"},
        "operationType": "insert",
        "clusterTime": Timestamp(NOW // 10**9, key + 1),
        "fullDocument": inserted,
        "ns": {"db": "market", "coll": "trades"},
    } | changes


def reply(events: list[dict[str, Any]]) -> bytes:
    raw = bson.encode(
        {"nextBatch": events, "postBatchResumeToken": {"_data": "82"}, "id": Int64(7), "ns": "a.b"}
    )
    return raw.replace(BROKEN.encode(), b"\xff\xfe\xc3(\xa0\xa1")


def by_column(raw: bytes) -> Inserts | None:
    [start] = [start for name, _, start, _ in elements(raw, 0) if name == "nextBatch"]
    return read_inserts(raw, start, CODEC)


def outcome(events: Any) -> tuple[Outcome, str]:
    """What becomes of events; letters as text, since no NaN equals itself."""
    rows, letters = changed_rows(events, FieldMap({}))
    made = to_messages(rows, {})
    return made, repr([*letters, *made.letters])


def check(raw: bytes) -> Inserts | None:
    """Both ways agree; what the quick one gave, if it gave anything."""
    plain = bson.decode(raw, CODEC)["nextBatch"]
    quick = by_column(raw)
    if quick is not None:
        assert repr(list(quick)) == repr(plain)
        expected, found = outcome(plain), outcome(quick)
        assert found[0].messages == expected[0].messages
        assert found[0].numbers == expected[0].numbers
        assert found[1] == expected[1]
    return quick


def test_plain_trades_of_several_feeds_and_lengths_are_read_by_column() -> None:
    assert check(reply([event(key, document(key)) for key in range(200)])) is not None


def whole_event(key: int) -> dict[str, Any]:
    """As it is where nothing is left out of it."""
    return event(
        key,
        document(key),
        wallTime=datetime.fromtimestamp(1_700_000_000 + key, UTC),
        documentKey={"symbol": document(key)["symbol"], "_id": ObjectId(f"{key:024x}")},
        lsid={"id": Binary(bytes([key]) * 16, 4), "uid": Binary(bytes(32))},
        txnNumber=Int64(key),
    )


def test_whole_events_of_many_sessions_are_read_by_column() -> None:
    assert check(reply([whole_event(key) for key in range(200)])) is not None


def test_an_object_of_another_length_does_not_hide_what_is_behind_it() -> None:
    """Both events are as long, and their parts lie elsewhere."""
    one = event(1, document(1), documentKey={"_id": "x" * 40})
    two = event(1, document(1) | {"price": "1" * 27 + ".5"}, documentKey={"_id": "x" * 18})
    three = event(1, document(1) | {"price": "1" * 5 + ".5"}, documentKey={"_id": "x" * 40})
    assert len(bson.encode(two)) == len(bson.encode(three))

    check(reply([one, *[two, three] * 10]))
    check(reply([*[three, two] * 10, one]))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "value", HOSTILE, ids=lambda value: f"{type(value).__name__} {value!r:.20}"
)
def test_a_value_in_all_documents_or_in_one_gives_the_same_both_ways(
    field: str, value: Any
) -> None:
    documents = [document(key) for key in range(24)]
    check(reply([event(key, one | {field: value}) for key, one in enumerate(documents)]))

    documents[7][field] = value
    check(reply([event(key, one) for key, one in enumerate(documents)]))


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 11), st.sampled_from(FIELDS), st.sampled_from(HOSTILE)),
        max_size=6,
    ),
    missing=st.lists(st.tuples(st.integers(0, 11), st.sampled_from(FIELDS)), max_size=3),
    everywhere=st.booleans(),
    turned=st.sets(st.integers(0, 11)),
)
@settings(max_examples=300, deadline=None)
def test_any_mixture_gives_the_same_both_ways(
    changes: list[tuple[int, str, Any]],
    missing: list[tuple[int, str]],
    everywhere: bool,
    turned: set[int],
) -> None:
    documents = [document(key) for key in range(12)]
    for row, field, value in changes:
        for one in documents if everywhere else [documents[row]]:
            one[field] = value
    for row, field in missing:
        documents[row].pop(field, None)
    for row in turned:
        documents[row] = dict(reversed(documents[row].items()))

    check(reply([event(key, one) for key, one in enumerate(documents)]))


@given(
    values=st.lists(
        st.tuples(
            st.text(max_size=6),
            st.text("0123456789.-e", max_size=8),
            st.integers(-(2**63), 2**63 - 1) | st.integers(NOW - 10, NOW + 10),
            st.floats(),
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=200, deadline=None)
def test_any_text_and_number_gives_the_same_both_ways(
    values: list[tuple[str, str, int, float]],
) -> None:
    documents = [
        document(key)
        | {"trade_id": text, "price": digits, "ts_event": Int64(time), "size": size, "note": text}
        for key, (text, digits, time, size) in enumerate(values)
    ]

    check(reply([event(key, one) for key, one in enumerate(documents)]))


@pytest.mark.parametrize(
    "changes",
    [
        {"operationType": "delete", "fullDocument": None},
        {"operationType": "update", "updateDescription": {"updatedFields": {"price": "1"}}},
        {"operationType": "replace"},
        {"ns": {"db": "market", "coll": "other"}},
        {"fullDocument": None},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_what_is_no_insert_into_the_one_collection_is_left_to_the_other_way(
    changes: dict[str, Any],
) -> None:
    events = [event(key, document(key)) for key in range(50)]
    events[20] |= changes

    assert by_column(reply(events)) is None


@pytest.mark.parametrize(("other", "name"), [("trade_ix", "trade_id"), ("pricx", "price")])
def test_a_name_that_is_there_twice_is_left_to_the_other_way(other: str, name: str) -> None:
    raw = reply([event(key, document(key) | {other: "7"}) for key in range(50)])

    assert by_column(raw) is not None
    assert by_column(raw.replace(f"{other}\0".encode(), f"{name}\0".encode())) is None


def test_layouts_without_end_are_left_to_the_other_way() -> None:
    events = [event(key, document(key) | {"x" * (key + 1): 1}) for key in range(100)]

    assert by_column(reply(events)) is None


def test_damaged_bytes_never_give_something_else() -> None:
    raw = reply([whole_event(key) for key in range(4)])
    [(start, end)] = [(at, to) for name, _, at, to in elements(raw, 0) if name == "nextBatch"]
    read = 0
    for at in range(start, end):
        for mask in (0x01, 0xFF):
            damaged = bytearray(raw)
            damaged[at] ^= mask
            quick = read_inserts(bytes(damaged), start, CODEC)
            if quick is not None:
                read += 1
                assert repr(list(quick)) == repr(bson.decode(bytes(damaged), CODEC)["nextBatch"])

    assert read > 100  # values are damaged too


def test_a_large_batch_of_a_stream_is_read_by_column_with_its_token() -> None:
    raw = reply([event(key, document(key)) for key in range(2_000)])

    quick, plain = reply_of(raw, False, by_column=True), reply_of(raw, False)

    assert isinstance(quick.documents, Inserts)
    assert quick.token == plain.token == {"_data": "82"}
    assert list(quick.documents) == plain.documents
    assert quick.documents[-1]["clusterTime"] == plain.documents[-1]["clusterTime"]
