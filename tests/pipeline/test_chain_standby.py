"""A standby, a snapshot that is cut off, a topic that is deleted, a full disk: the whole chain."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chain import Chain, FeederNode, chain_of, chain_servers
from support.commands import machine
from support.disks import MIB, disk
from support.feeders import copy_identity
from support.listening import document, inserting
from support.servers.kafka import KafkaBroker
from support.servers.replica_set import ReplicaSet

LONG = [pytest.mark.slow, pytest.mark.timeout(1_800)]
pytestmark = [pytest.mark.timeout(300), pytest.mark.faults]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ReplicaSet, KafkaBroker]]:
    with chain_servers() as started:
        yield started


@pytest.fixture
def chain(
    servers: tuple[ReplicaSet, KafkaBroker], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Chain]:
    with chain_of(*servers, tmp_path, request.node.nodeid) as made:
        yield made


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=LONG)])
def test_two_feeders_of_which_either_is_killed(chain: Chain, kills: int) -> None:
    rng = random.Random(kills)
    chain.listener.start()
    first = chain.feeder
    first.start()
    acked = chain.insert(chain.documents(range(1_000_000, 1_000_030)))
    first.reaches(chain.topic.wait_for_ids(acked, chain.listener.log))
    with machine(chain.folder / "standby") as node:
        copy_identity(first.node, node)
        second = FeederNode(node, first.bootstrap, first.topic)
        second.start("--siblings", first.running.peer)
        pair = [first, second]
        with inserting(chain.mongodb.uri, chain.name) as inserter:
            for _ in range(kills):
                time.sleep(rng.uniform(0.1, 2.0))
                which = rng.randrange(2)
                pair[which].kill_all()
                pair[which].start("--siblings", pair[1 - which].running.peer)
            acked |= inserter.finish()

        chain.check(acked, other=second)
        for one in pair:
            assert not list((one.node.data_dir / "incidents").iterdir())


@pytest.mark.parametrize("count", [30_000, pytest.param(2_000_000, marks=LONG)])
def test_a_snapshot_under_inserts_that_is_killed_in_the_middle(chain: Chain, count: int) -> None:
    there: set[str] = set()
    with chain.mongodb.client(w=1) as client:
        for at in range(0, count, 10_000):
            documents = [document(chain.name, key) for key in range(at, at + 10_000)]
            client[chain.name]["trades"].insert_many(documents, ordered=False)
            there |= {one["trade_id"] for one in documents}
    chain.feeder.start()
    with inserting(chain.mongodb.uri, chain.name, first=10_000_000) as inserter:
        for _ in range(2):
            before = len(chain.topic.values)
            chain.listener.start()
            while len(chain.topic.values) <= before:
                chain.topic.poll(0.05)
            chain.listener.kill()
        chain.listener.start()
        time.sleep(1)
        acked = there | inserter.finish()

    chain.check(acked)


def test_a_topic_that_is_deleted_and_made_again_costs_what_was_in_it_and_is_told(
    chain: Chain,
) -> None:
    chain.listener.start()
    feeding = chain.feeder.start()
    acked = chain.insert(chain.documents(range(300)))
    before = chain.topic.wait_for_ids(acked, chain.listener.log)
    chain.feeder.reaches(before)
    assert chain.listener.stop() < 10

    chain.kafka.topics.delete(chain.feeder.topic)
    error = feeding.error(3, 90)
    chain.kafka.topics.create(chain.feeder.topic, 2)
    chain.listener.start()
    chain.feeder.start()
    more = chain.insert(chain.documents(range(300, 600)))
    with chain.topic_again() as topic:
        messages = [*before, *topic.wait_for_ids(more, chain.listener.log)]
    chain.check_messages(acked | more, messages)

    assert error["code"] == "SERVICE"
    assert chain.feeder.topic in error["message"]


def test_a_full_disk_stops_the_feeder_and_costs_nothing(chain: Chain) -> None:
    chain.listener.start()
    # Only the data is on the small disk: what the command says goes elsewhere.
    root = chain.folder / "small"
    with disk(root / "data", 320 * MIB) as small, machine(root) as node:
        feeder = FeederNode(node, chain.feeder.bootstrap, chain.feeder.topic)
        chain.feeder = feeder
        feeder.start()
        acked = chain.insert(chain.documents(range(300)))
        feeder.reaches(chain.topic.wait_for_ids(acked, chain.listener.log))
        small.fill()
        acked |= chain.insert(chain.documents(range(300, 30_000)))
        error = feeder.running.error(3, 90)
        (small.root / "fill").unlink()
        feeder.node.rest(30)

        feeder.start()
        chain.check(acked)

    assert error["code"] == "DISK_FULL"
