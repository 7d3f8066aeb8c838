"""Runs a strategy over records, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from tradercast.feeds import FeedId
from tradercast.market.candle_roll import CandleRoll
from tradercast.market.desk import Desk
from tradercast.market.interval import MINUTE, Interval
from tradercast.market.orders import Fill
from tradercast.market.paper_broker import PaperBroker
from tradercast.market.paper_market import PaperMarket
from tradercast.market.replay_events import ReplayBook, ReplayCandle, ReplayTrade, rows_of
from tradercast.market.replay_merge import ReplayBatch
from tradercast.market.strategy import Strategy
from tradercast.notes import Gap
from tradercast.timerange import MIN_TIME_NS, NS_PER_S

EQUITY_STEP_NS = 60 * NS_PER_S


class EquityPoint(NamedTuple):
    """What an account is worth: at the whole minutes that had records, and after each fill."""

    ts: int
    cash: Decimal
    equity: Decimal


class StrategyRun:
    """One run of a strategy.

    Parameters
    ----------
    strategy : Strategy
    broker : PaperBroker

    Raises
    ------
    UsageError
        If its interval is none.
    """

    def __init__(self, strategy: Strategy, broker: PaperBroker) -> None:
        named = strategy.interval
        self._interval = None if named is None else Interval.parse(named)
        self._strategy = strategy
        self._handlers: dict[str, Callable[[PaperMarket, Any], None]] = {
            "trade": self._trade,
            "book": self._book,
            "candle": self._candle,
            "gap": self._gap,
        }  # a correction is about what was acted upon already
        self._feed: FeedId | None = None
        self._market = PaperMarket()
        self._roll: CandleRoll | None = None
        self._rolls: dict[str, CandleRoll] = {}
        self._newest_minute: dict[str, int] = {}
        self._has_ticks: set[str] = set()
        self._has_trades: set[str] = set()
        self._next_point_ns = MIN_TIME_NS
        self.desk = Desk(broker, self._filled)
        self.curve: list[EquityPoint] = []
        self.records = 0
        self.first_ns: int | None = None
        strategy._desk, strategy._is_stopped = self.desk, False
        strategy.on_start()

    @property
    def is_stopped(self) -> bool:
        """Whether the strategy wants no more."""
        return self._strategy._is_stopped

    def take(self, batch: ReplayBatch) -> None:
        """The next records; those behind a stop are left."""
        desk, strategy, handlers = self.desk, self._strategy, self._handlers
        for feed, _, ts, kind, data in rows_of(batch):
            if strategy._is_stopped:
                return
            if ts >= self._next_point_ns:
                self._note_time(ts)
            if feed is not self._feed:
                self._turn_to(feed)
            desk.now = ts
            if desk.on_way:
                desk.deliver()
            if kind in handlers:
                handlers[kind](self._market, data)
                if desk.on_way:
                    desk.deliver()
            self.records += 1

    def finish(self) -> None:
        """No more records come: the account as it is now."""
        if self.first_ns is not None:
            self._note(self.desk.now)

    def _turn_to(self, feed: FeedId) -> None:
        """The next records are of this feed."""
        self._feed = feed
        name = self.desk.market = f"{feed.exchange}/{feed.symbol}"
        self._market = self.desk.markets[name]
        if feed.channel != "candles-1m":
            self._has_ticks.add(name)
        if feed.channel == "trades":
            self._has_trades.add(name)
            self._roll = None if self._interval is None else self._roll_of(name, self._interval)

    def _trade(self, market: PaperMarket, trade: ReplayTrade) -> None:
        if market.orders:
            self.desk.book(market.traded(trade.price), self.desk.now)
        else:
            market.last = trade.price
        if self._roll is not None:
            for candle in self._roll.trade(trade):
                self._strategy.on_candle(candle)
        self._strategy.on_trade(trade)

    def _book(self, market: PaperMarket, message: ReplayBook) -> None:
        self.desk.book(market.changed(message), self.desk.now)
        self._strategy.on_book(market.book)

    def _candle(self, market: PaperMarket, minute: ReplayCandle) -> None:
        name = self.desk.market
        if minute.ts_open <= self._newest_minute.get(name, MIN_TIME_NS):
            return  # it replaces one that was acted upon already
        self._newest_minute[name] = minute.ts_open
        if name not in self._has_ticks:
            self.desk.book(market.passed(minute), self.desk.now)
        if name not in self._has_trades:
            for candle in self._roll_of(name, self._interval or MINUTE).minute(minute):
                self._strategy.on_candle(candle)

    def _gap(self, market: PaperMarket, gap: Gap) -> None:
        assert self._feed is not None
        if self._feed.channel == "book":
            market.book.valid = False
        self._strategy.on_gap(gap)

    def _roll_of(self, market: str, interval: Interval) -> CandleRoll:
        if market not in self._rolls:
            self._rolls[market] = CandleRoll(interval)
        return self._rolls[market]

    def _filled(self, fill: Fill) -> None:
        self._note(fill.ts)
        self._strategy.on_fill(fill)

    def _note_time(self, ts: int) -> None:
        """The account at the last whole minute, before the record at `ts`."""
        if self.first_ns is None:
            self.first_ns = ts
            self._note(ts)
        else:
            self._note(ts - ts % EQUITY_STEP_NS)
        self._next_point_ns = ts - ts % EQUITY_STEP_NS + EQUITY_STEP_NS

    def _note(self, ts: int) -> None:
        point = EquityPoint(ts, self.desk.cash, self.desk.equity())
        if self.curve and self.curve[-1].ts >= ts:
            self.curve[-1] = point._replace(ts=self.curve[-1].ts)
        else:
            self.curve.append(point)
