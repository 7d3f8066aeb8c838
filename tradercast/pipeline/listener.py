"""The listener: MongoDB -> Kafka, every change in exactly one committed message."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tradercast.errors import FencedError, FormatError, ServiceError
from tradercast.feeds import FeedId
from tradercast.pipeline.kafka_producer import TransactionalProducer
from tradercast.pipeline.kafka_topics import COMPACTED, read_compacted
from tradercast.pipeline.listener_books import (
    BookOutcome,
    Event,
    changed_books,
    split_books,
    to_book_messages,
)
from tradercast.pipeline.listener_counts import ListenerCounts
from tradercast.pipeline.listener_events import DeadLetter, Rows, changed_rows, scanned_rows
from tradercast.pipeline.listener_messages import Encoded, Outcome, to_messages
from tradercast.pipeline.listener_queue import BatchQueue
from tradercast.pipeline.listener_state import (
    ListenerState,
    Position,
    decode_state,
    encode_state,
)
from tradercast.pipeline.mapping import Document, FieldMap
from tradercast.pipeline.mongo_cursor import to_json
from tradercast.pipeline.mongo_source import BATCH, SourceBatch
from tradercast.pipeline.partitions import PartitionMap
from tradercast.pipeline.topics import (
    DEAD_LETTERS_TOPIC,
    DEFAULT_TEMPLATE,
    PARTITIONS_TOPIC,
    STATE_TOPIC,
    Record,
    topic_of,
)

log = logging.getLogger(__name__)

ENOUGH = BATCH // 2  # rows that are made ready while the transaction before them is on its way
IDLE_S = 10.0  # the position of a quiet collection is kept so often
CLOSE_S = 5.0
TAKE_OVER_S = 5.0  # how soon one that begins has written that it has
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
MAX_LETTER = 64 << 10


class Source(Protocol):
    """Where batches come from."""

    def batches(self, position: Position) -> AsyncIterator[SourceBatch]:
        """Everything behind a position."""


@dataclass(frozen=True)
class ListenerOptions:
    """How a listener works.

    Attributes
    ----------
    name : str
        Its id: the key of its state, and what it is fenced by.
    fields : FieldMap
    template : str
        Of the topics' names.
    partitions : int
        Of a topic that is made.
    books : frozenset of str
        The collections, ``database.collection``, that hold messages of books.
    """

    name: str = "main"
    fields: FieldMap = field(default_factory=lambda: FieldMap({}))
    template: str = DEFAULT_TEMPLATE
    partitions: int = 8
    books: frozenset[str] = frozenset()

    @property
    def owner_key(self) -> bytes:
        """Under which it writes, beside its state, which process has begun last."""
        return f"{self.name}/owner".encode()

    @property
    def transactional_id(self) -> str:
        """What Kafka knows it by."""
        return f"tradercast-listener-{self.name}"


class Listener:
    """Carries what a source has to Kafka.

    Parameters
    ----------
    source : Source
    kafka : mapping
        librdkafka's configuration of the connection.
    options : ListenerOptions
    clock : callable, optional
        Seconds since 1970, for letters and counts; no message depends on it.
    """

    def __init__(
        self,
        source: Source,
        kafka: Mapping[str, object],
        options: ListenerOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._kafka = kafka
        self._options = options
        self._clock = clock
        self._own = secrets.token_bytes(16)
        self.counts = ListenerCounts()

    async def run(self) -> None:
        """Work until cancelled; a broker that is away is waited for.

        Raises
        ------
        FencedError
            If another listener with the same id has begun.
        ServiceError
            If MongoDB refuses for good.
        """
        wait_s = FIRST_WAIT_S
        while True:
            committed = self.counts.transactions
            try:
                async with TransactionalProducer(
                    self._kafka, self._options.transactional_id, self._wait
                ) as producer:
                    await self._carry(producer)
            except FencedError as error:
                if await self._is_taken_over():
                    raise
                # Kafka says the same to one whose transaction took too long: it, or Kafka, stood
                # still meanwhile.
                log.warning("%s, says Kafka, but none has; begun again", error.message)
                self.counts.connected = False
                self.counts.restarts += 1
                self.counts.waiting = 0
            except _KafkaLostError as error:
                self.counts.connected = False
                self.counts.trouble = str(error)
                self.counts.restarts += 1
                self.counts.waiting = 0
                wait_s = FIRST_WAIT_S if self.counts.transactions > committed else wait_s
                log.warning("%s; begun again from the last state in %.1f s", error, wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _is_taken_over(self) -> bool:
        """Whether another listener with the same id has begun after this one, or does just now."""
        stopping = threading.Event()
        until = None
        try:
            while until is None or time.monotonic() < until:
                try:
                    kept = await asyncio.to_thread(
                        read_compacted, self._kafka, STATE_TOPIC, stopping.is_set
                    )
                except ServiceError as error:
                    self._wait(error.message)
                else:
                    if kept.get(self._options.owner_key) != self._own:
                        return True
                    until = until or time.monotonic() + TAKE_OVER_S
                await asyncio.sleep(FIRST_WAIT_S)
        finally:
            stopping.set()
        return False

    def _wait(self, reason: str) -> None:
        if self.counts.trouble is None:
            log.warning("%s; waiting", reason)
        self.counts.trouble = reason

    async def _carry(self, producer: TransactionalProducer) -> None:
        with _kafka_calls():
            await producer.ensure_topic(STATE_TOPIC, 1, COMPACTED)
            await producer.commit([Record(STATE_TOPIC, 0, self._options.owner_key, self._own)])
            writer = await _Writer.open(producer, self._options, self._clock)
        self.counts.connected = True
        self.counts.trouble = None
        queue = BatchQueue()
        reader = asyncio.create_task(_read(self._source, writer.state.position, queue))
        under_way: asyncio.Task[None] | None = None
        kept = self._clock()
        try:
            while True:
                if under_way is not None and queue.rows < ENOUGH:
                    await under_way  # more will have come by then
                    under_way = None
                batch = await queue.take()
                if not self._matters(batch, writer.state.position, kept):
                    continue
                # The next batch is made ready while this one is on its way.
                records = await writer.records(batch, self.counts)
                if under_way is not None:
                    await under_way
                kept = self._clock()
                under_way = asyncio.create_task(self._commit(producer, records, batch))
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
            if under_way is not None and not under_way.done():
                await asyncio.wait([under_way], timeout=CLOSE_S)

    def _matters(self, batch: SourceBatch, position: Position, kept: float) -> bool:
        if batch.documents or batch.events:
            return True
        same = (batch.position.scan, batch.position.collections) == (
            position.scan,
            position.collections,
        )
        return not same or self._clock() - kept >= IDLE_S

    async def _commit(
        self, producer: TransactionalProducer, made: _Made, batch: SourceBatch
    ) -> None:
        with _kafka_calls():
            await producer.commit(made.records)
        self.counts.aborted = producer.aborted
        self.counts.committed(batch, made.messages, made.letters, self._clock())


class _KafkaLostError(Exception):
    """What is in Kafka has to be read again."""


@contextlib.contextmanager
def _kafka_calls() -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        raise _KafkaLostError(error.message) from None


@dataclass(frozen=True, slots=True)
class _Made:
    records: list[Record]
    messages: tuple[Encoded, ...]
    letters: tuple[DeadLetter, ...]


class _Writer:
    """Batches -> the records of a transaction, with the state that follows."""

    def __init__(
        self,
        producer: TransactionalProducer,
        options: ListenerOptions,
        clock: Callable[[], float],
        state: ListenerState,
        maps: dict[str, PartitionMap],
    ) -> None:
        self._producer = producer
        self._options = options
        self._clock = clock
        self._known: dict[str, PartitionMap] = maps
        self._open: set[str] = set()
        self.state = state

    @classmethod
    async def open(
        cls, producer: TransactionalProducer, options: ListenerOptions, clock: Callable[[], float]
    ) -> _Writer:
        """Read what the predecessor left; it can not write any more."""
        await producer.ensure_topic(PARTITIONS_TOPIC, 1, COMPACTED)
        await producer.ensure_topic(DEAD_LETTERS_TOPIC, 1)
        kept = (await producer.read_compacted(STATE_TOPIC)).get(options.name.encode())
        maps = await producer.read_compacted(PARTITIONS_TOPIC)
        state = ListenerState() if kept is None else decode_state(kept)
        return cls(producer, options, clock, state, _maps(maps))

    async def records(self, batch: SourceBatch, counts: ListenerCounts) -> _Made:
        """All that is to be committed together because of a batch."""
        counts.taken(len(batch.events) + len(batch.documents))
        trade_events, book_events = split_books(batch.events, self._options.books)
        trades, letters = self._trades(batch, trade_events)
        books, changed = self._books(batch, book_events, trades.numbers)
        letters += [*trades.letters, *changed, *books.letters]
        counts.repeats += books.repeats
        messages = (*trades.messages, *books.messages)
        records, grown = [], set()
        for message in messages:
            topic = topic_of(self._options.template, message.feed)
            partition, new = await self._partition(topic, message.feed.symbol)
            key = message.feed.symbol.encode()
            records.append(Record(topic, partition, key, message.payload))
            if new:
                grown.add(topic)
        for topic in sorted(grown):
            value = self._known[topic].to_json().encode()
            records.append(Record(PARTITIONS_TOPIC, 0, topic.encode(), value))
        records += [
            Record(DEAD_LETTERS_TOPIC, 0, one.collection.encode(), self._letter(one))
            for one in letters
        ]
        self.state = ListenerState(batch.position, books.numbers, books.places)
        name = self._options.name.encode()
        records.append(Record(STATE_TOPIC, 0, name, encode_state(self.state)))
        return _Made(records, messages, tuple(letters))

    def _trades(
        self, batch: SourceBatch, events: Sequence[Event]
    ) -> tuple[Outcome, list[DeadLetter]]:
        options = self._options
        letters: list[DeadLetter] = []
        if batch.events:
            rows, letters = changed_rows(events, options.fields)
        elif batch.collection in options.books:
            rows = Rows()
        else:
            rows = scanned_rows(batch.documents, batch.collection, options.fields)
        repeats = batch.repeats_anywhere
        return to_messages(rows, self.state.numbers, repeats_anywhere=repeats), letters

    def _books(
        self, batch: SourceBatch, events: Sequence[Event], numbers: Mapping[FeedId, int]
    ) -> tuple[BookOutcome, list[DeadLetter]]:
        books, places = self._options.books, self.state.books
        documents: Sequence[Document] = batch.documents if batch.collection in books else ()
        collections = [batch.collection] * len(documents)
        letters: list[DeadLetter] = []
        if batch.events:
            documents, collections, letters = changed_books(events)
        return to_book_messages(documents, collections, numbers, places), letters

    async def _partition(self, topic: str, symbol: str) -> tuple[int, bool]:
        if topic not in self._open:
            with _kafka_calls():
                count = await self._producer.ensure_topic(topic, self._options.partitions)
            grown = PartitionMap(count)
            self._known[topic] = self._known.get(topic, grown).merged(grown)
            self._open.add(topic)
        known = self._known[topic].get(symbol)
        if known is not None:
            return known, False
        return self._known[topic].assign(symbol), True

    def _letter(self, letter: DeadLetter) -> bytes:
        text = to_json(letter.document)
        document = json.loads(text) if len(text) <= MAX_LETTER else text[:MAX_LETTER]
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock()))
        return json.dumps(
            {
                "reason": letter.reason,
                "detail": letter.detail,
                "document": document,
                "collection": letter.collection,
                "when": when,
            }
        ).encode()


async def _read(source: Source, position: Position, queue: BatchQueue) -> None:
    try:
        async for batch in source.batches(position):
            await queue.put(batch)
    except Exception as error:  # the reader of the queue raises it
        queue.fail(error)


def _maps(values: Mapping[bytes, bytes]) -> dict[str, PartitionMap]:
    maps = {}
    for topic, text in values.items():
        try:
            maps[topic.decode()] = PartitionMap.from_json(text)
        except (FormatError, UnicodeDecodeError):
            # Another program's topic, perhaps; one of ours can not be guessed.
            log.error("the map of partitions of %r can not be read", topic)
            raise
    return maps
