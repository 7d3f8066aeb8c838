"""Can a listener write transactions to this Kafka, and do its topics keep what a feeder needs?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tradercast.cli.checks.check import Check
from tradercast.cli.text import count, duration
from tradercast.pipeline.topics import DEAD_LETTERS_TOPIC, PARTITIONS_TOPIC, STATE_TOPIC
from tradercast.private import without_secrets

WANTED_S = 24 * 3600.0
PREFIX = "tradercast."
_CALL_S = 10.0
_SINGLE = (STATE_TOPIC, PARTITIONS_TOPIC)


def kafka(settings: Mapping[str, object], topics: Sequence[str] = ()) -> Iterator[Check]:
    """What listener and feeder need of a Kafka, one check after the other.

    Nothing is written but the end of an empty transaction, and no topic is made.

    Parameters
    ----------
    settings : mapping
        How to connect.
    topics : sequence of str
        Those that a feeder reads; by default every one that is there and begins with
        ``tradercast.``.
    """
    config: dict[str, Any] = {"log_level": 0, **settings}
    try:
        admin = AdminClient(config)
        cluster = admin.list_topics(timeout=_CALL_S)
    except KafkaException as error:
        hint = "check the address and the settings in --kafka-config, and that a broker runs"
        yield Check("kafka", False, f"does not answer: {_short(error)}", hint)
        return
    brokers = [f"{broker.host}:{broker.port}" for broker in cluster.brokers.values()]
    yield Check(
        "kafka",
        True,
        f"{count(len(brokers), 'broker')}: {', '.join(brokers)}",
        details={"brokers": brokers},
    )
    yield _transactions(config)
    there = {name: topic for name, topic in cluster.topics.items() if topic.error is None}
    wanted = set(topics) or {name for name in there if name.startswith(PREFIX)}
    for name in sorted(wanted | {STATE_TOPIC, PARTITIONS_TOPIC, DEAD_LETTERS_TOPIC}):
        if name not in there:
            text = "is not there; the listener makes it when it needs it"
            yield Check(f"kafka topic {name}", None, text)
        else:
            yield _topic(admin, name, there[name].partitions, len(brokers))


def _transactions(config: Mapping[str, Any]) -> Check:
    """Whether this user may write in transactions: it is tried."""
    hint = (
        "a listener needs transactions: brokers with transaction.state.log.replication.factor no "
        "greater than their number, and a user who may Write the transactional id tradercast*"
    )
    try:
        producer = Producer({**config, "transactional.id": "tradercast-doctor"})
        producer.init_transactions(2 * _CALL_S)
        producer.begin_transaction()
        producer.abort_transaction(_CALL_S)
    except KafkaException as error:
        return Check("kafka transactions", False, _short(error), hint)
    return Check("kafka transactions", True, "work for this user")


def _topic(admin: AdminClient, name: str, partitions: Mapping[int, Any], brokers: int) -> Check:
    label = f"kafka topic {name}"
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        found = admin.describe_configs([resource], request_timeout=_CALL_S)[resource].result()
    except KafkaException as error:
        hint = f"to have it checked: give this user DescribeConfigs of the topic {name}"
        return Check(label, None, f"its settings can not be seen: {_short(error)}", hint)
    policy = str(found["cleanup.policy"].value)
    kept_ms = int(found["retention.ms"].value or -1)
    kept_bytes = int(found["retention.bytes"].value or -1)
    copies = min((len(one.replicas) for one in partitions.values()), default=0)
    details = {
        "partitions": len(partitions),
        "copies": copies,
        "cleanup_policy": policy,
        "retention_ms": kept_ms,
        "retention_bytes": kept_bytes,
    }
    kept = "for ever" if kept_ms < 0 else f"for {duration(kept_ms / 1_000)}"
    how = "the newest of each key" if policy == "compact" else kept
    text = f"{count(len(partitions), 'partition')}, {count(copies, 'copy', 'copies')}, keeps {how}"
    wrong = _wrong(name, len(partitions), policy, kept_ms)
    if wrong is not None:
        return Check(label, False, f"{text}; {wrong[0]}", wrong[1], details)
    if copies < 2 <= brokers:
        hint = "one copy on a cluster is lost with its broker: add replicas to the topic"
        return Check(label, None, text, hint, details)
    return Check(label, True, text, details=details)


def _wrong(name: str, partitions: int, policy: str, kept_ms: int) -> tuple[str, str] | None:
    """What is wrong with a topic, and what to do about it."""
    alter = f"kafka-configs.sh --alter --topic {name} --add-config"
    if name in _SINGLE:
        if policy != "compact":
            return "what is old would be lost", f"run: {alter} cleanup.policy=compact"
        if partitions != 1:
            return "it must have one partition", "delete it while no listener runs; it comes again"
        return None
    if "compact" in policy:
        return "records of the same symbol would be lost", f"run: {alter} cleanup.policy=delete"
    if 0 <= kept_ms < WANTED_S * 1_000:
        return (
            "a feeder that is away for a day loses records",
            f"run: {alter} retention.ms=604800000",
        )
    return None


def _short(error: KafkaException) -> str:
    return without_secrets(str(error.args[0].str()))[:200]
