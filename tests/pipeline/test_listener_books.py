"""Documents of books become numbered messages: gaps for what is missing, nothing twice."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.books import rows_of
from support.commands import machine
from support.listening import ListenerProcess, Topic

from tradercast.errors import FormatError
from tradercast.feeds import FeedId
from tradercast.pipeline import listener_messages
from tradercast.pipeline.book_batches import BookBatch, decode_any
from tradercast.pipeline.book_documents import MAX_LEVELS
from tradercast.pipeline.listener_books import (
    BookOutcome,
    changed_books,
    split_books,
    to_book_messages,
)
from tradercast.pipeline.listener_preview import preview
from tradercast.pipeline.listener_state import (
    BookPlace,
    ListenerState,
    decode_state,
    encode_state,
)
from tradercast.pipeline.mapping import FieldMap
from tradercast.pipeline.mongo_connect import connected

NOW = 1_700_000_000_000_000_000
FEED = FeedId("bitfinex", "btcusd", "book")


def document(number: int, after: int | None = None, **changes: Any) -> dict[str, Any]:
    """The message `number`; number 0 is the first of all, and each tenth one a snapshot."""
    before = number - 1 if after is None else after
    return {
        "_id": {"exchange": "bitfinex", "symbol": "btcusd", "number": number},
        "after": before if number else None,
        "ts_event": NOW + number,
        "is_snapshot": number % 10 == 0,
        "last_id": 100 + number,
        "bids": [["100", f"{number + 1}", 2]],
        "asks": [],
    } | changes


def told(outcomes: Sequence[BookOutcome]) -> list[Any]:
    """Per record the number that its level says, or the bounds of a gap."""
    numbers, found = 0, []
    for outcome in outcomes:
        for one in outcome.messages:
            batch = decode_any(one.payload)
            assert isinstance(batch, BookBatch)
            assert batch.number == one.number == numbers
            assert (batch.feed, one.records) == (FEED, len(batch.records))
            numbers += 1
            for row in rows_of(batch.records):
                found.append(row["gap"] or int(row["levels"][0][2]) - 1)
    return found


def taken(*batches: Sequence[dict[str, Any]]) -> list[BookOutcome]:
    """What becomes of batches, one after the other."""
    outcomes: list[BookOutcome] = []
    numbers: Any = {}
    places: Any = {}
    for batch in batches:
        made = to_book_messages(batch, ["market.book"] * len(batch), numbers, places)
        numbers, places = made.numbers, made.places
        outcomes.append(made)
    return outcomes


@given(st.lists(st.integers(1, 20), max_size=8), st.integers(0, 20))
def test_what_comes_again_is_dropped_whatever_the_batches_are(sizes: list[int], again: int) -> None:
    documents = [document(number) for number in range(60)]
    batches, at = [], 0
    for size in [*sizes, 60]:
        batches.append(documents[max(0, at - again) : at + size])
        at += size

    outcomes = taken(*batches)

    assert told(outcomes) == list(range(60))
    assert sum(each.repeats for each in outcomes) == sum(map(len, batches)) - 60


@pytest.mark.parametrize("cut", [1, 4, 5, 6])
def test_a_missing_document_is_a_gap_before_the_next_one(cut: int) -> None:
    documents = [document(number) for number in range(8) if number != 4]

    found = told(taken(documents[:cut], documents[cut:]))

    assert found == [0, 1, 2, 3, (104, 104, NOW + 3), 5, 6, 7]


def test_a_bad_document_is_a_letter_and_a_gap() -> None:
    bad = document(2, bids=[["100", "-1", 2]])

    [made] = outcomes = taken([document(0), document(1), bad, document(3)])

    assert told(outcomes) == [0, 1, (102, 102, NOW + 1), 3]
    [letter] = made.letters
    assert (letter.reason, letter.document) == ("negative_size", bad)


def test_a_start_with_other_numbers_is_no_gap_and_a_lost_one_is() -> None:
    follows = [document(500, after=1), document(501)]
    restored = [document(900, after=1), document(901)]  # of an older copy of the collection

    found = told(taken([document(0), document(1)], follows, restored))

    assert found == [0, 1, 500, 501, (602, 999, NOW + 501), 900, 901]


def test_what_an_older_collector_still_writes_does_not_mix() -> None:
    newer = [document(500, after=1), document(501)]

    found = told(taken([document(0), document(1)], [newer[0], document(2), newer[1], document(3)]))

    assert found == [0, 1, 500, 501]


def test_the_first_that_is_there_may_be_in_the_middle() -> None:
    assert told(taken([document(7), document(8)])) == [7, 8]


def event(operation: str, collection: str, after: Any = None) -> dict[str, Any]:
    return {
        "operationType": operation,
        "ns": {"db": "market", "coll": collection},
        "documentKey": {"_id": 1},
        "fullDocument": after,
    }


def test_changes_are_letters_and_deletions_are_nothing() -> None:
    events = [
        event("insert", "book", document(0)),
        event("insert", "trades", {"_id": 1}),
        event("update", "book", document(0)),
        event("delete", "book"),
    ]

    others, about = split_books(events, frozenset({"market.book"}))
    documents, collections, letters = changed_books(about)

    assert others == [events[1]]
    assert (documents, collections) == ([document(0)], ["market.book"])
    assert [(one.reason, one.collection) for one in letters] == [("book_changed", "market.book")]


def test_no_message_is_larger_than_a_broker_takes() -> None:
    level = ["1." + "123456789" * 3, "2." + "987654321" * 3, 5]
    documents = [document(number, bids=[level] * 400) for number in range(300)]

    [made] = taken(documents)

    assert len(made.messages) > 1
    assert sum(one.records for one in made.messages) == 300
    assert max(len(one.payload) for one in made.messages) <= listener_messages.MAX_BYTES
    assert [one.number for one in made.messages] == list(range(len(made.messages)))


def test_the_largest_document_is_one_message_that_a_broker_takes() -> None:
    level = ["1234.5678901", "0.1234567890123456", 2**62]

    [made] = taken([document(0, bids=[level] * MAX_LEVELS)])

    assert not made.letters
    [only] = made.messages
    assert len(only.payload) <= listener_messages.MAX_BYTES


def test_a_state_with_books_comes_back_and_one_without_is_as_before() -> None:
    places = {FEED: BookPlace(5, NOW, -1)}
    state = ListenerState(numbers={FEED: 3}, books=places)

    assert decode_state(encode_state(state)) == state
    assert encode_state(ListenerState()).startswith(b"\x97\x01")
    with pytest.raises(FormatError):
        decode_state(encode_state(state).replace(b"\x98\x02", b"\x98\x01", 1))


async def test_a_dry_run_shows_what_becomes_of_the_first_and_the_last(mongodb: Any) -> None:
    name = f"x{secrets.token_hex(6)}"
    async with connected(mongodb.uri) as client:
        bad = document(2, bids=[["NaN", "1", 1]])
        await client[name]["book"].insert_many([document(0), document(1), bad, document(3)])

        look = await preview(client, f"{name}.book", FieldMap.parse(""), [f"{name}.book"])

    assert (look.looked_at, dict(look.feeds)) == (4, {"bitfinex/btcusd/book": 3})
    common = {"feed": "bitfinex/btcusd/book", "levels": 1}
    assert look.first == common | {"ts_event": NOW, "number": 0, "is_snapshot": True}
    assert look.last == common | {"ts_event": NOW + 3, "number": 3, "is_snapshot": False}
    assert dict(look.rejected) == {"bad_price": 1}


@pytest.mark.timeout(240)
def test_a_listener_that_is_killed_takes_each_message_once_and_letters_go_out_beside(
    mongodb: Any, kafka: Any, tmp_path: Path
) -> None:
    name = f"x{secrets.token_hex(6)}"
    names = {"exchange": name, "symbol": "btcusd"}
    documents = [document(n) | {"_id": {**names, "number": n}} for n in range(300)]
    documents[150]["bids"] = [["NaN", "1", 1]]
    topic = Topic(kafka.bootstrap, f"tradercast.{name}.book")
    dead = Topic(kafka.bootstrap, "tradercast.dead-letters")
    with mongodb.client() as client:
        collection = client[name]["book"]
        collection.insert_many(documents[:100])
        made = ListenerProcess(
            tmp_path, mongodb.uri, kafka.bootstrap, name, "--book-collections", f"{name}.book"
        )
        with made as listener:
            topic.wait_for_values(1)
            collection.insert_many(documents[100:200])
            listener.kill()
            listener.start()
            collection.insert_many(documents[200:])
            records: list[Any] = []
            taken_in = 0
            while len(records) < 300:
                topic.wait_for_values(taken_in + 1)
                for value in topic.values[taken_in:]:
                    batch = decode_any(value)
                    assert isinstance(batch, BookBatch)
                    assert batch.number == taken_in
                    taken_in += 1
                    records += rows_of(batch.records)
            assert not topic.poll(1.0)
            letters = [json.loads(one) for one in dead.wait_for_values(1)]
            assert listener.stop() < 10
    topic.close()
    dead.close()

    found = [row["gap"] or int(row["levels"][0][2]) - 1 for row in records]
    assert found == [*range(150), (250, 250, NOW + 149), *range(151, 300)]
    mine = [one for one in letters if one["collection"] == f"{name}.book"]
    assert [one["reason"] for one in mine] == ["bad_price"]


def test_a_listener_of_books_alone_looks_at_no_trades(mongo_database: Any, tmp_path: Path) -> None:
    mongo_database["book"].insert_many([document(number) for number in range(3)])
    mongo_database["trades"].insert_one({"symbol": "btcusd"})
    uri = f"mongodb://{mongo_database.client.address[0]}:{mongo_database.client.address[1]}"
    common = ("listener", "--mongo", f"{uri}/{mongo_database.name}", "--dry-run", "--no-trades")

    with machine(tmp_path) as node:
        [line] = node.run(*common, "--book-collections", "book")
        error = node.fails(2, *common)

    assert line["collection"] == f"{mongo_database.name}.book"
    assert "--book-collections" in error["message"]
