"""A producer that writes in transactions, and of which there is only one with its id.

librdkafka's calls block, so each producer has a thread for them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tradercast.errors import FencedError, ServiceError
from tradercast.pipeline.kafka_topics import ensure_topic, read_compacted
from tradercast.pipeline.topics import Record

log = logging.getLogger(__name__)
T = TypeVar("T")

STEP_S = 3.0  # no call blocks for longer, so that stopping never takes longer
COMMIT_S = 120.0
TRANSACTION_S = 60.0
MAX_ABORTS = 8
_FENCED = frozenset(
    (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
)


class TransactionalProducer:
    """Writes batches of records, each all or nothing.

    Opening it ends the transactions of any other with the same id, which is then *fenced*:
    nothing it does is ever committed again.

    Parameters
    ----------
    config : mapping
        How to connect: ``bootstrap.servers`` and what the cluster asks for.
    transactional_id : str
    on_wait : callable, optional
        Called, in any thread, with what it waits for at this moment, in one sentence.
    """

    def __init__(
        self,
        config: Mapping[str, object],
        transactional_id: str,
        on_wait: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._config: dict[str, Any] = {"log_level": 3, **config}
        self._id = transactional_id
        self._threads = ThreadPoolExecutor(1, f"kafka {transactional_id}")
        self._stopping = threading.Event()
        self._producer: Producer | None = None
        self._admin: AdminClient | None = None
        self._on_wait = on_wait
        self._error: str | None = None  # the newest one of the connections
        self.aborted = 0

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
        """End within seconds; a transaction that is under way is left to time out or be fenced."""
        self._stopping.set()
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        self._producer = self._admin = None

    async def ensure_topic(
        self, name: str, partitions: int, config: Mapping[str, str] | None = None
    ) -> int:
        """Make a topic if it is missing; returns how many partitions it has."""
        return await self._call(lambda: ensure_topic(self._client(), name, partitions, config))

    async def read_compacted(self, topic: str) -> dict[bytes, bytes]:
        """The newest committed value of every key of a topic with one partition."""
        return await self._call(lambda: read_compacted(self._config, topic, self._stopping.is_set))

    async def commit(self, records: Sequence[Record]) -> None:
        """Write `records` in one transaction.

        Raises
        ------
        FencedError
            If another producer with this id was opened.
        ServiceError
            If it is not known to be committed: what was, says the state in Kafka.
        """
        await self._call(lambda: self._commit(records))

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(dict(self._config))
        return self._admin

    def _open(self) -> None:
        self._producer = Producer(
            {
                **self._config,
                "logger": log,
                "error_cb": self._on_error,
                "transactional.id": self._id,
                "transaction.timeout.ms": int(TRANSACTION_S * 1_000),
                "linger.ms": 2,
                "compression.type": "lz4",
                "queue.buffering.max.kbytes": 64 << 10,
                "queue.buffering.max.messages": 100_000,
            }
        )
        producer = self._producer
        try:
            self._until(
                math.inf, lambda: producer.init_transactions(STEP_S), "Kafka does not answer"
            )
        except KafkaException as error:
            raise ServiceError(f"Kafka refuses a producer: {error.args[0].str()}") from None

    def _commit(self, records: Sequence[Record]) -> None:
        producer = self._producer
        if producer is None:
            raise ServiceError("the producer is not open")
        for _ in range(MAX_ABORTS):
            try:
                producer.begin_transaction()
                for record in records:
                    self._produce(producer, record)
                self._until(
                    COMMIT_S,
                    lambda: producer.commit_transaction(STEP_S),
                    "Kafka does not say whether a transaction is committed",
                )
                return
            except KafkaException as error:
                self._abort(producer, error.args[0])
        raise ServiceError(f"Kafka aborted the same transaction {MAX_ABORTS} times")

    def _abort(self, producer: Producer, why: KafkaError) -> None:
        _raise_if_fenced(why)
        if why.fatal() or not why.txn_requires_abort():
            raise ServiceError(f"Kafka refuses a transaction: {why.str()}") from None
        log.warning("a transaction of %s is aborted and begun again: %s", self._id, why.str())
        self.aborted += 1
        try:
            self._until(
                COMMIT_S, lambda: producer.abort_transaction(STEP_S), "Kafka aborts nothing"
            )
        except KafkaException as error:
            _raise_if_fenced(error.args[0])
            raise ServiceError(f"Kafka aborts nothing: {error.args[0].str()}") from None

    def _produce(self, producer: Producer, record: Record) -> None:
        until = time.monotonic() + TRANSACTION_S
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, partition=record.partition)
                return
            except BufferError:  # the queue is full: the network is slower than we are
                if self._stopping.is_set() or time.monotonic() > until:
                    raise ServiceError("Kafka does not take what is written") from None
                producer.poll(0.05)

    def _until(self, seconds: float, work: Callable[[], None], complaint: str) -> None:
        """Call again what says that it may be called again."""
        until = time.monotonic() + seconds
        while True:
            try:
                work()
                self._error = None
                return
            except KafkaException as error:
                why: KafkaError = error.args[0]
                _raise_if_fenced(why)
                if why.fatal() or why.txn_requires_abort() or not why.retriable():
                    raise
                if self._producer is not None:
                    self._producer.poll(0)  # has it tell why
                reason = f"{complaint}: {self._error or why.str()}"
                if self._stopping.is_set() or time.monotonic() > until:
                    raise ServiceError(reason) from None
                self._on_wait(reason)

    def _on_error(self, error: KafkaError) -> None:
        self._error = error.str()


def _raise_if_fenced(error: KafkaError) -> None:
    if error.code() in _FENCED:
        raise FencedError(
            "another listener with this id has taken over",
            hint="run one listener an id; give a second one its own with --id",
        ) from None
