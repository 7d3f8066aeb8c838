"""The Kafka that other tests rely on is a real one: transactions, fencing, retention."""

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

TIMEOUT_S = 30


@pytest.fixture
def topic(kafka, topic_prefix):
    name = f"{topic_prefix}trades"
    kafka.topics.create(name)
    return name


def producer(kafka, **options):
    settings = {"bootstrap.servers": kafka.bootstrap, "linger.ms": 0, "log_level": 0}
    return Producer({**settings, **options})


def transactional(kafka, identity):
    made = producer(kafka, **{"transactional.id": identity})
    made.init_transactions(TIMEOUT_S)
    return made


def produce(made, topic, values):
    for value in values:
        made.produce(topic, value)
    assert made.flush(TIMEOUT_S) == 0


def read(kafka, topic, count=None, isolation="read_committed"):
    """The values of a topic's one partition: `count` of them, or all up to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "reader",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    try:
        while count is None or len(values) < count:
            message = consumer.poll(TIMEOUT_S)
            assert message is not None, f"nothing came after {values}"
            error = message.error()
            if error is None:
                values.append(message.value())
            elif error.code() == KafkaError._PARTITION_EOF:
                if count is None:
                    return values
            else:
                raise KafkaException(error)
        return values
    finally:
        consumer.close()


def test_a_reader_of_committed_records_sees_whole_transactions_only(kafka, topic, topic_prefix):
    made = transactional(kafka, f"{topic_prefix}source")
    made.begin_transaction()
    produce(made, topic, [b"given up 1", b"given up 2"])
    made.abort_transaction(TIMEOUT_S)
    made.begin_transaction()
    produce(made, topic, [b"kept 1", b"kept 2"])
    assert read(kafka, topic) == []
    made.commit_transaction(TIMEOUT_S)
    assert read(kafka, topic, count=2) == [b"kept 1", b"kept 2"]


def test_a_second_producer_of_the_same_name_fences_the_first(kafka, topic, topic_prefix):
    first = transactional(kafka, f"{topic_prefix}source")
    first.begin_transaction()
    produce(first, topic, [b"of the first"])
    second = transactional(kafka, f"{topic_prefix}source")
    with pytest.raises(KafkaException) as fenced:
        first.commit_transaction(TIMEOUT_S)
    assert fenced.value.args[0].code() == KafkaError._FENCED
    second.begin_transaction()
    produce(second, topic, [b"of the second"])
    second.commit_transaction(TIMEOUT_S)
    assert read(kafka, topic, count=1) == [b"of the second"]
    assert b"of the first" in read(kafka, topic, isolation="read_uncommitted")


def test_a_topic_made_again_has_another_id(kafka, topic):
    before = kafka.topics.topic_id(topic)
    kafka.topics.delete(topic)
    assert topic not in kafka.topics.names()
    kafka.topics.create(topic)
    assert kafka.topics.topic_id(topic) != before


def test_the_oldest_records_can_be_lost_at_once_or_by_retention(kafka, topic):
    produce(producer(kafka), topic, [b"%d" % number for number in range(10)])
    assert kafka.topics.watermarks(topic) == (0, 10)
    kafka.topics.delete_before(topic, 4)
    assert kafka.topics.watermarks(topic) == (4, 10)
    assert kafka.topics.expire(topic) == 10


def test_a_killed_broker_keeps_what_it_acknowledged(kafka_brokers):
    kafka = kafka_brokers()
    assert kafka.cpu_s() < 10  # of processor time; 1.5 s on an idle machine
    assert kafka.memory_mb() < 600
    kafka.topics.create("trades")
    made = producer(kafka, acks="all")
    values = [b"%d" % number for number in range(1_000)]
    produce(made, "trades", values)
    kafka.kill()
    kafka.start()
    assert read(kafka, "trades", count=1_000) == values
    produce(made, "trades", [b"and on"])
    assert read(kafka, "trades", count=1_001)[-1] == b"and on"
