"""Events of MongoDB become numbered messages, whatever batches they come in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradercast.errors import FormatError, UnknownVersionError
from tradercast.feeds import FeedId
from tradercast.pipeline import listener_messages
from tradercast.pipeline.listener_events import changed_rows, scanned_rows
from tradercast.pipeline.listener_messages import Outcome, to_messages
from tradercast.pipeline.listener_state import (
    ListenerState,
    Position,
    Scan,
    decode_state,
    encode_state,
)
from tradercast.pipeline.mapping import FieldMap
from tradercast.pipeline.messages import Correction, Message, decode_message
from tradercast.records import Kind, Trades

NOW = 1_700_000_000_000_000_000
BTC = FeedId("bitfinex", "btcusd")
PLAIN = FieldMap.parse("")


def document(key: int, symbol: str = "btcusd", **changes: Any) -> dict[str, Any]:
    return {
        "_id": key,
        "exchange": "bitfinex",
        "symbol": symbol,
        "trade_id": str(key),
        "ts_event": NOW + key,
        "price": "7245.3",
        "size": "0.5",
        "side": "buy",
    } | changes


def event(operation: str, after: Any = None, before: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "operationType": operation,
        "ns": {"db": "market", "coll": "trades"},
        "documentKey": {"_id": (after or before or {"_id": 0})["_id"]},
        "fullDocument": after,
        "fullDocumentBeforeChange": before,
    } | more


def messages(events: list[dict[str, Any]], numbers: Any = None) -> tuple[Outcome, list[Message]]:
    rows, letters = changed_rows(events, PLAIN)
    made = to_messages(rows, numbers or {})
    out = Outcome(made.messages, (*letters, *made.letters), made.numbers)
    return out, [decode_message(one.payload) for one in made.messages]


changes = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "insert", "bad", "update", "delete"]),
        st.sampled_from(["btcusd", "ethusd", "xrpusd"]),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(changes, st.lists(st.integers(1, 9), min_size=1), st.integers(1, 5))
def test_any_batching_gives_the_same_records_and_numbers_without_a_hole(
    kinds: list[tuple[str, str]], sizes: list[int], most: int
) -> None:
    events = []
    for at, (kind, symbol) in enumerate(kinds):
        was = document(at, symbol)
        events.append(
            {
                "insert": event("insert", was),
                "bad": event("insert", document(at, symbol, price="NaN")),
                "update": event("update", document(at, symbol, price="1"), was),
                "delete": event("delete", None, was),
            }[kind]
            | {"updateDescription": {"updatedFields": {"price": "1"}}}
        )

    whole = told([events])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener_messages, "MAX_RECORDS", most)
        cuts = iter(sizes * (len(events) + 1))
        batches, at = [], 0
        while at < len(events):
            size = next(cuts)
            batches.append(events[at : at + size])
            at += size
        parts = told(batches)

    assert parts == whole


def told(batches: list[list[dict[str, Any]]]) -> tuple[dict[str, list[object]], list[object]]:
    """Per feed the records; the letters. Numbers are checked on the way."""
    numbers: Any = {}
    records: dict[str, list[object]] = {}
    letters: list[object] = []
    next_number: dict[FeedId, int] = {}
    for batch in batches:
        out, made = messages(batch, numbers)
        numbers = out.numbers
        letters += [(one.reason, one.document["_id"]) for one in out.letters]
        for message in made:
            assert message.number == next_number.get(message.feed, 0)
            next_number[message.feed] = message.number + 1
            fixes = {fix.row: (fix.kind, fix.trade_id, fix.ts_event) for fix in message.corrections}
            records.setdefault(str(message.feed), []).extend(
                (row, fixes.get(at)) for at, row in enumerate(plain(message.trades))
            )
    assert numbers == next_number
    return records, letters


def plain(trades: Trades) -> list[tuple[object, ...]]:
    assert trades.trade_id is not None
    return list(
        zip(
            trades.trade_id.to_strings(),
            trades.ts_event.tolist(),
            trades.price.to_strings(),
            trades.size.to_strings(),
            trades.side.tolist(),
            strict=True,
        )
    )


def test_a_change_of_the_price_is_an_amendment() -> None:
    update = event(
        "update", document(1, price="9"), updateDescription={"updatedFields": {"price": "9"}}
    )

    _, [message] = messages([event("insert", document(1)), update])

    assert message.corrections == (Correction(1, Kind.AMEND, "1", NOW + 1),)
    assert message.trades.price.to_strings() == ["7245.3", "9"]


def test_a_changed_time_is_found_by_the_former_one() -> None:
    update = event("replace", document(1, ts_event=NOW), document(1))

    _, [message] = messages([update])

    assert message.corrections == (Correction(0, Kind.AMEND, "1", NOW + 1),)
    assert message.trades.ts_event.tolist() == [NOW]


def test_a_delete_is_a_bust_with_nothing_left_of_the_trade() -> None:
    _, [message] = messages([event("delete", None, document(1, price="1" * 60))])

    assert message.corrections == (Correction(0, Kind.BUST, "1", NOW + 1),)
    assert plain(message.trades) == [("1", NOW + 1, "0", "0", 0)]


def test_a_delete_that_tells_nothing_is_a_dead_letter() -> None:
    out, made = messages([event("delete") | {"documentKey": {"_id": 77}}])

    assert made == []
    assert [(one.reason, one.document) for one in out.letters] == [("no_pre_image", {"_id": 77})]


def test_an_update_of_the_id_needs_the_former_document() -> None:
    touched = {"updateDescription": {"updatedFields": {"trade_id": "2"}}}
    unknown = event("update", document(2), **touched)
    known = event("update", document(2), document(1), **touched)

    out, made = messages([unknown])
    assert (made, [one.reason for one in out.letters]) == ([], ["no_pre_image"])

    _, [message] = messages([known])
    assert message.corrections == (Correction(0, Kind.BUST, "1", NOW + 1),)
    assert [row[0] for row in plain(message.trades)] == ["1", "2"]


def test_a_rejected_document_that_is_mended_is_a_trade() -> None:
    mended = event("replace", document(1), document(1, price=None))

    _, [message] = messages([mended])

    assert message.corrections == ()
    assert len(message.trades) == 1


@pytest.mark.parametrize(
    "nothing",
    [
        event("update", document(1), updateDescription={"updatedFields": {"seen": True}}),
        event("update", None, updateDescription={"updatedFields": {"price": "1"}}),
        event("replace", document(1), document(1)),
        event("delete", None, document(1, price=None)),
        {"operationType": "drop", "ns": {"db": "market", "coll": "trades"}},
        {"operationType": "invalidate"},
    ],
    ids=["other field", "deleted since", "replaced by itself", "was none", "drop", "invalidate"],
)
def test_what_changes_no_trade_is_no_record(nothing: dict[str, Any]) -> None:
    out, made = messages([nothing])

    assert (made, out.letters) == ([], ())


def test_bad_documents_are_letters_with_reasons_beside_the_others() -> None:
    rows = scanned_rows(
        [document(1), document(2, size="-1"), document(3, price=float("nan"))],
        "market.trades",
        PLAIN,
    )

    out = to_messages(rows, {BTC: 41}, repeats_anywhere=True)

    [message] = [decode_message(one.payload) for one in out.messages]
    assert (message.number, message.repeats_anywhere, len(message.trades)) == (41, True, 1)
    assert out.numbers == {BTC: 42}
    assert [(one.reason, one.document["_id"], one.collection) for one in out.letters] == [
        ("negative_size", 2, "market.trades"),
        ("bad_price", 3, "market.trades"),
    ]


def test_no_message_is_larger_than_a_broker_takes() -> None:
    wide = "1." + "123456789" * 12
    rows = scanned_rows(
        [document(at, price=wide, size=wide, trade_id="x" * 100 + str(at)) for at in range(8_000)],
        "market.trades",
        PLAIN,
    )

    out = to_messages(rows, {})

    assert len(out.messages) > 1
    assert [one.number for one in out.messages] == list(range(len(out.messages)))
    assert sum(one.records for one in out.messages) == 8_000
    assert max(len(one.payload) for one in out.messages) <= listener_messages.MAX_BYTES


times = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
names = st.lists(st.text(max_size=20), min_size=1, max_size=3).map(tuple)
positions = st.builds(
    Position,
    names,
    st.none() | st.builds(Scan, times, names, st.none() | st.binary(), st.booleans()),
    st.none() | st.binary(max_size=300),
    times,
    times,
)


@given(positions, st.dictionaries(st.sampled_from([BTC, FeedId("a", "b")]), st.integers(0, 2**63)))
def test_a_state_comes_back(position: Position, numbers: dict[FeedId, int]) -> None:
    state = ListenerState(position, numbers)

    assert decode_state(encode_state(state)) == state


@given(st.binary(max_size=100))
def test_other_bytes_are_no_state(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_state(data)


def test_a_newer_state_says_so() -> None:
    data = encode_state(ListenerState())

    with pytest.raises(UnknownVersionError):
        decode_state(data.replace(b"\x97\x01", b"\x97\x03", 1))
