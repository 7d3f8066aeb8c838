"""The listener on a real MongoDB and a real Kafka: what was acknowledged is in Kafka once."""

from __future__ import annotations

import json
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from confluent_kafka import Producer
from support.commands import wait_until
from support.listening import (
    SYMBOLS,
    ListenerProcess,
    Topic,
    check,
    document,
    ids_of,
    inserting,
)
from support.servers import locations
from support.servers.kafka import KafkaBroker
from support.servers.ports import PortLease
from support.servers.replica_set import ReplicaSet

from tradercast.pipeline.topics import DEAD_LETTERS_TOPIC
from tradercast.records import Kind

pytestmark = pytest.mark.timeout(240)


def needed(find: Callable[[], object]) -> None:
    """Skip where a server is not installed; its own, since it is killed."""
    try:
        find()
    except locations.MissingServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def mongodb() -> Iterator[ReplicaSet]:
    needed(locations.mongod)
    with ReplicaSet() as started:
        yield started


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaBroker]:
    needed(locations.kafka)
    with KafkaBroker() as started:
        yield started


class Chain:
    """One exchange's collection, listener and topic."""

    def __init__(self, mongodb: ReplicaSet, kafka: KafkaBroker, folder: Path, name: str) -> None:
        self.mongodb, self.kafka, self.folder, self.name = mongodb, kafka, folder, name
        self.topic = Topic(kafka.bootstrap, f"tradercast.{name}.trades")
        self.listener = self.another()

    def another(self, *more: str) -> ListenerProcess:
        """A further process with the same id."""
        return ListenerProcess(
            self.folder, self.mongodb.uri, self.kafka.bootstrap, self.name, *more
        )

    def insert(self, documents: list[dict[str, Any]]) -> set[str]:
        with self.mongodb.client() as client:
            client[self.name]["trades"].insert_many(documents, ordered=False)
        return {one["trade_id"] for one in documents}

    def documents(self, keys: range) -> list[dict[str, Any]]:
        return [document(self.name, key) for key in keys]


@pytest.fixture
def chain(
    mongodb: ReplicaSet, kafka: KafkaBroker, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Chain]:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40]
    made = Chain(mongodb, kafka, tmp_path, name)
    yield made
    made.listener.close()
    made.topic.close()


def rest(seconds: float = 1.0) -> None:
    """A random while, in which anything may be under way."""
    time.sleep(random.uniform(0.1, 1.0) * seconds)


def test_a_broker_that_is_away_at_the_start_is_waited_for_and_told(chain: Chain) -> None:
    chain.kafka.kill()
    metrics = PortLease.take()
    with metrics, chain.another("--metrics", f"127.0.0.1:{metrics.number}") as listener:
        wait_until(lambda: "Kafka does not answer" in listener.log(), complaint=listener.log)
        status, said = get(metrics.number, "health")
        acked = chain.insert(chain.documents(range(100)))
        chain.kafka.start()

        check(acked, chain.topic.wait_for_ids(acked, listener.log))
        wait_until(lambda: get(metrics.number, "health")[0] == 200)

    assert status == 503
    assert "Kafka does not answer" in json.loads(said)["trouble"]
    assert listener.log().count("Kafka does not answer") == 1


def test_of_two_with_one_id_the_first_ends(chain: Chain) -> None:
    chain.listener.start()
    acked = chain.insert(chain.documents(range(100)))
    chain.topic.wait_for_ids(acked, chain.listener.log)

    with chain.another() as second, inserting(chain.mongodb.uri, chain.name, 1_000) as inserter:
        assert chain.listener.wait(60) == 3
        acked |= inserter.finish()
        messages = chain.topic.wait_for_ids(acked, second.log)

    assert '"code": "FENCED"' in chain.listener.log()
    check(acked, messages)


def test_one_that_is_fenced_by_nobody_begins_again(chain: Chain) -> None:
    chain.listener.start()
    with inserting(chain.mongodb.uri, chain.name) as inserter:
        wait_until(lambda: chain.topic.poll())
        # what Kafka does by itself to one whose transaction took too long
        config = {"bootstrap.servers": chain.kafka.bootstrap, "log_level": 0}
        Producer(
            {**config, "transactional.id": f"tradercast-listener-{chain.name}"}
        ).init_transactions(30)
        wait_until(lambda: "but none has; begun again" in chain.listener.log(), 60)
        rest()
        acked = inserter.finish()

    check(acked, chain.topic.wait_for_ids(acked, chain.listener.log))


def test_a_lost_history_is_read_again_and_says_so(chain: Chain) -> None:
    acked = chain.insert(chain.documents(range(500)))
    chain.listener.start()
    chain.topic.wait_for_ids(acked, chain.listener.log)
    assert chain.listener.stop() < 10
    before = len(chain.topic.values)
    acked |= chain.insert(chain.documents(range(500, 900)))

    once = {"times": 1}
    with chain.mongodb.primary.history_lost(mode=once, failCommands=["aggregate"]):
        chain.listener.start()
        messages = chain.topic.wait_for_ids(acked, chain.listener.log)

    assert check(acked, messages) >= 500
    assert all(message.repeats_anywhere for message in messages[before:])


