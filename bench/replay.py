"""Replays: the merge of two feeds in memory, all of it from the disk, a strategy over it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np

from bench.codec import best
from bench.market import Market
from bench.publishing import FEED, publish_arrays
from tradercast.client.client import Client
from tradercast.client.strategies import backtest
from tradercast.feeds import FeedId
from tradercast.market.replay_events import ReplayTrade, events
from tradercast.market.replay_merge import Merge, ReplayBatch
from tradercast.market.replay_times import FeedTimes
from tradercast.market.strategy import Strategy
from tradercast.records import Trades

_ROWS = 65_536
_ONE_BY_ONE = 1_000_000
_OTHER = FeedId(FEED.exchange, "ethusdt")


def merged(feeds: dict[FeedId, Trades]) -> Iterator[ReplayBatch]:
    """Batches of the merged feeds, each read in chunks."""
    merge = Merge(len(feeds))
    times = [FeedTimes(feed, by_receipt=False) for feed in feeds]
    runs = list(feeds.values())
    seqs = [np.arange(len(run)) for run in runs]
    at = [0] * len(runs)
    waited_for = set(range(len(runs)))
    while waited_for:
        for feed, run in enumerate(runs):
            rows = slice(at[feed], at[feed] + _ROWS)
            if not merge.is_empty(feed):
                continue
            if at[feed] >= len(run):
                merge.pass_over(feed)
                waited_for.discard(feed)
                continue
            merge.add(feed, times[feed].take(run[rows], seqs[feed][rows]))
            at[feed] += _ROWS
        batch = merge.take()
        if batch is not None:
            yield batch


def columns(batches: Iterator[ReplayBatch]) -> int:
    """Take the time, feed, row and number of every record; how many there are."""
    count = 0
    for batch in batches:
        assert len(batch.part) == len(batch.row) == len(batch.seq) == len(batch.ts)
        count += len(batch)
    return count


def one_by_one(batches: Iterator[ReplayBatch]) -> int:
    """Take the payload of every record; how many there are."""
    return sum(1 for event in events(batches) if event.data)


class Counting(Strategy):
    """Looks at each trade's price, and does nothing."""

    def on_start(self) -> None:
        self.highest = Decimal(0)

    def on_trade(self, trade: ReplayTrade) -> None:
        if trade.price > self.highest:
            self.highest = trade.price


async def measure(market: Market, folder: Path, repeats: int = 5) -> dict[str, float]:
    """Records a second, one thread; from the disk with what reads and decodes."""
    half = len(market) // 2
    feeds = {FEED: market[:half].trades(), _OTHER: market[: half - 1].trades()}
    few = {feed: run[: _ONE_BY_ONE // 2] for feed, run in feeds.items()}
    both, fewer = sum(map(len, feeds.values())), sum(map(len, few.values()))
    found = {
        "replay_merge_records_per_s": both / best(lambda: columns(merged(feeds)), repeats),
        "replay_merge_one_by_one_records_per_s": fewer / best(lambda: one_by_one(merged(few)), 3),
    }
    data_dir = folder / "replay"
    await publish_arrays(market, data_dir)
    with Client(data_dir) as client:
        name, last = str(FEED), int(market.ms[min(_ONE_BY_ONE, len(market)) - 1]) * 1_000_000

        def batches() -> int:
            return columns(client.replay(name, sync=False, batches=True))

        def singles() -> int:
            return sum(1 for event in client.replay(name, None, last, sync=False) if event.data)

        assert batches() == len(market)
        found["replay_records_per_s"] = len(market) / best(batches, repeats)
        found["replay_one_by_one_records_per_s"] = singles() / best(singles, 3)

        def strategy() -> int:
            return backtest(Counting(), name, None, last, client=client, sync=False).records

        found["strategy_trades_per_s"] = strategy() / best(strategy, 3)
    shutil.rmtree(data_dir, ignore_errors=True)
    return found
