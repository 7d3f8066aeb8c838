"""Feeders as their operators run them: commands beside a real broker, and a stranger who reads."""

from __future__ import annotations

import csv
import json
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Producer
from support.commands import EPHEMERAL, Command, Machine, machine, wait_until
from support.feeds import FEED

from tradercast.feeds import FeedId
from tradercast.pipeline.messages import Message, encode_message


class Writer:
    """What a listener is to a topic: writes messages, a call a transaction."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": topic,
                "linger.ms": 1,
                "log_level": 2,
            }
        )
        self._producer.init_transactions(30)

    def write(
        self, messages: Sequence[Message], *, partition: int = 0, abort: bool = False
    ) -> None:
        self._producer.begin_transaction()
        for message in messages:
            key = message.feed.symbol.encode()
            self._producer.produce(self.topic, encode_message(message), key, partition=partition)
        if abort:
            self._producer.flush(30)
            self._producer.abort_transaction(30)
        else:
            self._producer.commit_transaction(60)

    def write_slowly(self, messages: Sequence[Message], pause_s: float) -> threading.Thread:
        """Write one after the other in a thread, which is started."""
        rest = threading.Event()

        def work() -> None:
            for message in messages:
                self.write([message])
                rest.wait(pause_s)

        thread = threading.Thread(target=work, name="writer")
        thread.start()
        return thread


class Feeding(Command):
    """A running ``tradercast feeder`` that has said that it is ready."""

    ready: dict[str, object]

    @property
    def link(self) -> str:
        return str(self.ready["link"])

    @property
    def peer(self) -> str:
        return str(self.ready["peer"])

    def metric(self, name: str, feed: FeedId = FEED) -> int:
        """The value of a metric of a feed; -1 if there is none yet."""
        with urllib.request.urlopen(f"http://{self.ready['metrics']}/metrics", timeout=10) as page:
            text = page.read().decode()
        found = re.search(
            rf'^tradercast_feeder_{name}\{{feed="{feed}"\}} (\S+)$', text, re.MULTILINE
        )
        return int(float(found[1])) if found else -1

    def health(self) -> tuple[int, str | None]:
        """The status of its health check, and what it says is wrong."""
        try:
            with urllib.request.urlopen(f"http://{self.ready['metrics']}/health") as page:
                return page.status, json.load(page)["trouble"]
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)["trouble"]

    def reaches(self, message: int, feed: FeedId = FEED, timeout_s: float = 60.0) -> None:
        """Wait until a message is durable, and the catalog lists the feed for peers to find."""

        def there() -> bool:
            assert self.process.poll() is None, self._story("ended")
            return self.metric("message", feed) >= message and self.metric("listed", feed) == 1

        def complaint() -> str:
            is_at = {name: self.metric(name, feed) for name in ("message", "listed")}
            return self._story(f"does not reach message {message}, listed: {is_at}")

        wait_until(there, timeout_s, complaint)


def start_feeder(node: Machine, bootstrap: str, topic: str, *arguments: object) -> Feeding:
    """Start a feeder on free ports of the loopback interface and wait until it is ready."""
    command: Feeding = node._start(
        Feeding,
        (
            *("feeder", "--kafka", bootstrap, "--topics", topic),
            *("--listen", EPHEMERAL, "--no-dht", "--metrics", EPHEMERAL, *arguments),
        ),
        {},
    )
    command.ready = command.event("ready")
    return command


def copy_identity(source: Machine, target: Machine) -> None:
    """Give a second machine the publisher's keys, but not the node's."""
    target.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copytree(source.data_dir / "identity", target.data_dir / "identity")
    (target.data_dir / "identity" / "node.key").unlink()


def ids_that_a_stranger_reads(root: Path, link: str, feed: FeedId = FEED) -> list[str]:
    """The trade ids of a feed in order, synced from peers only and verified by a fresh node."""
    with machine(root) as reader:
        reader.sync(f"{feed.exchange}/{feed.symbol}", "--from", link)
        reader.verify()
        out = root / "out.csv"
        reader.run("export", f"{feed.exchange}/{feed.symbol}", "--out", out)
        with out.open(newline="") as file:
            return [row["trade_id"] for row in csv.DictReader(file)]
