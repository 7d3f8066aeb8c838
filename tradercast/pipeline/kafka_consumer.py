"""Messages out of Kafka: committed ones only, from positions of our own, in bounded memory.

librdkafka's calls block, so the consumer has a thread for them.  Groups are not used to share
partitions: what a feeder has read is in its logs, and the group's offsets are for people to see.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from tradercast.errors import ServiceError
from tradercast.pipeline.feeder_input import Envelope, Place
from tradercast.pipeline.feeder_positions import Positions

T = TypeVar("T")

POLL_S = 0.5
CALL_S = 10.0
BATCH_BYTES = 4 << 20
BATCH_MESSAGES = 2_000
QUEUE_KBYTES = 8 << 10
FETCH_BYTES = 2 << 20
AGAIN_MS = 10  # after a full queue; by default a second, in which we would have nothing to do
REFRESH_S = 10.0  # how soon it is noticed that there are more partitions, or no topic
AGAIN_S = 2.0  # a broker that has just started may not know its topics yet
_GONE = frozenset(
    (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.INCONSISTENT_TOPIC_ID,
    )
)

_GONE_HINT = "make it again, or leave it out of --topics; what was read from it is safe"

log = logging.getLogger(__name__)


class KafkaSource:
    """Reads all partitions of some topics.  Enter it as an asynchronous context manager.

    Parameters
    ----------
    config : mapping
        How to connect: ``bootstrap.servers`` and what the cluster asks for.
    topics : sequence of str
        Read from all their partitions, also those added later.
    group : str
        Under which offsets are committed.
    positions : Positions
        Where to go on.  Ids of topics are written into it.
    """

    def __init__(
        self,
        config: Mapping[str, object],
        topics: Sequence[str],
        group: str,
        positions: Positions,
    ) -> None:
        self._config: dict[str, Any] = {"log_level": 3, **config}
        self._topics = tuple(dict.fromkeys(topics))
        self._group = group
        self._positions = positions
        self._threads = ThreadPoolExecutor(1, "kafka consumer")
        self._stopping = threading.Event()
        self._consumer: Consumer | None = None
        self._admin: AdminClient | None = None
        self._refresh_at = 0.0
        self._missed = False  # a topic that is read, when last asked
        self._error: str | None = None  # since the last message that came
        self.missing: tuple[str, ...] = ()  # topics that were not there yet, when last asked
        self.renewed: set[str] = set()  # topics that are not those of the positions
        self.highest: dict[Place, int] = {}  # the offset behind the newest message of each

    async def __aenter__(self) -> Self:
        try:
            await self._call(self._open)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End within seconds."""
        self._stopping.set()
        if self._consumer is not None:
            await self._call(self._consumer.close)
            self._consumer = None
        await asyncio.to_thread(self._threads.shutdown, wait=True)

    @property
    def trouble(self) -> str | None:
        """Why less comes than there may be, in one sentence; None if nothing is wrong."""
        if self._error is None and self.missing:
            return f"waiting for {_topics(self.missing)}"
        return self._error

    async def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """Messages as they come, in order within a partition.

        Raises
        ------
        ServiceError
            If a topic is deleted, or Kafka refuses to go on.
        """
        while not self._stopping.is_set():
            yield await self._call(self._read)

    async def rewind(self, place: Place) -> None:
        """Read a partition again from its beginning, behind the batch that is being read."""
        await self._call(lambda: self._rewind(place))

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Show in Kafka how far this feeder is; failing at it changes nothing."""
        await self._call(lambda: self._commit(dict(offsets)))

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _open(self) -> None:
        self._admin = AdminClient(dict(self._config))
        self._consumer = Consumer(
            {
                **self._config,
                "logger": log,
                "error_cb": self._on_error,
                "group.id": self._group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",
                # An offset that is gone is no loss yet: the numbers of messages tell.
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                "fetch.wait.max.ms": 100,
                "fetch.message.max.bytes": FETCH_BYTES,
                "queued.max.messages.kbytes": QUEUE_KBYTES,
                "fetch.queue.backoff.ms": AGAIN_MS,
                "reconnect.backoff.max.ms": 1_000,
            }
        )
        self._assign_new(first=True)

    def _assign_new(self, *, first: bool = False) -> None:
        """Begin to read partitions that are not read yet."""
        assert self._consumer is not None
        self._refresh_at = time.monotonic() + REFRESH_S
        known = {(one.topic, one.partition) for one in self._consumer.assignment()}
        read = {topic for topic, _ in known}
        wanted: list[TopicPartition] = []
        described = self._describe(first)
        if described is None:
            return
        for topic, (made, count) in described.items():
            before = self._positions.topics.get(topic, made)
            if before != made and topic in read:
                raise ServiceError(f"topic {topic} was deleted and made again", hint="start again")
            if before != made:
                log.warning("topic %s was deleted and made again", topic)
                self.renewed.add(topic)
                self._positions.forget_topic(topic)
            self._positions.topics[topic] = made
            for partition in range(count):
                if (topic, partition) not in known:
                    wanted.append(self._start(topic, partition))
        if wanted:
            self._consumer.incremental_assign(wanted)
        self._miss([topic for topic in self._topics if topic not in described], read)

    def _describe(self, first: bool) -> dict[str, tuple[str, int]] | None:
        """Id and partitions of the topics that are there; None if Kafka does not tell."""
        assert self._admin is not None
        described = {}
        try:
            found = self._admin.describe_topics(
                TopicCollection(list(self._topics)), request_timeout=CALL_S
            )
            for name, future in found.items():
                try:
                    topic = future.result(CALL_S)
                    described[name] = (str(topic.topic_id), len(topic.partitions))
                except KafkaException as error:
                    if error.args[0].code() not in _GONE:
                        raise
        except (KafkaException, TimeoutError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else "no answer"
            if not first:  # the broker may be away; what is assigned is read again when it is back
                log.warning("Kafka does not tell its topics: %s", reason)
                return None
            raise ServiceError(
                f"Kafka at {self._config.get('bootstrap.servers')} does not tell its topics: "
                f"{reason}",
                hint="check the address, and that the broker runs",
            ) from None
        self._error = None  # it answers
        return described

    def _miss(self, missing: Sequence[str], read: Collection[str]) -> None:
        """Wait for topics that are not there; those that were read do not go unnoticed."""
        gone = [topic for topic in missing if topic in read]
        if gone and self._missed:
            raise ServiceError(f"{_topics(gone)} is not there any more", hint=_GONE_HINT)
        self._missed = bool(gone)
        absent = tuple(topic for topic in missing if topic not in read)
        if absent and absent != self.missing:
            log.warning(
                "waiting for %s, which the listener makes; is --topics right?", _topics(absent)
            )
        self.missing = absent
        if missing:
            self._refresh_at = time.monotonic() + AGAIN_S

    def _start(self, topic: str, partition: int) -> TopicPartition:
        assert self._consumer is not None
        kept = self._positions.offsets.get((topic, partition))
        start = OFFSET_BEGINNING if kept is None else kept
        if kept is not None:
            place = TopicPartition(topic, partition)
            low, high = self._consumer.get_watermark_offsets(place, timeout=CALL_S, cached=False)
            if not low <= kept <= high:
                log.warning(
                    "offset %d of %s [%d] is not there (%d to %d): reading from the beginning",
                    kept, topic, partition, low, high,
                )  # fmt: skip
                start = OFFSET_BEGINNING
        return TopicPartition(topic, partition, start)

    def _rewind(self, place: Place) -> None:
        assert self._consumer is not None
        log.warning("%s [%d] is read again from its beginning", *place)
        # Not seek(), which refuses while the broker is away.
        self._consumer.incremental_unassign([TopicPartition(*place)])
        self._consumer.incremental_assign([TopicPartition(*place, OFFSET_BEGINNING)])

    def _read(self) -> Sequence[Envelope]:
        assert self._consumer is not None
        if time.monotonic() >= self._refresh_at:
            self._assign_new()
        envelopes: list[Envelope] = []
        size = 0
        one = self._consumer.poll(POLL_S)
        found = [] if one is None else [one]
        while found:
            for message in found:
                envelope = self._taken(message)
                if envelope is not None:
                    envelopes.append(envelope)
                    size += len(envelope.value)
            if size >= BATCH_BYTES or len(envelopes) >= BATCH_MESSAGES:
                break
            found = self._consumer.consume(16, 0)  # what is there already
        if envelopes:
            self._error = None
            self._note_ends({envelope.place for envelope in envelopes})
        return envelopes

    def _taken(self, message: KafkaMessage) -> Envelope | None:
        error = message.error()
        if error is not None:
            self._refuse(error, message.topic())
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        value: Any = message.value()
        return Envelope((topic, partition), offset, value or b"", message.timestamp()[1])

    def _refuse(self, error: KafkaError, topic: str | None) -> None:
        if error.code() in _GONE:
            raise ServiceError(f"topic {topic} is gone", hint=_GONE_HINT)
        if error.fatal() or error.code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
        ):
            raise ServiceError(f"Kafka refuses to be read: {error.str()}")
        self._on_error(error)

    def _on_error(self, error: KafkaError) -> None:
        if self._error is None:
            log.warning("Kafka: %s", error.str())
        self._error = error.str()

    def _note_ends(self, places: set[Place]) -> None:
        assert self._consumer is not None
        for place in places:
            ends = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            if ends is not None:
                self.highest[place] = ends[1]

    def _commit(self, offsets: dict[Place, int]) -> None:
        if self._consumer is None or not offsets:
            return
        wanted = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=wanted, asynchronous=True)
        except KafkaException as error:
            log.info("offsets are not committed: %s", error.args[0].str())


def _topics(names: Sequence[str]) -> str:
    return f"topic {names[0]}" if len(names) == 1 else f"topics {', '.join(names)}"
