"""The whole chain while its parts are killed and frozen: nothing lost, nothing twice.

Every test ends with the one check of `support.ledger`.  The short forms run everywhere; the long
ones, with 20 kills of each part and 30 s of silence, under ``make test-faults``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chain import Chain, chain_of, chain_servers, frozen
from support.listening import inserting
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
        made.listener.start()
        made.feeder.start()
        yield made


def kill_listener(chain: Chain) -> None:
    chain.listener.kill()
    chain.listener.start()


def kill_feeder(chain: Chain) -> None:
    chain.feeder.kill()
    chain.feeder.start()


def kill_sidecar(chain: Chain) -> None:
    chain.feeder.node.kill_sidecar()


def kill_mongod(chain: Chain) -> None:
    member = chain.mongodb.primary
    member.kill()
    member.start()


def kill_broker(chain: Chain) -> None:
    chain.kafka.kill()
    chain.kafka.start()


KILLS = {
    "listener": kill_listener,
    "feeder": kill_feeder,
    "sidecar": kill_sidecar,
    "mongod": kill_mongod,
    "broker": kill_broker,
}


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=LONG)])
@pytest.mark.parametrize("victim", KILLS)
def test_killed_at_random_moments(chain: Chain, victim: str, kills: int) -> None:
    rng = random.Random(f"{victim} {kills}")
    with inserting(chain.mongodb.uri, chain.name) as inserter:
        for _ in range(kills):
            time.sleep(rng.uniform(0.1, 2.0))
            KILLS[victim](chain)
        time.sleep(0.5)
        acked = inserter.finish()

    assert len(acked) > 100
    chain.check(acked)


def pid_of(chain: Chain, victim: str) -> int:
    if victim == "sidecar":
        process = chain.feeder.node.sidecar()
        assert process is not None
        return process.pid
    return {
        "listener": lambda: chain.listener.pid,
        "feeder": lambda: chain.feeder.running.pid,
        "mongod": lambda: chain.mongodb.primary.pid,
        "broker": lambda: chain.kafka.pid,
    }[victim]()


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=LONG)])
@pytest.mark.parametrize("victim", KILLS)
def test_frozen_for_a_while(chain: Chain, victim: str, seconds: float) -> None:
    with inserting(chain.mongodb.uri, chain.name) as inserter:
        time.sleep(1)
        with frozen(pid_of(chain, victim)):
            time.sleep(seconds)
        time.sleep(1)
        acked = inserter.finish()

    chain.check(acked)
