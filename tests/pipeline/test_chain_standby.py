"""The whole chain: a standby, a step-down, retention, a topic that is deleted, a full disk."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from support.chain import PARTITIONS, Chain, FeederNode, chain_of
from support.commands import machine
from support.disks import MIB, disk
from support.feeders import copy_identity
from support.listening import document, inserting

LONG = [pytest.mark.slow, pytest.mark.timeout(1_800)]
pytestmark = [pytest.mark.timeout(300), pytest.mark.faults]


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


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=LONG)])
def test_the_primary_of_three_members_steps_down(
    replica_sets: Any, kafka: Any, tmp_path: Path, request: pytest.FixtureRequest, times: int
) -> None:
    rng = random.Random(times)
    mongodb = replica_sets(3)
    with chain_of(mongodb, kafka, tmp_path, request.node.nodeid) as chain:
        chain.listener.start()
        chain.feeder.start()
        with inserting(mongodb.uri, chain.name) as inserter:
            for _ in range(times):
                time.sleep(rng.uniform(1.0, 4.0))
                mongodb.step_down()
            time.sleep(1)
            acked = inserter.finish()

        chain.check(acked)


def test_what_retention_took_is_given_up_by_one_feeder_and_the_other_is_given_the_gap(
    chain: Chain,
) -> None:
    def insert(keys: range) -> set[str]:
        return chain.insert([document(chain.name, key, symbol="btcusd") for key in keys])

    feed = f"{chain.name}/btcusd"
    chain.listener.start()
    first = chain.feeder
    first.start()
    acked = insert(range(300))
    before = chain.topic.wait_for_ids(acked, chain.listener.log)
    first.reaches(before)
    with machine(chain.folder / "standby") as node:
        copy_identity(first.node, node)
        second = FeederNode(node, first.bootstrap, first.topic)
        second.start("--siblings", first.running.peer).reaches(before[-1].number, before[-1].feed)
        for one in (first, second):
            one.stop()
        lost = insert(range(300, 600))
        gone = chain.topic.wait_for_ids(acked | lost, chain.listener.log)[len(before) :]
        for partition in range(PARTITIONS):
            chain.kafka.topics.expire(first.topic, partition)
        chain.kafka.topics.configure(first.topic, retention_ms=-1)
        acked |= insert(range(600, 900))
        seen = chain.topic.wait_for_ids(acked, chain.listener.log)
        kept = [*before, *seen[len(before) + len(gone) :]]

        error = first.start("--catch-up", "1s").error(6)
        first.start("--catch-up", "1s", "--accept-gap", feed)
        # the other one gets the gap from the first, without being told
        second.start("--siblings", first.running.peer)

        chain.check_messages(acked, kept, other=second)
        gaps = [chain.read(kept, one).gaps[f"{feed}/trades"] for one in (first, second)]

    assert error["code"] == "SOURCE_HOLE"
    missing = (gone[0].number, gone[-1].number)
    assert f"messages {missing[0]} to {missing[1]} of {feed}/trades are missing" in error["message"]
    assert gaps == [[(300, *missing)]] * 2


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
