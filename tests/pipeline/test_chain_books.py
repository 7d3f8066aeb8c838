"""Books from an exchange through MongoDB and Kafka to peers: real servers, own processes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.chain import FeederNode
from support.commands import EPHEMERAL, Command, Machine, machine, wait_until
from support.exchange import FakeExchange, exchange
from support.listening import ListenerProcess, Topic
from support.real_data import real
from support.stores import blocks_of, open_store

from tradercast.book_messages import BookMessages
from tradercast.chunks import decode_book
from tradercast.feed.entries import MAIN
from tradercast.feed.identity import Identity
from tradercast.feeds import FeedId
from tradercast.pipeline.book_batches import BookBatch, decode_any

pytestmark = pytest.mark.timeout(300)

CAPTURE = "BITFINEX.ws.11.0.gz"
REAL = ("bftusd", "ioteth", "dogusd", "mnabtc", "odeusd", "testbtctestusd", "sngusd")
START = (("10", 2, "1.5"), ("9", 1, "3"), ("11", 4, "-2"))
BTC = FeedId("bitfinex", "btcusd", "book")
DAY_MS = 86_400_000


@dataclass
class Chain:
    """A database of its own, and what carries its books to a feeder's node."""

    mongodb: Any
    name: str
    listener: ListenerProcess
    feeder: FeederNode
    topic: Topic

    @property
    def uri(self) -> str:
        before, _, options = self.mongodb.uri.partition("/?")
        return f"{before}/{self.name}?{options}"

    def documents(self, feed: FeedId | None = None) -> list[dict[str, Any]]:
        """Those of a book in the order of their numbers, or of all."""
        wanted = {} if feed is None else {"_id.symbol": feed.symbol}
        with self.mongodb.client() as client:
            return list(client[self.name]["book"].find(wanted).sort("_id", 1))

    def count(self) -> int:
        with self.mongodb.client() as client:
            return int(client[self.name]["book"].count_documents({}))

    def carried(self, documents: int) -> list[BookBatch]:
        """Wait until all of them are durable at the feeder; the messages that they became."""
        until = time.monotonic() + 120
        while True:
            batches = [decode_any(value) for value in self.topic.values]
            books = [batch for batch in batches if isinstance(batch, BookBatch)]
            if sum(len(batch.records) for batch in books) >= documents:
                break
            assert time.monotonic() < until, self.listener.log()[-3000:]
            self.topic.poll()
        for feed, number in {batch.feed: batch.number for batch in books}.items():
            self.feeder.running.reaches(number, feed, 120)
        return books


@pytest.fixture
def chain(
    mongodb: Any, kafka: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Chain]:
    name = "x" + hashlib.blake2b(request.node.nodeid.encode(), digest_size=6).hexdigest()
    more = ("--book-collections", f"{name}.book", "--topic-template", f"{name}.{{channel}}")
    listener = ListenerProcess(tmp_path, mongodb.uri, kafka.bootstrap, name, *more)
    topic = Topic(kafka.bootstrap, f"{name}.book")
    with machine(tmp_path / "feeder") as node:
        topics = f"{name}.book,{name}.trades"  # by the first of them feeds are listed
        made = Chain(mongodb, name, listener, FeederNode(node, kafka.bootstrap, topics), topic)
        listener.start()
        try:
            yield made
        finally:
            listener.close()
            topic.close()


