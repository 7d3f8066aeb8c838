"""A market of trades and a book that one process publishes and another trades on, both live.

::

    live = publisher.start_script(live_market.HERE, "publish", address)
    live.tell({"to_ns": 10**9 + START})     # append what happens until then, in batches of any size
    trader = reader.start_script(live_market.HERE, "trade", link)
    trader.event("fills")["fills"]          # when the strategy has stopped itself

The two feeds are appended with no regard to each other: of what happens at one time either may
arrive first.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from support.books import ASK, BID, messages_of, row

import tradercast
from tradercast.addresses import parse_address
from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.feeds import FeedId
from tradercast.records import Decimals, Trades
from tradercast.timerange import parse_time_ns

HERE = Path(__file__)
TRADES, BOOK = FeedId("bitfinex", "btcusd"), FeedId("bitfinex", "btcusd", "book")
START = parse_time_ns("2024-01-05T22:10:00Z")
STEP = 100_000_000
STEPS = 1_500  # two and a half minutes
STOP = START + 1_450 * STEP


def market() -> tuple[Trades, BookMessages]:
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


class Quoter(tradercast.Strategy):
    """Quotes both sides of the book, against what it holds; leaves at the market now and then."""

    interval = "1m"

    def on_book(self, book: Any) -> None:
        if self.now >= STOP:
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


BROKER = tradercast.PaperBroker("100000", "-0.0001", "0.0005", latency_ns=30_000_000)
RUN: dict[str, Any] = {"channels": ["trades", "book"], "broker": BROKER}


async def _publish(data_dir: Path, address: str) -> None:
    from tradercast.client.hosting import HostOptions, hosting
    from tradercast.client.node import Node
    from tradercast.client.publishing import feed_writer, own_link
    from tradercast.paths import DataDir

    loop = asyncio.get_running_loop()
    options = HostOptions(listen=parse_address(address), dht=None)
    async with (
        Node(DataDir.locate(data_dir)) as node,
        hosting(node, options) as host,
        feed_writer(node, TRADES, listed_at_once=True) as trades,
        feed_writer(node, BOOK, listed_at_once=True) as book,
    ):
        link = own_link(node)
        assert link is not None
        serving = asyncio.create_task(host.server.run())
        _say(event="ready", link=str(host.link(link.root)))
        feeds = list(zip((trades, book), market(), strict=True))
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            until = json.loads(line)["to_ns"]
            while any(_next_ns(writer, records) < until for writer, records in feeds):
                writer, records = random.choice(feeds)
                end = int(np.searchsorted(records.ts_event, until))
                await writer.append(_messages(records, writer.end_seq, end))
                await asyncio.sleep(random.random() / 100)
            _say(event="written", trades=trades.end_seq, book=book.end_seq)
        serving.cancel()


def _next_ns(writer: Any, records: Any) -> int:
    times = records.ts_event
    return int(times[writer.end_seq]) if writer.end_seq < len(times) else 2**63


def _messages(records: Any, start: int, end: int) -> list[Any]:
    """Some of the next records, in a few messages of random sizes."""
    cuts = sorted({start, *(random.randint(start, min(end, start + 60)) for _ in range(4))})
    return [records[one:two] for one, two in itertools.pairwise(cuts)]


def _trade(data_dir: Path, link: str) -> None:
    class Told(Quoter):
        def on_fill(self, fill: Any) -> None:
            _say(event="fill", ts=fill.ts)

    with tradercast.connect(data_dir, link=link) as client:
        result = tradercast.live(Told(), str(TRADES).rpartition("/")[0], client=client, **RUN)
    _say(event="fills", fills=result.rows(), records=result.records, pnl=str(result.pnl))


def _say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    directory, role, where = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if role == "publish":
        asyncio.run(_publish(directory, where))
    else:
        _trade(directory, where)
