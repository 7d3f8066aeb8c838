"""A feed of minute candles that is kept up with the trades beside it."""

from __future__ import annotations

import asyncio

import numpy as np

from tradercast.feed.candle_source import machine_at, minute_candles
from tradercast.feed.writer import FeedWriter
from tradercast.market.minute_candles import MinuteCandles
from tradercast.records import Trades


class CandleWriter:
    """Appends what trades come to: one message for each record of trades that decides something.

    The message has that record's number, so the log itself says where to go on.

    Parameters
    ----------
    trades, candles : FeedWriter
        Of the two feeds of one symbol.
    """

    def __init__(self, trades: FeedWriter, candles: FeedWriter) -> None:
        self._trades = trades
        self._candles = candles
        self._machine: MinuteCandles | None = None
        self._next_seq = 0

    async def take(self, first_seq: int, records: Trades) -> None:
        """Take in records that are durable in the feed of trades; durable itself at the return."""
        if self._machine is None or first_seq != self._next_seq:
            await self.catch_up()
        else:
            await self._push(records)

    async def catch_up(self) -> None:
        """Take in what the log of trades has and the candles do not say yet."""
        history, done = self._trades.history, self._candles.message
        start = 0 if done is None else done + 1
        if done is None and self._candles.end_seq:  # they were imported
            start = self._trades.end_seq
            await self._candles.import_batches(minute_candles(history))
        self._machine, self._next_seq = await machine_at(history, start), start
        async for first, records in history.since(start):
            await self._push(records[max(0, start - first) :])

    async def _push(self, records: Trades) -> None:
        assert self._machine is not None
        derived = await asyncio.to_thread(self._machine.push, records)
        self._next_seq += len(records)
        if not len(derived.seq):
            return
        edges = np.flatnonzero(np.diff(derived.seq)) + 1
        starts = [0, *edges.tolist()]
        ends = [*edges.tolist(), len(derived.seq)]
        messages = [derived.candles[a:b] for a, b in zip(starts, ends, strict=True)]
        await self._candles.append(messages, derived.seq[starts].tolist())
