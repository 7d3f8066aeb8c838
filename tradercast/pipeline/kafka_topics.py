"""Topics of Kafka: made where they are missing, and compacted ones read to their end.

Calls block; they belong in a thread of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tradercast.errors import ServiceError

READ_S = 60.0
CALL_S = 4.0  # stopping waits for a call that is under way
# Small segments, so that a reader from the beginning never reads much that is outdated.
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.bytes": str(16 << 20),
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.1",
}


def partitions_of(admin: AdminClient) -> dict[str, int]:
    """Every topic of the cluster, and how many partitions it has.

    Raises
    ------
    ServiceError
        If no broker answers.
    """
    try:
        found = admin.list_topics(timeout=CALL_S).topics
    except KafkaException as error:
        raise ServiceError(f"Kafka does not tell its topics: {error.args[0].str()}") from None
    return {name: len(topic.partitions) for name, topic in found.items()}


def ensure_topic(
    admin: AdminClient, name: str, partitions: int, config: Mapping[str, str] | None = None
) -> int:
    """Make a topic if there is none of that name.

    Returns
    -------
    int
        How many partitions it has.

    Raises
    ------
    ServiceError
        If it can not be made.
    """
    known = partitions_of(admin).get(name)
    if known:
        return known
    new = NewTopic(name, num_partitions=partitions, config=dict(config or {}))
    try:
        admin.create_topics([new], operation_timeout=CALL_S)[name].result(2 * CALL_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise ServiceError(
                f"the topic {name} can not be made: {error.args[0].str()}",
                hint="make it by hand, or give this program's user the right to",
            ) from None
    except TimeoutError:
        raise ServiceError(f"Kafka takes too long to make the topic {name}") from None
    until = time.monotonic() + CALL_S
    while not (known := partitions_of(admin).get(name)):
        if time.monotonic() > until:
            raise ServiceError(f"the topic {name} was made and is not there")
        time.sleep(0.05)
    return known


def read_compacted(
    config: Mapping[str, object], topic: str, stopping: Callable[[], bool]
) -> dict[bytes, bytes]:
    """The newest committed value of every key of a topic with one partition.

    It is read to the end that it has now: a transaction that is open is waited for.

    Parameters
    ----------
    config : mapping
        How to connect: ``bootstrap.servers`` and what the cluster asks for.
    topic : str
        Its name.
    stopping : callable
        Whether to give up.

    Raises
    ------
    ServiceError
        If the end is not reached within a minute without progress.
    """
    consumer = Consumer(
        {
            **config,
            "group.id": "tradercast-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        return _read(consumer, TopicPartition(topic, 0, OFFSET_BEGINNING), stopping)
    except KafkaException as error:
        raise ServiceError(f"{topic} can not be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _read(
    consumer: Consumer, partition: TopicPartition, stopping: Callable[[], bool]
) -> dict[bytes, bytes]:
    _, end = consumer.get_watermark_offsets(partition, timeout=CALL_S, cached=False)
    consumer.assign([partition])
    values: dict[bytes, bytes] = {}
    until = time.monotonic() + READ_S
    while end > 0:
        if stopping() or time.monotonic() > until:
            raise ServiceError(f"{partition.topic} was not read to its end")
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        offset = message.offset()
        assert offset is not None
        if error is None:
            until = time.monotonic() + READ_S
            key, value = message.key(), message.value()
            if key is not None and value is not None:
                values[key] = value
            elif key is not None:
                values.pop(key, None)
        elif error.code() == KafkaError._PARTITION_EOF:
            if offset >= end:
                break
        elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:
            raise KafkaException(error)
    return values
