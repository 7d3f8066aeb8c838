"""Collecting into a real MongoDB: every trade one document, whatever happens to the database."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.commands import Command, Machine, machine, wait_until
from support.exchange import T0_MS, FakeExchange, row
from support.servers import locations
from support.servers.replica_set import ReplicaSet

if TYPE_CHECKING:
    from pymongo.database import Database
    from support.servers.addresses import MongoAddress

Document = dict[str, Any]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "node") as made:
        yield made


def uri_of(uri: str, database: str) -> str:
    """The address of a set, with a database."""
    before, _, options = uri.partition("/?")
    return f"{before}/{database}?{options}"


def collect(node: Machine, bitfinex: FakeExchange, uri: str, *symbols: str, **more: str) -> Command:
    options = [part for name, value in more.items() for part in (f"--{name}", value)]
    running = node.start(
        *("collect", "bitfinex", *symbols, "--to", uri, "--url", bitfinex.url, *options)
    )
    for _ in symbols:
        running.event("subscribed")
    return running


def stop(running: Command) -> dict[str, Any]:
    running.signal(signal.SIGTERM)
    return running.result(0, 10)[-1]


def ids(collection: Any, symbol: str = "btcusd") -> list[int]:
    """In the order of inserting."""
    return [int(each["trade_id"]) for each in collection.find({"symbol": symbol}).sort("$natural")]


def test_a_trade_is_a_document_with_exact_values(
    node: Machine,
    bitfinex: FakeExchange,
    mongodb: MongoAddress,
    mongo_database: Database[Document],
) -> None:
    bitfinex.trades("tAVAX:USD", [row(7, "-1e-7", "35.10")], heard=False)

    running = collect(node, bitfinex, uri_of(mongodb.uri, mongo_database.name), "avaxusd", "btcusd")
    bitfinex.trade("tBTCUSD", 8, "0.123456789012345678", "67012.1", kinds=["te", "tu", "te"])
    wait_until(lambda: mongo_database["trades"].count_documents({}) == 2)
    last = stop(running)

    found = {each.pop("symbol"): each for each in mongo_database["trades"].find({}, {"_id": 0})}
    received = found["btcusd"].pop("ts_recv")
    assert found == {
        "avaxusd": {
            "exchange": "bitfinex",
            "native_symbol": "tAVAX:USD",
            "trade_id": "7",
            "ts_event": (T0_MS + 7) * 10**6,
            "side": "sell",
            "price": "35.1",
            "size": "0.0000001",
        },
        "btcusd": {
            "exchange": "bitfinex",
            "native_symbol": "tBTCUSD",
            "trade_id": "8",
            "ts_event": (T0_MS + 8) * 10**6,
            "side": "buy",
            "price": "67012.1",
            "size": "0.123456789012345678",
        },
    }
    assert received % 1_000 == 0
    types = mongo_database["trades"].aggregate(
        [
            {"$sort": {"symbol": -1}},
            {"$project": {"e": {"$type": "$ts_event"}, "r": {"$type": "$ts_recv"}, "_id": 0}},
        ]
    )
    # What was told after it happened, with the subscription, was not received then.
    assert list(types) == [{"e": "long", "r": "long"}, {"e": "long", "r": "missing"}]
    [index] = [
        each
        for each in mongo_database["trades"].index_information().values()
        if each["key"] == [("exchange", 1), ("symbol", 1), ("trade_id", 1)]
    ]
    assert index["unique"] is True
    assert last["written"] == {"avaxusd": 1, "btcusd": 1}


def test_what_is_there_is_not_written_again(
    node: Machine,
    bitfinex: FakeExchange,
    mongodb: MongoAddress,
    mongo_database: Database[Document],
) -> None:
    uri = uri_of(mongodb.uri, mongo_database.name)
    fills = mongo_database["fills"]
    bitfinex.trades("tBTCUSD", [row(n, "1", f"{n}") for n in range(1, 11)], heard=False)
    running = collect(node, bitfinex, uri, "btcusd", collection="fills")
    wait_until(lambda: len(ids(fills)) == 10)
    running.kill()
    # Somebody else wrote some of the next ones, so that they are duplicates to the index only.
    bitfinex.trades("tBTCUSD", [row(n, "1", f"{n}") for n in range(11, 21)], heard=False)
    names = {"exchange": "bitfinex", "symbol": "btcusd"}
    fills.insert_many([{**names, "trade_id": str(n)} for n in (12, 13, 17, 20)])

    running = collect(node, bitfinex, uri, "btcusd", collection="fills")
    wait_until(lambda: len(ids(fills)) == 20)
    stop(running)

    assert sorted(ids(fills)) == list(range(1, 21))
    assert ids(fills) == [*range(1, 11), 12, 13, 17, 20, 11, 14, 15, 16, 18, 19]


class Trading(threading.Thread):
    """Trades go on until it is told to stop."""

    def __init__(self, bitfinex: FakeExchange) -> None:
        super().__init__()
        self.bitfinex = bitfinex
        self.number = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.002):
            self.number += 1
            self.bitfinex.trade("tBTCUSD", self.number, "1", f"{self.number}")


@contextlib.contextmanager
def trading(bitfinex: FakeExchange) -> Iterator[Trading]:
    thread = Trading(bitfinex)
    thread.start()
    try:
        yield thread
    finally:
        thread.over.set()
        thread.join()


def goes_on(collection: Any, trades: Trading) -> None:
    """Wait until trades that happen from now on are written."""
    wanted = trades.number + 5
    wait_until(lambda: collection.find_one({"trade_id": str(wanted)}) is not None, 60)


def own_set(members: int) -> Iterator[ReplicaSet]:
    try:
        locations.mongod()
    except locations.MissingServerError as error:
        pytest.skip(str(error))
    with ReplicaSet(members) as started:
        yield started


@pytest.fixture(scope="module")
def single() -> Iterator[ReplicaSet]:
    """A set of one process, to be frozen and made to fail."""
    yield from own_set(1)


@pytest.fixture(scope="module")
def three() -> Iterator[ReplicaSet]:
    """A set of three, one of which may be killed."""
    yield from own_set(3)


@pytest.mark.parametrize("fault", ["paused", "stepped_down", "killed"])
def test_a_primary_that_goes_away_costs_no_trade(
    node: Machine, bitfinex: FakeExchange, three: ReplicaSet, fault: str
) -> None:
    servers = three
    uri = uri_of(servers.uri, fault)
    with servers.client(serverSelectionTimeoutMS=30_000) as client:
        collection = client[fault]["trades"]
        running = collect(node, bitfinex, uri, "btcusd")
        with trading(bitfinex) as trades:
            goes_on(collection, trades)
            primary = servers.primary
            if fault == "killed":
                primary.kill()
            elif fault == "paused":
                primary.pause()
                servers.wait_for_primary(other_than=primary)
            else:
                servers.step_down()
            goes_on(collection, trades)
            if fault == "paused":
                primary.resume()
            goes_on(collection, trades)
        wait_until(lambda: collection.find_one({"trade_id": str(trades.number)}) is not None)
        last = stop(running)
        found = ids(collection)
        # The order in which a majority has them; where they lie on a new primary means nothing.
        oplog = client["local"]["oplog.rs"].find({"op": "i", "ns": f"{fault}.trades"})
        committed = [int(each["o"]["trade_id"]) for each in oplog.sort("$natural", 1)]

    assert sorted(found) == list(range(1, trades.number + 1))
    assert committed == list(range(1, trades.number + 1))
    assert last["written"] == {"btcusd": trades.number}


def test_it_ends_in_time_while_the_database_is_frozen_and_tells_what_is_lost(
    node: Machine, bitfinex: FakeExchange, single: ReplicaSet
) -> None:
    servers = single
    running = collect(node, bitfinex, uri_of(servers.uri, "frozen"), "btcusd", "ethusd")
    bitfinex.trade("tBTCUSD", 1, "1", "1")
    with servers.client() as client:
        wait_until(lambda: client["frozen"]["trades"].count_documents({}) == 1)
    primary = servers.primary
    primary.pause()
    bitfinex.trades("tBTCUSD", [row(n, "1", f"{n}") for n in range(2, 9)])
    time.sleep(1)

    running.signal(signal.SIGTERM)
    began = time.monotonic()
    lines = running.result(3, 20)
    took = time.monotonic() - began
    primary.resume()

    assert took < 10
    [collected] = [line for line in lines if line.get("event") == "collected"]
    assert (collected["written"], collected["lost"]) == (
        {"btcusd": 1, "ethusd": 0},
        {"btcusd": 7},
    )
    assert lines[-1]["error"]["code"] == "INCOMPLETE"
    assert "7 of btcusd" in lines[-1]["error"]["message"]


FAILURES = {
    "connections are closed": {"closeConnection": True},
    "not primary": {"errorCode": 10107},
    "a majority does not acknowledge": {
        "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}
    },
    "it is shutting down": {"errorCode": 91, "errorLabels": ["RetryableWriteError"]},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_writes_that_fail_are_made_again(
    node: Machine, bitfinex: FakeExchange, single: ReplicaSet, failure: str
) -> None:
    servers, name = single, failure.replace(" ", "_")
    with servers.client() as client:
        collection = client[name]["trades"]
        running = collect(node, bitfinex, uri_of(servers.uri, name), "btcusd")
        with servers.primary.fail_point(
            mode={"times": 2},
            failCommands=["insert"],
            appName="tradercast-collect",
            **FAILURES[failure],
        ):
            rows = [row(n, "1", f"{n}") for n in range(1, 3_001)]
            for at in range(0, 3_000, 500):
                bitfinex.trades("tBTCUSD", rows[at : at + 500])
            wait_until(lambda: collection.count_documents({}) == 3_000, 60)
        stop(running)
        assert ids(collection) == list(range(1, 3_001))

    assert "is away" in running.stderr


def test_a_database_that_refuses_is_an_error(
    node: Machine, bitfinex: FakeExchange, single: ReplicaSet
) -> None:
    servers = single
    with servers.client() as client:
        client["refusing"].create_collection("trades", validator={"price": {"$type": "double"}})
    running = collect(node, bitfinex, uri_of(servers.uri, "refusing"), "btcusd")
    bitfinex.trade("tBTCUSD", 1, "1", "1")

    error = running.error(3)

    assert error["code"] == "SERVICE"
    assert "refuses a document" in error["message"]


def test_a_database_that_is_not_there(node: Machine, bitfinex: FakeExchange) -> None:
    address = "mongodb://user:secret@127.0.0.1:9/market?serverSelectionTimeoutMS=200"

    running = node.start("collect", "bitfinex", "btcusd", "--to", address, "--url", bitfinex.url)
    error = running.error(3)

    assert error["code"] == "SERVICE"
    assert "secret" not in json.dumps(error) + running.stderr


def test_it_tells_of_itself(
    node: Machine,
    bitfinex: FakeExchange,
    mongodb: MongoAddress,
    mongo_database: Database[Document],
) -> None:
    uri = uri_of(mongodb.uri, mongo_database.name)
    running = node.start(
        *("collect", "bitfinex", "btcusd", "--to", uri, "--url", bitfinex.url),
        *("--metrics", "127.0.0.1:0", "--log-format", "json"),
    )
    at = running.event("metrics")["address"]
    running.event("subscribed")
    bitfinex.trade("tBTCUSD", 1, "1", "1")
    wait_until(lambda: readings(at)["tradercast_collect_written_total"] == 1)
    well = readings(at)
    bitfinex.do("deny", status=503)
    bitfinex.do("abort")
    running.event("disconnected")
    with pytest.raises(urllib.error.HTTPError, match="503") as ill:
        urllib.request.urlopen(f"http://{at}/health")
    stop(running)

    assert well["tradercast_collect_taken_total"] == 1
    assert well["tradercast_collect_repeated_total"] == 1
    assert well["tradercast_collect_lag_records"] == 0
    assert well["tradercast_collect_durable_timestamp_seconds"] > 1.7e9
    assert "btcusd" in json.loads(ill.value.read())["trouble"]
    ill.value.close()
    logged = [json.loads(line) for line in running.stderr.splitlines()]
    assert any("next try" in line["message"] for line in logged if line["level"] == "warning")


def readings(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text = answer.read().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
