"""Books into a real MongoDB: a document a message, in their order, each once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.commands import Command, Machine, machine, wait_until
from support.exchange import T0_MS, FakeExchange
from support.servers import locations
from support.servers.replica_set import ReplicaSet

if TYPE_CHECKING:
    from pymongo.database import Database
    from support.servers.addresses import MongoAddress

Document = dict[str, Any]
START = (("10", 2, "1.5"), ("9", 1, "3"), ("11", 4, "-2"))
# A retry begins after the server has said nothing for a while.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "node") as made:
        yield made


@pytest.fixture(scope="module")
def single() -> Iterator[ReplicaSet]:
    """A set of one process, to be made to fail."""
    try:
        locations.mongod()
    except locations.MissingServerError as error:
        pytest.skip(str(error))
    with ReplicaSet(1) as started:
        yield started


def collect(
    node: Machine, bitfinex: FakeExchange, uri: str, database: str, *more: str, channels: str
) -> Command:
    before, _, options = uri.partition("/?")
    return node.start(
        *("collect", "bitfinex", "btcusd", "--channels", channels, "--url", bitfinex.url),
        *("--to", f"{before}/{database}?{options}", *more),
    )


def stop(running: Command) -> Document:
    running.signal(signal.SIGTERM)
    return running.result(0, 10)[-1]


def book(collection: Any) -> list[Document]:
    """In the order of their numbers, which is that of the commits."""
    found = list(collection.find().sort("_id", 1))
    assert found == list(collection.find().sort("$natural", 1))
    return found


def kinds(documents: list[Document]) -> str:
    """``S`` a snapshot, ``.`` changes, ``c`` a checksum, ``|`` a gap."""
    return "".join(
        "|" if "gap" in one else "S" if one["is_snapshot"] else "c" if "checksum" in one else "."
        for one in documents
    )


def test_a_message_is_a_document_with_exact_values(
    node: Machine,
    bitfinex: FakeExchange,
    mongodb: MongoAddress,
    mongo_database: Database[Document],
) -> None:
    bitfinex.levels("tBTCUSD", *START)
    running = collect(node, bitfinex, mongodb.uri, mongo_database.name, channels="trades,book")
    bitfinex.wait("subscribed", channel="book")
    bitfinex.levels("tBTCUSD", ("11.50", 1, "-1e-7"), ("10", 0, "1"))
    bitfinex.trade("tBTCUSD", 1, "0.5", "11")
    wait_until(lambda: mongo_database["book"].count_documents({}) == 6)
    wait_until(lambda: mongo_database["trades"].count_documents({}) == 1)
    ended = stop(running)

    found = book(mongo_database["book"])
    assert kinds(found) == "Sc.c.c"
    first = found[0]["_id"]["number"]
    change = found[2]
    assert 0 <= change.pop("ts_recv") % 1_000 == 0
    sequence = change["last_id"]
    assert change == {
        "_id": {"exchange": "bitfinex", "symbol": "btcusd", "number": first + 2},
        "after": first + 1,
        "native_symbol": "tBTCUSD",
        "ts_event": (T0_MS + sequence) * 10**6,
        "is_snapshot": False,
        "last_id": sequence,
        "bids": [],
        "asks": [["11.50", "0.0000001", 1]],
    }
    assert found[0]["after"] is None
    assert found[0]["bids"] == [["10", "1.5", 2], ["9", "3", 1]]
    assert isinstance(found[1]["checksum"], int)
    assert found[4]["bids"] == [["10", "0", 0]]
    assert ended["books"] == {"btcusd": 6}


def test_a_restart_goes_on_behind_a_gap(
    node: Machine,
    bitfinex: FakeExchange,
    mongodb: MongoAddress,
    mongo_database: Database[Document],
) -> None:
    bitfinex.levels("tBTCUSD", *START)
    collection = mongo_database["l2"]
    more = ("--book-collection", "l2")
    name = mongo_database.name
    running = collect(node, bitfinex, mongodb.uri, name, *more, channels="book")
    wait_until(lambda: collection.count_documents({}) == 2)
    running.kill()
    bitfinex.levels("tBTCUSD", ("10", 1, "7"), heard=False)

    running = collect(node, bitfinex, mongodb.uri, name, *more, channels="book")
    wait_until(lambda: collection.count_documents({}) == 5)
    stop(running)

    found = book(collection)
    assert kinds(found) == "Sc|Sc"
    numbers = [one["_id"]["number"] for one in found]
    assert [one["after"] for one in found] == [None, *numbers[:-1]]
    assert numbers[2] > numbers[1] + 1  # a start never takes a number that was there before
    last = found[1]["last_id"]
    assert found[2]["gap"] == {
        "first": last + 1,
        "last": last + 1,
        "ts_before": found[1]["ts_event"],
    }
    assert found[3]["bids"] == [["10", "7", 1], ["9", "3", 1]]
    assert "trades" not in mongo_database.list_collection_names()


FAILURES = {
    "connections are closed": {"closeConnection": True},
    "a majority does not acknowledge": {
        "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}
    },
}


@pytest.mark.parametrize("failure", FAILURES)
def test_writes_that_fail_are_made_again_in_the_same_order(
    node: Machine, bitfinex: FakeExchange, single: ReplicaSet, failure: str
) -> None:
    name = failure.replace(" ", "_")
    bitfinex.levels("tBTCUSD", *START)
    with single.client() as client:
        collection = client[name]["book"]
        running = collect(node, bitfinex, single.uri, name, channels="book")
        wait_until(lambda: collection.count_documents({}) == 2)
        with single.primary.fail_point(
            mode={"times": 2},
            failCommands=["insert"],
            appName="tradercast-collect",
            **FAILURES[failure],
        ):
            for at in range(100, 600, 100):
                bitfinex.levels("tBTCUSD", *(("11", 1, f"-{at + n}") for n in range(100)))
            wait_until(lambda: collection.count_documents({}) == 1_002, 60)
        stop(running)
        found = book(collection)

    assert kinds(found) == "Sc" + 500 * ".c"
    assert [one["asks"][0][1] for one in found[2::2]] == [f"{n}" for n in range(100, 600)]
    assert "is away" in running.stderr


def test_two_that_write_one_book_with_the_same_numbers_do_not_mix(
    node: Machine, bitfinex: FakeExchange, single: ReplicaSet
) -> None:
    bitfinex.levels("tBTCUSD", *START)
    with single.client() as client:
        collection = client["mixed"]["book"]
        running = collect(node, bitfinex, single.uri, "mixed", channels="book")
        wait_until(lambda: collection.count_documents({}) == 2)
        last = book(collection)[-1]["_id"]
        collection.insert_one({"_id": {**last, "number": last["number"] + 2}, "ts_event": 1})
        bitfinex.levels("tBTCUSD", ("9", 0, "1"))

        error = running.error(3)

    assert error["code"] == "SERVICE"
    assert "another collector writes the book of btcusd" in error["message"]
