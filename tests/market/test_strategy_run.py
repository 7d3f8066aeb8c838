"""What a strategy is told, when, and what its run adds up to."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest
from support.feeds import market
from support.strategies import CANDLES, TRADES, Scripted, ran, trades_of

from tradercast.candles import Candles
from tradercast.errors import UsageError
from tradercast.feeds import FeedId
from tradercast.market.candles import candles_of
from tradercast.market.interval import MINUTE, Interval
from tradercast.market.replay_events import ReplayCandle, events_of
from tradercast.market.replay_merge import ReplayBatch
from tradercast.market.replay_times import FeedTimes
from tradercast.market.strategy import Strategy
from tradercast.records import Trades

MARKET = market(4_000, per_hour=4_000, jitter_s=0)  # an hour


class Crossing(Strategy):
    """Buys above the average of the last candles, sells below it."""

    interval = "1m"

    def on_start(self) -> None:
        self.closes: list[Decimal] = []

    def on_candle(self, candle: ReplayCandle) -> None:
        self.closes = [*self.closes[-2:], candle.close]
        average = sum(self.closes) / len(self.closes)
        if candle.close > average and not self.position():
            self.buy("1")
        elif candle.close < average and self.position():
            self.sell("1", candle.close)


def test_candles_are_those_of_the_trades_but_for_the_last() -> None:
    for interval in ("1s", "1m", "5m"):
        strategy = Scripted({}, interval=interval)
        ran(strategy, (TRADES, MARKET))
        expected = candles_of(MARKET, Interval.parse(interval))

        assert strategy.candles == plain(expected)[:-1]


def test_hours_of_minute_candles_are_those_of_trades() -> None:
    minutes = candles_of(market(9_000, per_hour=3_000, jitter_s=0), MINUTE)
    strategy = Scripted({}, interval="1h")
    ran(strategy, (CANDLES, minutes))
    whole = plain(candles_of(market(9_000, per_hour=3_000, jitter_s=0), Interval.parse("1h")))

    # the last hour has no last minute yet
    assert len(whole) == 4
    assert strategy.candles == whole[:3]


def plain(candles: Candles) -> list[ReplayCandle]:
    seq = np.arange(len(candles), dtype=np.int64)
    part = FeedTimes(CANDLES, by_receipt=False).take(candles, seq, more=False)
    return [event.data for event in events_of(ReplayBatch((part,)))]


def test_a_candle_is_told_before_the_trade_behind_it_and_late_trades_are_left_out() -> None:
    minute = 60 * 10**9
    trades = trades_of((1, "1", "1"), (2, "2", "1"), (minute, "3", "1"), (5, "9", "1"))
    strategy = Scripted({}, interval="1m")
    order: list[object] = []
    strategy.on_candle = lambda candle: order.append(candle.close)  # type: ignore[method-assign]
    strategy.on_trade = lambda trade: order.append(trade)  # type: ignore[method-assign]
    ran(strategy, (TRADES, trades))

    assert [each if isinstance(each, Decimal) else each.price for each in order] == [
        1, 2, 2, 3, 9
    ]  # fmt: skip
    assert isinstance(order[2], Decimal)


@pytest.mark.parametrize("seed", range(5))
def test_fills_do_not_depend_on_how_the_records_are_cut(seed: int) -> None:
    whole = ran(Crossing(), (TRADES, MARKET))
    cut = ran(Crossing(), (TRADES, MARKET), cut=random.Random(seed))

    assert len(whole.fills) > 3
    assert cut.fills == whole.fills
    assert cut.equity.points == whole.equity.points


def test_several_markets_have_orders_positions_and_candles_of_their_own() -> None:
    other = FeedId("bitfinex", "btcusd", "trades")
    both = ran(Crossing(), (TRADES, MARKET), (other, MARKET))
    alone = ran(Crossing(), (TRADES, MARKET))

    class Each(Crossing):
        def on_start(self) -> None:
            self.of: dict[str, list[Decimal]] = {}

        def on_candle(self, candle: ReplayCandle) -> None:
            self.closes = self.of.get(self.market, [])
            super().on_candle(candle)
            self.of[self.market] = self.closes

    result = ran(Each(), (TRADES, MARKET), (other, MARKET))
    assert {fill.market for fill in both.fills} == {"binance/btcusdt", "bitfinex/btcusd"}
    for name in ("binance/btcusdt", "bitfinex/btcusd"):
        mine = [(f.ts, f.price, f.side) for f in result.fills if f.market == name]
        assert mine == [(f.ts, f.price, f.side) for f in alone.fills]
    assert result.pnl == 2 * alone.pnl


def test_the_curve_has_every_minute_and_fill_and_ends_with_what_is_there() -> None:
    result = ran(Crossing(), (TRADES, MARKET))
    columns = result.equity.to_numpy("decimal")
    ts = columns["ts"]
    minutes = np.unique(MARKET.ts_event // MINUTE.step_ns)[1:] * MINUTE.step_ns

    assert (np.diff(ts) > 0).all()
    assert set(minutes.tolist()) <= set(ts.tolist())
    assert {fill.ts for fill in result.fills} <= set(ts.tolist())
    held = result.positions.get("binance/btcusdt", Decimal(0))
    last = MARKET.price.to_decimals()[-1]
    assert columns["equity"][-1] == result.cash + held * last
    assert result.pnl == columns["equity"][-1] - columns["equity"][0]
    running, worst = columns["equity"][0], Decimal(0)
    for value in columns["equity"]:
        running = max(running, value)
        worst = max(worst, running - value)
    assert result.equity.max_drawdown() == worst > 0


def test_a_strategy_that_stops_sees_no_more_and_can_run_again() -> None:
    strategy = Scripted({1: lambda s: s.buy("1"), 3: lambda s: s.stop()})
    first = ran(strategy, (TRADES, MARKET))
    again = ran(strategy, (TRADES, MARKET))

    assert strategy.count == 3
    assert first.records == again.records == 3
    assert first.fills == again.fills
    assert len(first.fills) == 1


def test_without_a_run_there_is_no_account() -> None:
    with pytest.raises(UsageError, match="does not run"):
        Strategy().buy("1")
    with pytest.raises(UsageError, match="interval"):
        ran(Scripted({}, interval="7m"), (TRADES, MARKET))


def test_nothing_to_see_is_no_error() -> None:
    result = ran(Scripted({}), (TRADES, MARKET), (CANDLES, candles_of(Trades.empty(), MINUTE)))

    assert result.fills == []
    assert result.pnl == 0
    assert result.summary()["fills"] == 0