def test_a_dropped_collection_is_listened_to_when_it_is_there_again(chain: Chain) -> None:
    chain.listener.start()
    acked = chain.insert(chain.documents(range(50)))
    chain.topic.wait_for_ids(acked, chain.listener.log)

    with chain.mongodb.client() as client:
        client[chain.name].drop_collection("trades")
    acked |= chain.insert(chain.documents(range(50, 100)))

    check(acked, chain.topic.wait_for_ids(acked, chain.listener.log))


def test_updates_and_deletes_are_corrections(chain: Chain) -> None:
    with chain.mongodb.client() as client:
        images = {"enabled": True}
        trades = client[chain.name].create_collection("trades", changeStreamPreAndPostImages=images)
        chain.listener.start()
        acked = chain.insert(chain.documents(range(0, 9, 3)))
        chain.topic.wait_for_ids(acked, chain.listener.log)

        trades.update_one({"trade_id": "3"}, {"$set": {"price": "1"}})
        trades.delete_one({"trade_id": "6"})
        trades.insert_one(document(chain.name, 9))
    messages = chain.topic.wait_for_ids(acked | {"9"}, chain.listener.log)

    fixes = [(fix.kind, fix.trade_id) for message in messages for fix in message.corrections]
    assert fixes == [(Kind.AMEND, "3"), (Kind.BUST, "6")]
    assert {str(message.feed) for message in messages} == {f"{chain.name}/{SYMBOLS[0]}/trades"}


def test_bad_documents_are_dead_letters_and_stop_nothing(chain: Chain) -> None:
    letters = Topic(chain.kafka.bootstrap, DEAD_LETTERS_TOPIC)
    bad: list[tuple[str, dict[str, Any]]] = [
        ("no_price", {"price": None}),
        ("bad_price", {"price": float("nan")}),
        ("bad_price", {"price": {"a": 1}}),
        ("negative_size", {"size": "-1"}),
        ("far_time", {"ts_recv": document("", 1)["ts_event"] + 10 * 365 * 86_400 * 10**9}),
        ("bad_time", {"ts_event": "yesterday"}),
        ("no_id", {"trade_id": None}),
        ("bad_name", {"symbol": "../etc"}),
    ]
    documents = [document(chain.name, key, **changes) for key, (_, changes) in enumerate(bad, 100)]
    chain.listener.start()
    good = chain.insert(chain.documents(range(50)))
    chain.topic.wait_for_ids(good, chain.listener.log)

    chain.insert(documents)
    good |= chain.insert(chain.documents(range(50, 100)))
    messages = chain.topic.wait_for_ids(good, chain.listener.log)
    while letters.poll(1.0):
        pass
    found = [json.loads(value) for value in letters.values]
    letters.close()

    mine = [one for one in found if one["collection"] == f"{chain.name}.trades"]
    assert [one["reason"] for one in mine] == [reason for reason, _ in bad]
    assert [one["document"]["_id"] for one in mine] == [one["_id"] for one in documents]
    check(good, messages)
    assert {one for message in messages for one in ids_of(message)} == good


def test_a_dry_run_shows_what_would_become_of_the_documents(chain: Chain) -> None:
    chain.insert([*chain.documents(range(3)), document(chain.name, 3, price="NaN")])

    dry = chain.another("--dry-run")
    dry.start()

    assert dry.wait(30) == 0
    [line] = [json.loads(line) for line in dry.log().splitlines()]
    assert line["documents"] == 4
    assert line["rejected"] == {"bad_price": 1}
    assert sum(line["feeds"].values()) == 3
    assert line["first"]["price"].startswith("7245")
    assert f"tradercast.{chain.name}.trades" not in chain.kafka.topics.names()


def test_it_stops_in_time_while_the_broker_is_away(
    mongodb: ReplicaSet, kafka: KafkaBroker, tmp_path: Path
) -> None:
    chain = Chain(mongodb, kafka, tmp_path, "broker-away")
    metrics = PortLease.take()
    with metrics, chain.another("--metrics", f"127.0.0.1:{metrics.number}") as listener:
        acked = chain.insert(chain.documents(range(30)))
        chain.topic.wait_for_ids(acked, listener.log)
        assert get(metrics.number, "health") == (200, ANY)
        counted = re.search(r"listener_records_total ([0-9.]+)", get(metrics.number, "metrics")[1])
        assert counted is not None
        assert float(counted[1]) >= 30  # what the stream repeats of the scan is counted too
        kafka.kill()
        chain.insert(chain.documents(range(30, 60)))

        assert listener.stop() < 10
    kafka.start()
    with chain.listener:
        acked |= {str(key) for key in range(30, 60)}
        messages = chain.topic.wait_for_ids(acked, chain.listener.log)
    chain.topic.close()

    check(acked, messages)


def get(port: int, path: str) -> tuple[int, str]:
    """An answer of the service."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
