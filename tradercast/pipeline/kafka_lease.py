"""A turn that one of several programs has at a time, given by Kafka's group coordinator."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

log = logging.getLogger(__name__)

SESSION_MS = 10_000
_POLL_S = 0.5


class KafkaLease:
    """Has the turn while this program is the group's member for a topic's first partition.

    It is a turn, not a lock: who was cut off from Kafka may think for some seconds that it still
    has it.

    Parameters
    ----------
    config : mapping
        How to connect: ``bootstrap.servers`` and what the cluster asks for.
    group : str
        Who shares the turn.
    topic : str
        Any topic that is there; nothing is read from it.
    member : str
        Who this is, the same after a restart: a program that was killed while it had the turn has
        it again at once, and not only when the group has given up the dead one.
    """

    def __init__(self, config: Mapping[str, object], group: str, topic: str, member: str) -> None:
        self._config: dict[str, Any] = {"log_level": 3, **config}
        self._group = group
        self._topic = topic
        self._member = member
        self._held = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether it is this program's turn."""
        return self._held.is_set()

    async def __aenter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=f"kafka {self._group}", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 3.0)

    def _run(self) -> None:
        consumer = Consumer(
            {
                **self._config,
                "logger": log,
                "group.id": self._group,
                "group.instance.id": self._member,
                "session.timeout.ms": SESSION_MS,
                "heartbeat.interval.ms": SESSION_MS // 5,
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "queued.max.messages.kbytes": 1,
                "topic.metadata.refresh.interval.ms": 5_000,  # the topic may be yet to come
            }
        )
        try:
            consumer.subscribe(
                [self._topic],
                on_assign=self._assigned,
                on_revoke=self._revoked,
                on_lost=self._revoked,
            )
            while not self._stopping.is_set():
                consumer.poll(_POLL_S)
        except KafkaException as error:
            log.warning("no turn in %s: %s", self._group, error.args[0].str())
        finally:
            self._held.clear()
            with contextlib.suppress(KafkaException):
                consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign(partitions)
        consumer.pause(partitions)
        if any(one.partition == 0 for one in partitions):
            self._held.set()

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._held.clear()
