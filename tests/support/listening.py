"""A listener as a process, somebody who inserts, and the one check of what came of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, PyMongoError

from tradercast.pipeline.messages import Message, decode_message

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000_000_000_000
SYMBOLS = ("btcusd", "ethusd", "xrpusd")
DUPLICATE_KEY = 11000


def document(exchange: str, key: int, **changes: Any) -> dict[str, Any]:
    """A trade with an ``_id`` that says nothing of when it was made."""
    return {
        "_id": f"{random.Random(key).getrandbits(64):x}-{key}",
        "exchange": exchange,
        "symbol": SYMBOLS[key % len(SYMBOLS)],
        "trade_id": str(key),
        "ts_event": NOW + key * 1_000_000,
        "price": f"7245.{key % 100}",
        "size": "0.5",
        "side": "sell",
    } | changes


class Inserter(threading.Thread):
    """Inserts batch after batch until stopped; what may have been inserted is made certain."""

    def __init__(self, uri: str, exchange: str, first: int = 0, pause_s: float = 0.01) -> None:
        super().__init__(name="inserter")
        self._client: MongoClient[Any] = MongoClient(uri, w="majority", journal=True)
        self._collection = self._client[exchange]["trades"]
        self._exchange = exchange
        self._next = first
        self._pause_s = pause_s
        self._done = threading.Event()
        self.acked: set[str] = set()

    def run(self) -> None:
        while not self._done.wait(self._pause_s):
            keys = range(self._next, self._next + 20)
            documents = [document(self._exchange, key) for key in keys]
            while True:
                try:
                    self._collection.insert_many(documents, ordered=False)
                except BulkWriteError as error:
                    codes = {one["code"] for one in error.details["writeErrors"]}
                    if codes != {DUPLICATE_KEY} or error.details["writeConcernErrors"]:
                        time.sleep(0.05)
                        continue
                except PyMongoError:
                    time.sleep(0.05)
                    continue
                break
            self.acked.update(str(key) for key in keys)
            self._next += len(keys)

    def finish(self) -> set[str]:
        """Stop; the ids that MongoDB acknowledged."""
        self._done.set()
        self.join()
        self._client.close()
        return self.acked


@contextlib.contextmanager
def inserting(uri: str, exchange: str, first: int = 0) -> Iterator[Inserter]:
    """Insert as long as the block runs."""
    inserter = Inserter(uri, exchange, first)
    inserter.start()
    try:
        yield inserter
    finally:
        inserter.finish()


class ListenerProcess:
    """``tradercast listener`` of an exchange's database, started and ended as often as it takes."""

    def __init__(self, folder: Path, uri: str, bootstrap: str, exchange: str, *more: str) -> None:
        self._log = folder / f"listener-{exchange}-{random.getrandbits(32):x}.txt"
        command = [sys.executable, "-m", "tradercast", "listener", "--json", "--mongo", uri]
        command += ["--kafka", bootstrap, "--id", exchange, "--partitions", "2"]
        self._command = [*command, "--collections", f"{exchange}.trades", *more]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> float:
        """SIGTERM; how long it took to end, with exit code 0."""
        assert self._process is not None
        began = time.monotonic()
        self._process.terminate()
        assert self._process.wait(30) == 0, self.log()
        return time.monotonic() - began

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait(self, timeout_s: float) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()

    def __enter__(self) -> ListenerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Topic:
    """What is in a topic, as a consumer that reads committed records sees it."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._name = name
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "check",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "topic.metadata.refresh.interval.ms": 200,
                "log_level": 0,
            }
        )
        self._assigned = False
        self.values: list[bytes] = []

    def poll(self, timeout_s: float = 0.2) -> bool:
        """Take what there is; whether there was anything."""
        if not self._assigned:
            topic = self._consumer.list_topics(timeout=30).topics.get(self._name)
            if topic is None:
                time.sleep(timeout_s)
                return False
            parts = [TopicPartition(self._name, part, 0) for part in topic.partitions]
            self._consumer.assign(parts)
            self._assigned = True
        found = [one for one in self._consumer.consume(1_000, timeout_s) if one.error() is None]
        self.values += [one.value() or b"" for one in found]
        return bool(found)

    def wait_for_values(self, count: int, timeout_s: float = 30) -> list[bytes]:
        until = time.monotonic() + timeout_s
        while len(self.values) < count:
            self.poll()
            assert time.monotonic() < until, f"{len(self.values)} of {count} records came"
        return self.values

    def wait_for_ids(
        self, ids: set[str], log: Any, timeout_s: float = 60, *, quiet_s: float = 1.0
    ) -> list[Message]:
        """Read until every id is there, and nothing came for a while; the messages so far."""
        until = time.monotonic() + timeout_s
        messages: list[Message] = []
        missing = set(ids)
        while missing:
            self.poll()
            for value in self.values[len(messages) :]:
                messages.append(decode_message(value))
                missing.difference_update(ids_of(messages[-1]))
            assert time.monotonic() < until, f"{len(missing)} ids are lost\n{log()[-3000:]}"
        while quiet_s and self.poll(quiet_s):
            pass
        return [decode_message(value) for value in self.values]

    def close(self) -> None:
        self._consumer.close()


def ids_of(message: Message) -> list[str]:
    """The ids of a message's trades."""
    assert message.trades.trade_id is not None
    corrected = {fix.row for fix in message.corrections}
    ids = message.trades.trade_id.to_strings()
    return [one or "" for row, one in enumerate(ids) if row not in corrected]


def check(acked: set[str], messages: list[Message]) -> int:
    """Nothing lost, nothing twice but where a message says so, numbers without a hole.

    Returns how many records came again, all in messages that say that this may be.
    """
    numbers: dict[str, int] = {}
    for message in messages:
        feed = str(message.feed)
        assert message.number == numbers.get(feed, 0), f"a hole or a repetition in {feed}"
        numbers[feed] = message.number + 1
    certain = Counter(one for m in messages if not m.repeats_anywhere for one in ids_of(m))
    every = Counter(one for m in messages for one in ids_of(m))
    lost = acked - every.keys()
    assert not lost, f"lost {len(lost)}, such as {sorted(lost)[:3]}"
    twice = {one: count for one, count in certain.items() if count > 1}
    assert not twice, f"{len(twice)} ids twice, and no message says so"
    return sum(every.values()) - len(every)
