"""Minute candles beside the trades that a feeder writes: the same blocks, whatever is cut."""

from __future__ import annotations

import random
from pathlib import Path

from support.candles import candle_rows, plain_candles, trade_rows
from support.feeding import feed, numbered
from support.feeds import Logs, batches, logs_of, market, open_writer
from support.stores import open_store

from tradercast.candles import Candles
from tradercast.chunks import decode_candles
from tradercast.feed.candle_source import minute_candles
from tradercast.feeds import FeedId
from tradercast.market.minute_candles import CLOSES, last_of_each
from tradercast.pipeline.messages import Message

MADE = FeedId("bitfinex", "btcusd", "candles-1m")
TRADES = market(12_000, per_hour=2_000, jitter_s=9)  # six hours; some trades are too late
MESSAGES = numbered(list(batches(TRADES, [40, 1, 233])))


async def fed(
    directory: Path, messages: list[Message], ends: list[int], sizes: list[int], *, first: int = 0
) -> Logs:
    """The logs of candles after feeders that each ended at one of these messages.

    The first `first` of them are fed without candles.
    """
    async with open_store(directory) as store:
        if first:
            await feed(store, directory, messages[:first])
        for end in ends:
            await feed(store, directory, messages[:end], sizes=sizes, candles=True)
        return await logs_of(store, MADE)


def records(logs: Logs) -> Candles:
    """What the tail holds: nothing of it was dropped."""
    return Candles.concat([decode_candles(block)[1] for block in logs.tail if block])


async def test_restarts_and_batches_change_no_block(tmp_path: Path) -> None:
    rng = random.Random(7)
    ends = [*sorted(rng.sample(range(len(MESSAGES)), 4)), len(MESSAGES)]

    whole = await fed(tmp_path / "whole", MESSAGES, [len(MESSAGES)], [1_000])
    parts = await fed(tmp_path / "parts", MESSAGES, ends, [1, 7, 30])
    later = await fed(tmp_path / "later", MESSAGES, [len(MESSAGES)], [50], first=60)

    made = last_of_each(records(whole))
    rows = plain_candles(trade_rows(TRADES), "1m")
    top = int(TRADES.ts_event.max())
    assert candle_rows(made) == [row for row in rows if row.ts_open + CLOSES <= top]
    assert len(made) >= 350
    assert len(records(whole)) > len(made)
    assert len(whole.archive) == 2  # of the day that is over
    assert whole.digest() == parts.digest() == later.digest()


async def test_candles_that_were_lost_are_made_again(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, MESSAGES[:50], candles=True)
        await feed(store, tmp_path, MESSAGES[:90])  # without: the candles stay behind
        await feed(store, tmp_path, MESSAGES, candles=True)
        behind = await logs_of(store, MADE)
        async with open_writer(store, tmp_path) as source:
            again = Candles.concat([each async for each in minute_candles(source.history)])

    whole = await fed(tmp_path / "whole", MESSAGES, [len(MESSAGES)], [1_000])
    assert behind.digest() == whole.digest()
    assert records(behind).equals(again)
