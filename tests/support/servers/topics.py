"""Topics of a Kafka cluster: made, removed, and losing their oldest records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # which says nothing of exports
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

TIMEOUT_S = 30.0
POLL_S = 0.02


class Topics:
    """Administers the topics of one cluster; every method waits until all brokers know of it."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def create(self, name: str, partitions: int = 1, **settings: str | int) -> None:
        """Make a topic; ``retention_ms=1000`` sets its ``retention.ms``."""
        admin = self._admin()
        _only(admin.create_topics([NewTopic(name, partitions, 1, config=_dotted(settings))]))
        _until(lambda: self._is_usable(name), f"{name} has no leader")

    def delete(self, *names: str) -> None:
        """Delete topics, with all that is in them."""
        if not names:
            return
        admin = self._admin()
        for future in admin.delete_topics(list(names)).values():
            future.result(TIMEOUT_S)
        _until(lambda: not set(names) & set(self.names()), f"{names} are still there")

    def names(self) -> list[str]:
        """All topics but Kafka's own."""
        topics = self._admin().list_topics(timeout=TIMEOUT_S).topics
        return sorted(name for name in topics if not name.startswith("__"))

    def topic_id(self, name: str) -> str:
        """What tells a topic from another of the same name, made after it was deleted."""
        return str(self._describe(name).topic_id)

    def configure(self, name: str, **settings: str | int) -> None:
        """Set settings of a topic that is there."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in _dotted(settings).items()
        ]
        admin = self._admin()
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        _only(admin.incremental_alter_configs([resource]))

    def watermarks(self, name: str, partition: int = 0) -> tuple[int, int]:
        """The offset of the oldest record that is there, and of the next to be written."""
        with self._consumer() as consumer:
            return _watermarks(consumer, TopicPartition(name, partition))

    def delete_before(self, name: str, offset: int, partition: int = 0) -> None:
        """Delete a partition's records before an offset, as retention does, at once."""
        admin = self._admin()
        _only(admin.delete_records([TopicPartition(name, partition, offset)]))

    def expire(self, name: str, partition: int = 0) -> int:
        """Let retention delete all that is in a partition; return its new lowest offset."""
        self.configure(name, retention_ms=1)
        where = TopicPartition(name, partition)
        with self._consumer() as consumer:

            def empty() -> bool:
                low, high = _watermarks(consumer, where)
                return low == high

            _until(empty, f"{name} keeps its records")
            return _watermarks(consumer, where)[0]

    def _is_usable(self, name: str) -> bool:
        try:
            return all(partition.leader for partition in self._describe(name).partitions)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return False
            raise

    def _describe(self, name: str) -> Any:
        admin = self._admin()
        return _only(admin.describe_topics(TopicCollection([name])))

    def _admin(self) -> AdminClient:
        # To be kept until the futures are done: they fail when it is collected.
        return AdminClient({"bootstrap.servers": self._bootstrap})

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "watermarks"})
        try:
            yield consumer
        finally:
            consumer.close()


def _watermarks(consumer: Consumer, where: TopicPartition) -> tuple[int, int]:
    found = consumer.get_watermark_offsets(where, timeout=TIMEOUT_S, cached=False)
    assert found is not None, f"{where} did not answer"
    return found


def _dotted(settings: Mapping[str, str | int]) -> dict[str, str]:
    return {name.replace("_", "."): str(value) for name, value in settings.items()}


def _only(futures: Mapping[Any, Future[Any]]) -> Any:
    [future] = futures.values()
    return future.result(TIMEOUT_S)


def _until(done: Callable[[], bool], otherwise: str) -> None:
    """Ask again and again: of these things Kafka tells nobody."""
    deadline = time.monotonic() + TIMEOUT_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(POLL_S)