def written(address: str) -> int:
    """Book messages that a collector has made durable."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
        text = page.read().decode()
    found = re.findall(r"^tradercast_collect_book_written_total\{.*\} (\S+)$", text, re.MULTILINE)
    return int(sum(map(float, found)))


def stop(running: Command) -> None:
    running.signal(signal.SIGTERM)
    running.result(0, 20)


async def _blocks(node: Machine, feed: FeedId) -> tuple[list[bytes | None], BookMessages]:
    identity = Identity.load(node.data_dir / "identity")
    async with open_store(node.data_dir) as store:
        archive = await store.core(signer=identity.archive_signer(feed, MAIN))
        tail = await store.core(signer=identity.tail_signer(feed, MAIN))
        sealed = await blocks_of(archive, 0, (await archive.info()).length)
        blocks = await blocks_of(tail, 0, (await tail.info()).length)
    runs = [decode_book(block)[2] for block in blocks if block is not None]
    return sealed, BookMessages.concat(runs)


def blocks(node: Machine, feed: FeedId) -> tuple[list[bytes | None], BookMessages]:
    """The archive of a feed that was made here, and all that its tail has."""
    return asyncio.run(_blocks(node, feed))


def real_days_later(bitfinex: FakeExchange) -> set[FeedId]:
    """The recorded frames, and then a change of each book on each of the two next days."""
    for _ in range(2):
        bitfinex.wait("replayed", 60)
    with gzip.open(real("ws") / CAPTURE, "rt") as file:
        lines = [line.rstrip("\n").partition(": ") for line in file if line[:1].isdigit()]
    events = [json.loads(frame) for _, _, frame in lines if '"subscribed"' in frame]
    channels = [each["chanId"] for each in events if each["channel"] == "book"]
    number = json.loads(lines[-1][2])[-1]
    now_ms = int(float(lines[-1][0]) * 1_000)
    for day in (1, 2):
        for channel in channels:
            number += 1
            text = f"[{channel},[0.07,{day},1.5],{number},{now_ms + day * DAY_MS}]"
            bitfinex.do("frame", text=text)
    assert len(channels) == len(REAL)
    return {FeedId("bitfinex", symbol, "book") for symbol in REAL}


def troubled_days(bitfinex: FakeExchange) -> set[FeedId]:
    """Checksums, a wrong one, a lost connection, and a midnight behind each."""

    def subscribed() -> None:
        for _ in range(2):
            bitfinex.wait("subscribed", channel="book")

    subscribed()
    for n in range(40):
        bitfinex.levels("tBTCUSD", ("10", 1 + n, f"{n + 1}.25"), (f"{20 + n % 3}", 1, "-1e-7"))
    bitfinex.levels("tBTCUSD", ("10", 1, "7"), wrong=True)
    subscribed()
    bitfinex.levels("tBTCUSD", ("9", 0, "1"))
    bitfinex.do("later", ms=DAY_MS)
    bitfinex.levels("tBTCUSD", ("9", 2, "1"))
    bitfinex.do("abort")
    subscribed()
    bitfinex.levels("tBTCUSD", ("8", 2, "1"), ("8", 0, "1"))
    bitfinex.do("later", ms=DAY_MS)
    bitfinex.levels("tBTCUSD", ("8", 3, "4"))
    return {BTC}


@pytest.mark.parametrize(
    ("symbols", "play"), [(REAL, real_days_later), (("btcusd",), troubled_days)]
)
def test_the_blocks_are_those_of_a_book_that_is_collected_into_a_feed_at_once(
    chain: Chain,
    tmp_path: Path,
    symbols: tuple[str, ...],
    play: Callable[[FakeExchange], set[FeedId]],
) -> None:
    # Heartbeats are numbered, and come to each connection at another place.
    options = ["--heartbeat", "3600"]
    if play is real_days_later:
        options += ["--capture", str(real("ws") / CAPTURE), "--timed"]
    with exchange(*options) as bitfinex, contextlib.ExitStack() as stack:
        if play is troubled_days:
            bitfinex.levels("tBTCUSD", *START)
        nodes = [stack.enter_context(machine(tmp_path / name)) for name in ("one", "two")]
        channels = "trades,book" if play is real_days_later else "book"
        collect = ("collect", "bitfinex", *symbols, "--channels", channels, "--url", bitfinex.url)
        collect = (*collect, "--recv-precision", "none", "--metrics", EPHEMERAL)
        chain.feeder.start()
        running = [
            nodes[0].start(*collect, "--listen", EPHEMERAL, "--no-dht"),
            nodes[1].start(*collect, "--to", chain.uri),
        ]
        metrics = [each.event("metrics")["address"] for each in running]

        feeds = play(bitfinex)

        wait_until(lambda: 0 < chain.count() == written(metrics[0]) == written(metrics[1]))
        for each in running:
            stop(each)
        assert chain.count() == written_in(running[0]) == written_in(running[1])
        chain.carried(chain.count())
        chain.feeder.stop()
        nodes[0].rest()
        chain.feeder.node.rest()

        for feed in feeds:
            embedded, whole = blocks(nodes[0], feed)
            fed, tail = blocks(chain.feeder.node, feed)
            assert len(fed) == 4  # two days, each with its index
            assert fed == embedded
            assert tail.equals(whole)
            assert len(tail) == len(chain.documents(feed))
            if play is troubled_days:
                assert len(tail.notes) == 2
                assert int((tail.filled("checksum") > -(2**63)).sum()) > 80
                assert int(tail.is_snapshot.sum()) == 3


def written_in(collected: Command) -> int:
    """What a collector says at its end."""
    [line] = [line for line in collected.lines if line.get("event") == "collected"]
    return sum(line["books"].values())


def test_a_listener_and_a_feeder_that_are_killed_lose_and_repeat_no_message(
    chain: Chain, tmp_path: Path
) -> None:
    over = threading.Event()
    with exchange("--heartbeat", "1") as bitfinex, machine(tmp_path / "collector") as node:
        bitfinex.levels("tBTCUSD", *START)
        collector = node.start(
            *("collect", "bitfinex", "btcusd", "--channels", "book", "--url", bitfinex.url),
            # What was received years after it happened would be a dead letter.
            *("--to", chain.uri, "--recv-precision", "none"),
        )
        bitfinex.wait("subscribed", channel="book")

        def trade() -> None:
            n = 0
            while not over.wait(0.01):
                n += 1
                bitfinex.levels("tBTCUSD", ("10", 1, f"{n}.5"))

        trading = threading.Thread(target=trade)
        trading.start()
        try:
            wait_until(lambda: chain.count() > 50)
            chain.feeder.start()
            chain.listener.kill()
            time.sleep(1.0)
            chain.listener.start()
            wait_until(chain.topic.poll)
            chain.feeder.kill()
            time.sleep(1.0)
            chain.feeder.start()
            time.sleep(2.0)
        finally:
            over.set()
            trading.join()
        stop(collector)
        documents = chain.documents(BTC)
        batches = chain.carried(len(documents))
        with machine(tmp_path / "stranger") as stranger:
            link = chain.feeder.running.link
            stranger.sync("bitfinex/btcusd", "--channel", "book", "--from", link)
            stranger.verify()
            out = tmp_path / "book.jsonl"
            stranger.run("export", "bitfinex/btcusd", "--channel", "book", "--out", out)

    assert len(documents) > 100
    assert [batch.number for batch in batches] == list(range(len(batches)))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [told(row) for row in rows] == [told(document) for document in documents]


def told(said: dict[str, Any]) -> list[Any]:
    """What a record and its document have in common."""
    names = ("ts_event", "ts_recv", "is_snapshot", "last_id", "checksum", "bids", "asks")
    return [said.get(name) for name in names]
