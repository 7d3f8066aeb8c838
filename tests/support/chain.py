"""The whole chain as an operator runs it: MongoDB → listener → Kafka → feeder → peers.

::

    with chain_of(mongodb, kafka, tmp_path, "killed") as chain:
        chain.listener.start()
        chain.feeder.start()
        with inserting(mongodb.uri, chain.name) as inserter:
            chain.feeder.kill()
            chain.feeder.start()
            acked = inserter.finish()
        chain.check(acked)
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.commands import Machine, machine
from support.feeders import Feeding, start_feeder
from support.ledger import Reading, check_blocks, check_ledger, read_as_a_stranger
from support.listening import ListenerProcess, Topic, document
from support.servers import locations
from support.servers.kafka import KafkaBroker
from support.servers.replica_set import ReplicaSet

from tradercast.feeds import FeedId
from tradercast.pipeline.messages import Message

PARTITIONS = 2


@dataclass
class FeederNode:
    """A data directory and the feeder that runs on it, started and ended as often as it takes."""

    node: Machine
    bootstrap: str
    topic: str
    options: tuple[object, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    feeding: Feeding | None = None

    def start(self, *more: object) -> Feeding:
        self.node.environ |= self.environ
        self.feeding = start_feeder(self.node, self.bootstrap, self.topic, *self.options, *more)
        return self.feeding

    @property
    def running(self) -> Feeding:
        assert self.feeding is not None
        return self.feeding

    def kill(self) -> None:
        """SIGKILL the feeder; its sidecar lives on for a moment."""
        assert self.running.process.poll() is None, self.running._story("ended by itself")
        self.running.kill()

    def kill_all(self) -> None:
        """SIGKILL the feeder and its sidecar, as when the plug is pulled."""
        self.running.kill()
        self.node.kill_sidecar()

    def stop(self) -> None:
        """SIGTERM: it ends well."""
        self.running.signal(signal.SIGTERM)
        self.running.result(0, 15)

    def reaches(self, messages: Sequence[Message], timeout_s: float = 90) -> None:
        """Wait until it has made all of these durable."""
        last: dict[FeedId, int] = {}
        for message in messages:
            last[message.feed] = max(message.number, last.get(message.feed, 0))
        for feed, number in last.items():
            self.running.reaches(number, feed, timeout_s)


@dataclass
class Chain:
    """One exchange's collection, listener, topic and feeder."""

    mongodb: Any  # a ReplicaSet, or a MongoAddress where it is shared
    kafka: Any
    folder: Path
    name: str
    listener: ListenerProcess
    topic: Topic
    feeder: FeederNode
    readings: int = 0

    def insert(self, documents: list[dict[str, Any]]) -> set[str]:
        """Insert documents in one call; their ids, which MongoDB acknowledged."""
        with self.mongodb.client() as client:
            client[self.name]["trades"].insert_many(documents, ordered=False)
        return {one["trade_id"] for one in documents}

    def documents(self, keys: range) -> list[dict[str, Any]]:
        return [document(self.name, key) for key in keys]

    def read(
        self, messages: Sequence[Message], feeder: FeederNode | None = None, who: str = "stranger"
    ) -> Reading:
        """What a stranger reads of a feeder that has all of these messages."""
        chosen = feeder or self.feeder
        chosen.reaches(messages)
        self.readings += 1
        feeds = dict.fromkeys(str(message.feed) for message in messages)
        root = self.folder / f"{who}-{self.readings}"
        return read_as_a_stranger(root, chosen.running.link, feeds)

    def read_twice(
        self, messages: Sequence[Message], other: FeederNode | None = None
    ) -> tuple[Reading, Reading]:
        """What two strangers read, who do not know each other; the second one asks `other`."""
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(self.read, messages, other, "second")
            return self.read(messages), second.result()

    def check(self, acked: set[str], *, other: FeederNode | None = None) -> list[Message]:
        """The one check, at two strangers; the second one asks `other` if there is one."""
        patience_s = 120 + len(acked) / 5_000
        messages = self.topic.wait_for_ids(acked, self.listener.log, patience_s)
        self.check_messages(acked, messages, other=other)
        return messages

    def check_messages(
        self, acked: set[str], messages: Sequence[Message], *, other: FeederNode | None = None
    ) -> None:
        """The one check, where it is known which messages there were."""
        check_ledger(acked, messages, *self.read_twice(messages, other))

    @contextlib.contextmanager
    def topic_again(self) -> Iterator[Topic]:
        """The topic as it is now, read from its beginning."""
        made = Topic(self.kafka.bootstrap, self.feeder.topic)
        try:
            yield made
        finally:
            made.close()

    def check_against(self, before: Reading, acked: set[str]) -> None:
        """The one check, and that what a stranger read earlier is still the same."""
        messages = self.topic.wait_for_ids(acked, self.listener.log, 120)
        first, second = self.read_twice(messages)
        check_ledger(acked, messages, first, second)
        check_blocks(before, first)


@contextlib.contextmanager
def chain_servers() -> Iterator[tuple[ReplicaSet, KafkaBroker]]:
    """Servers of a module's own, to be killed; its tests are skipped where one is missing."""
    try:
        locations.mongod()
        locations.kafka()
    except locations.MissingServerError as error:
        pytest.skip(str(error))
    with ReplicaSet() as mongodb, KafkaBroker() as kafka:
        yield mongodb, kafka


@contextlib.contextmanager
def chain_of(mongodb: Any, kafka: Any, folder: Path, test: str) -> Iterator[Chain]:
    """A chain of which nothing runs yet but the servers; all of it ends with the block."""
    name = "x" + hashlib.blake2b(test.encode(), digest_size=6).hexdigest()
    topic = f"tradercast.{name}.trades"
    kafka.topics.create(topic, PARTITIONS)
    listener = ListenerProcess(folder, mongodb.uri, kafka.bootstrap, name)
    seen = Topic(kafka.bootstrap, topic)
    with machine(folder / "feeder") as node:
        try:
            feeder = FeederNode(node, kafka.bootstrap, topic)
            yield Chain(mongodb, kafka, folder, name, listener, seen, feeder)
        finally:
            listener.close()
            seen.close()


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """SIGSTOP as long as the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # one that was silent for so long is replaced
            os.kill(pid, signal.SIGCONT)
