"""A Kafka broker that holds a CSV's trades, one JSON message each.

``python -m bench.servers.broker FILE.csv COUNT``.
"""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path

import orjson
from confluent_kafka import Producer

from bench.children import ROOT, say

sys.path.insert(0, str(ROOT / "tests"))

from support.servers.kafka import KafkaBroker

TOPIC = "bench.trades"


def main(file: Path, count: int) -> None:
    """Serve until standard input ends; the first line says where."""
    with KafkaBroker(heap_mb=512) as kafka:
        kafka.topics.create(TOPIC, 1)
        settings = {"compression.type": "zstd", "linger.ms": 50, "batch.num.messages": 10_000}
        producer = Producer({"bootstrap.servers": kafka.bootstrap, **settings})
        with file.open() as lines:
            for row in itertools.islice(csv.DictReader(lines), count):
                while True:
                    try:
                        producer.produce(TOPIC, orjson.dumps(row), key=b"btcusdt")
                        break
                    except BufferError:
                        producer.poll(0.1)
        if left := producer.flush(60):
            raise SystemExit(f"{left} messages were not written")
        say(bootstrap=kafka.bootstrap, topic=TOPIC, count=count)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
