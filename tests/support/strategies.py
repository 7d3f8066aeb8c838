"""Strategies over records that are written down, without a feed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tradercast.client.strategy_result import StrategyResult
from tradercast.feeds import FeedId
from tradercast.market.paper_broker import PaperBroker
from tradercast.market.replay_merge import Merge
from tradercast.market.replay_times import FeedTimes
from tradercast.market.strategy import Strategy
from tradercast.market.strategy_run import StrategyRun
from tradercast.records import Decimals, Trades
from tradercast.runs import Records

TRADES = FeedId("binance", "btcusdt", "trades")
BOOK = FeedId("binance", "btcusdt", "book")
CANDLES = FeedId("binance", "btcusdt", "candles-1m")


class Scripted(Strategy):
    """Does what it was told when so many records have come; notes all that it sees.

    ``Scripted({1: lambda s: s.buy("1")}, interval="1m")``: buys when the first one came.
    """

    def __init__(
        self, script: dict[int, Callable[[Strategy], Any]], *, interval: str | None = None
    ) -> None:
        self.script = script
        self.interval = interval

    def on_start(self) -> None:
        self.seen: list[tuple[str, int, Any]] = []
        self.count = 0
        self.candles: list[Any] = []

    def on_trade(self, trade: Any) -> None:
        self._note("trade", trade)

    def on_book(self, book: Any) -> None:
        self._note("book", book.valid)

    def on_gap(self, gap: Any) -> None:
        self._note("gap", gap)

    def on_fill(self, fill: Any) -> None:
        self.seen.append(("fill", self.now, fill))

    def on_candle(self, candle: Any) -> None:
        self.candles.append(candle)
        if "candle" in self.script:
            self.script["candle"](self)

    def _note(self, kind: str, what: Any) -> None:
        self.seen.append((kind, self.now, what))
        self.count += 1
        self.script.get(self.count, lambda strategy: None)(self)


def ran(
    strategy: Strategy,
    *feeds: tuple[FeedId, Records],
    broker: PaperBroker | None = None,
    cut: random.Random | None = None,
) -> StrategyResult:
    """Its run over feeds merged by the times of their events, in batches that `cut` makes."""
    merge = Merge(len(feeds))
    for at, (feed, records) in enumerate(feeds):
        seq = np.arange(len(records), dtype=np.int64)
        times = FeedTimes(feed, by_receipt=False)
        merge.add(at, times.take(records, seq, more=False))
        merge.pass_over(at)
    run = StrategyRun(strategy, broker or PaperBroker())
    batch = merge.take()
    assert batch is not None
    places = [] if cut is None else sorted(cut.choices(range(1, len(batch) + 1), k=20))
    for some in batch.cut(dict.fromkeys(places)):
        run.take(some)
    return StrategyResult(run)


def trades_of(*rows: tuple[int, str, str]) -> Trades:
    """Trades of ``(ts_event, price, size)``."""
    times, prices, sizes = zip(*rows, strict=True)
    return Trades(
        np.array(times, np.int64),
        Decimals.from_strings(list(prices)),
        Decimals.from_strings(list(sizes)),
        np.ones(len(rows), np.uint8),
    )


def shown(result: StrategyResult) -> list[tuple[int, str, str, str]]:
    """The fills as ``(ts, side, price, size)``."""
    return [(row["ts"], row["side"], row["price"], row["size"]) for row in result.rows()]
