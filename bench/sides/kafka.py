"""Read a Kafka topic of JSON trades from its beginning into the same numpy arrays.

``python -m bench.sides.kafka BOOTSTRAP TOPIC COUNT``.  Clock: from the subscription to the arrays.
"""

from __future__ import annotations

import sys

import numpy as np
import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.children import Clock, finish, wait_for_go


def main(bootstrap: str, topic: str, count: int) -> None:
    """Print one line."""
    wait_for_go()
    clock = Clock()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench"})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    rows: list[tuple[float, float, float]] = []
    while len(rows) < count:
        for message in consumer.consume(min(10_000, count - len(rows)), 5.0):
            if message.error():
                raise SystemExit(str(message.error()))
            trade = orjson.loads(message.value())
            rows.append((float(trade["ms"]), float(trade["price"]), float(trade["size"])))
    consumer.close()
    table = np.array(rows)
    arrays = (
        table[:, 0].astype(np.int64) * 1_000_000,
        np.rint(table[:, 1] * 100.0).astype(np.int64),
        np.rint(table[:, 2] * 100_000.0).astype(np.int64),
    )
    finish(clock, *arrays)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
