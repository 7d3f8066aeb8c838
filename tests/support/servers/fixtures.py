"""Fixtures for tests that need MongoDB or Kafka; `tests/conftest.py` offers them to all.

Shared by the whole run, with names of each test's own:

``mongodb``, ``mongo_database``
    A replica set of one, and an empty database in it.
``kafka``, ``topic_prefix``
    A broker, and a prefix; topics whose names begin with it are deleted after the test.

Of one test, to be killed and paused at will, gone after it:

``replica_sets(members=1, …)``, ``kafka_brokers(…)``
    Start a `ReplicaSet` or a `KafkaBroker`.

The shared ones are those at ``TRADERCAST_TEST_MONGODB`` (the URI of a replica set) and
``TRADERCAST_TEST_KAFKA`` (host:port), if set. Where a server is missing, tests are skipped and
say why; in CI a skip is a failure (`tests/conftest.py`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.servers import locations

if TYPE_CHECKING:  # tests without servers do not wait for their drivers
    from pymongo.database import Database
    from support.servers.addresses import KafkaAddress, MongoAddress
    from support.servers.kafka import KafkaBroker
    from support.servers.replica_set import ReplicaSet

MONGODB = "TRADERCAST_TEST_MONGODB"
KAFKA = "TRADERCAST_TEST_KAFKA"
STARTED = pytest.StashKey["list[ReplicaSet | KafkaBroker]"]()


@pytest.fixture(scope="session")
def mongodb(request: pytest.FixtureRequest) -> Iterator[MongoAddress]:
    """A MongoDB replica set for all tests: ``uri``, ``client()``."""
    from support.servers.addresses import MongoAddress
    from support.servers.replica_set import ReplicaSet

    if uri := os.environ.get(MONGODB):
        yield MongoAddress(uri)
        return
    _need(locations.mongod, or_set=MONGODB)
    with ReplicaSet(1) as started:
        _started(request).append(started)
        yield MongoAddress(started.uri)


@pytest.fixture
def mongo_database(mongodb: MongoAddress) -> Iterator[Database[dict[str, Any]]]:
    """An empty database; dropped after the test."""
    with mongodb.client() as client:
        name = f"test_{secrets.token_hex(6)}"
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def replica_sets(request: pytest.FixtureRequest) -> Iterator[Callable[..., ReplicaSet]]:
    """Start replica sets of the test's own: ``replica_sets(3)``."""
    from support.servers.replica_set import ReplicaSet

    _need(locations.mongod)
    with contextlib.ExitStack() as stack:

        def start(members: int = 1, **options: Any) -> ReplicaSet:
            made = ReplicaSet(members, **options)
            _started(request).append(made)
            return stack.enter_context(made)

        yield start


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[KafkaAddress]:
    """A Kafka broker for all tests: ``bootstrap``, ``topics``."""
    from support.servers.addresses import KafkaAddress
    from support.servers.kafka import KafkaBroker

    if bootstrap := os.environ.get(KAFKA):
        yield KafkaAddress(bootstrap)
        return
    _need(locations.kafka, or_set=KAFKA)
    with KafkaBroker() as started:
        _started(request).append(started)
        yield KafkaAddress(started.bootstrap)


@pytest.fixture
def topic_prefix(kafka: KafkaAddress) -> Iterator[str]:
    """What a test's topics (and groups, transactional ids) begin with."""
    prefix = f"test-{secrets.token_hex(6)}."
    yield prefix
    kafka.topics.delete(*[name for name in kafka.topics.names() if name.startswith(prefix)])


@pytest.fixture
def kafka_brokers(request: pytest.FixtureRequest) -> Iterator[Callable[..., KafkaBroker]]:
    """Start brokers of the test's own, each a cluster of one: ``kafka_brokers()``."""
    from support.servers.kafka import KafkaBroker

    _need(locations.kafka)
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> KafkaBroker:
            made = KafkaBroker(**options)
            _started(request).append(made)
            return stack.enter_context(made)

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers logged last beside a failure."""
    report = yield
    if report.failed:
        for node in (item, item.session):
            for server in node.stash.get(STARTED, []):
                report.sections.append((type(server).__name__, server.log_tail()))
    return report


def _started(request: pytest.FixtureRequest) -> list[ReplicaSet | KafkaBroker]:
    """The servers of a test, or of the run, for the hook above."""
    servers: list[ReplicaSet | KafkaBroker] = request.node.stash.setdefault(STARTED, [])
    return servers


def _need(find: Callable[[], object], *, or_set: str | None = None) -> None:
    try:
        find()
    except locations.MissingServerError as error:
        reason = str(error) if or_set is None else f"{error}, or set {or_set}"
        pytest.skip(reason)
