"""Trades, a book and candles that one process publishes and others trade on, all live.

::

    live = publisher.start_script(live_market.HERE, "publish", address)
    live.tell({"to_step": 250})             # append what happens until then, in batches of any size
    trader = reader.start_script(live_market.HERE, "trade", link, "ticks")    # or "minutes"
    trader.event("fills")["fills"]          # when the strategy has stopped itself
    other.start_script(live_market.HERE, "watch", link, "ticks").event("watched")

A step is 100 ms of trades and a book, and a minute of candles, which are another symbol's.  The
feeds are appended with no regard to each other: of what happens at one time any may arrive first.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support.books import ASK, BID, messages_of, row

import tradercast
from tradercast.addresses import parse_address
from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.candles import Candles
from tradercast.feeds import FeedId
from tradercast.market.interval import MINUTE
from tradercast.records import Decimals, Trades
from tradercast.timerange import parse_time_ns

HERE = Path(__file__)
TRADES, BOOK = FeedId("bitfinex", "btcusd"), FeedId("bitfinex", "btcusd", "book")
START = parse_time_ns("2024-01-05T22:10:00Z")
STEP = 100_000_000
STEPS = 1_500  # two and a half minutes
LAST = 1_450  # the step at which the strategies stop
MINUTES = FeedId("bitfinex", "ethusd", "candles-1m")


def ticks() -> tuple[Trades, BookMessages]:
    """Half the steps have a trade or two, and each a change of the best levels of the book."""
    rng = np.random.default_rng(5)
    middle = 40_000 + np.cumsum(rng.integers(-2, 3, STEPS))
    rows = [row(START, (BID, middle[0] - 1, 5), (ASK, middle[0] + 1, 5), snapshot=True)]
    for at in range(1, STEPS):
        old, new = int(middle[at - 1]), int(middle[at])
        gone = [] if old == new else [(BID, old - 1, 0), (ASK, old + 1, 0)]
        size = int(rng.integers(1, 9))
        rows.append(row(START + at * STEP, *gone, (BID, new - 1, size), (ASK, new + 1, size)))
    counts = rng.integers(0, 3, STEPS)
    step = np.repeat(np.arange(STEPS), counts)
    late = rng.integers(0, STEP, len(step)) * (rng.random(len(step)) < 0.7)  # others are on time
    times = np.sort(START + step * STEP + late)
    side = rng.integers(1, 3, len(step)).astype(np.uint8)
    price = middle[step] + np.where(side == 1, 1, -1) * rng.integers(1, 3, len(step))
    size = Decimals.from_ints(rng.integers(1, 500, len(step)), -2)
    return Trades(times, Decimals.from_ints(price), size, side), messages_of(rows)


def minutes() -> Candles:
    """A candle a step; now and then an older one comes again, with more volume."""
    rng = np.random.default_rng(6)
    close = 2_000 + np.cumsum(rng.integers(-3, 4, STEPS))
    opened = np.concatenate([close[:1], close[:-1]])
    shadows = rng.integers(0, 3, (2, STEPS))
    high, low = np.maximum(opened, close) + shadows[0], np.minimum(opened, close) - shadows[1]
    prices = (Decimals.from_ints(column) for column in (opened, high, low, close))
    volume = rng.integers(1, 900, STEPS)
    at = np.arange(STEPS)
    again = at % 40 == 39
    rows = np.concatenate([at, at[again] - 3])[np.argsort([*at, *at[again] + 0.5])]
    volume = volume[rows] + 1_000 * (np.diff(rows, prepend=0) < 0)
    names = ("open", "high", "low", "close")
    columns = {name: price[rows] for name, price in zip(names, prices, strict=True)}
    return Candles(START + rows * MINUTE.step_ns, **columns, volume=Decimals.from_ints(volume, -2))


class Quoter(tradercast.Strategy):
    """Quotes both sides of the book, against what it holds; leaves at the market now and then."""

    interval = "1m"

    def on_book(self, book: Any) -> None:
        if self.now >= START + LAST * STEP:
            self.stop()
        bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
        if self.now // STEP % 5 or bid is None or ask is None:
            return
        self.cancel()
        if self.position() < 3:
            self.buy("0.5", bid[0] - self.position())
        if self.position() > -3:
            self.sell("0.5", ask[0] - self.position())

    def on_candle(self, candle: Any) -> None:
        if self.position():
            send = self.sell if self.position() > 0 else self.buy
            send(abs(self.position()))


class Follower(tradercast.Strategy):
    """Goes with two candles of one direction, and leaves at a better price than the last."""

    def on_start(self) -> None:
        self.before = 0

    def on_candle(self, candle: Any) -> None:
        if self.now >= START + LAST * MINUTE.step_ns:
            self.stop()
        now = (candle.close > candle.open) - (candle.close < candle.open)
        self.cancel()
        if self.position():
            send = self.sell if self.position() > 0 else self.buy
            send("0.5", candle.close + 2 * (1 if self.position() > 0 else -1))
        if now and now == self.before and abs(self.position() + now) <= 3:
            (self.buy if now > 0 else self.sell)("0.5")
        self.before = now


@dataclass(frozen=True)
class Kind:
    """A strategy, and what it runs on."""

    step_ns: int
    feeds: dict[FeedId, Any]
    strategy: type[tradercast.Strategy]

    @property
    def run(self) -> dict[str, Any]:
        """How it is run, over history and live."""
        first = next(iter(self.feeds))
        broker = tradercast.PaperBroker("100000", "-0.0001", "0.0005", latency_ns=30_000_000)
        return {
            "symbols": f"{first.exchange}/{first.symbol}",
            "channels": [feed.channel for feed in self.feeds],
            "broker": broker,
        }

    @property
    def records(self) -> int:
        """Those of all feeds."""
        return sum(map(len, self.feeds.values()))

    def time_of(self, step: int) -> int:
        """When it begins."""
        return START + step * self.step_ns


KINDS = {
    "ticks": Kind(STEP, dict(zip((TRADES, BOOK), ticks(), strict=True)), Quoter),
    "minutes": Kind(MINUTE.step_ns, {MINUTES: minutes()}, Follower),
}


async def _publish(data_dir: Path, address: str) -> None:
    from tradercast.client.hosting import HostOptions, hosting
    from tradercast.client.node import Node
    from tradercast.client.publishing import feed_writer, own_link
    from tradercast.paths import DataDir

    loop = asyncio.get_running_loop()
    options = HostOptions(listen=parse_address(address), dht=None)
    async with contextlib.AsyncExitStack() as stack:
        node = await stack.enter_async_context(Node(DataDir.locate(data_dir)))
        host = await stack.enter_async_context(hosting(node, options))
        feeds = []
        for kind in KINDS.values():
            for feed, records in kind.feeds.items():
                made = feed_writer(node, feed, listed_at_once=True)
                feeds.append((await stack.enter_async_context(made), records, kind))
        link = own_link(node)
        assert link is not None
        serving = asyncio.create_task(host.server.run())
        _say(event="ready", link=str(host.link(link.root)))
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            step = json.loads(line)["to_step"]
            todo = [(writer, records, _end(records, kind, step)) for writer, records, kind in feeds]
            while todo := [each for each in todo if each[0].end_seq < each[2]]:
                writer, records, end = random.choice(todo)
                await writer.append(_messages(records, writer.end_seq, end))
                await asyncio.sleep(random.random() / 100)
            _say(event="written")
        serving.cancel()


def _end(records: Any, kind: Kind, step: int) -> int:
    """How many records there are before a step."""
    return int(np.maximum.accumulate(records.ts_event).searchsorted(kind.time_of(step)))


def _messages(records: Any, start: int, end: int) -> list[Any]:
    """Some of the next records, in a few messages of random sizes."""
    cuts = sorted({start, *(random.randint(start, min(end, start + 60)) for _ in range(4))})
    return [records[one:two] for one, two in itertools.pairwise(cuts)]


def _trade(data_dir: Path, link: str, kind: Kind) -> None:
    class Told(kind.strategy):  # type: ignore[misc, name-defined]
        def on_fill(self, fill: Any) -> None:
            _say(event="fill", ts=fill.ts)

    with tradercast.connect(data_dir, link=link) as client:
        result = tradercast.live(Told(), client=client, **kind.run)
    _say(event="fills", fills=result.rows(), records=result.records, pnl=str(result.pnl))


def _watch(data_dir: Path, link: str, kind: Kind) -> None:
    """Replay until there is all of it: which feeds came whole, and how many batches were live."""
    wanted = {"symbols": kind.run["symbols"], "channels": kind.run["channels"], "batches": True}
    runs: dict[FeedId, list[Any]] = {feed: [] for feed in kind.feeds}
    live = 0
    with tradercast.connect(data_dir, link=link) as client:
        batches: Any = client.replay(**wanted)
        while sum(len(part) for parts in runs.values() for part in parts) < kind.records:
            batch = next(batches)
            live += batch.live
            for part in batch.parts:
                runs[part.feed].append(part)
            _say(event="watching", ts=int(batch.ts[-1]))
        batches.close()
    came_whole = {
        str(feed): np.concatenate([part.seq for part in runs[feed]]).tolist()
        == list(range(len(records)))
        and type(records).concat([part.records for part in runs[feed]]).equals(records)
        for feed, records in kind.feeds.items()
    }
    _say(event="watched", whole=came_whole, live=live)


def _say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    directory, role, where = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if role == "publish":
        asyncio.run(_publish(directory, where))
    else:
        (_trade if role == "trade" else _watch)(directory, where, KINDS[sys.argv[4]])
