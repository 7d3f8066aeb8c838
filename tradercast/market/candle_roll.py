"""Candles that are given when they end, from records one by one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from tradercast.market.interval import MINUTE, Interval
from tradercast.market.orders import EXACT
from tradercast.market.replay_events import ReplayCandle, ReplayTrade
from tradercast.timerange import MIN_TIME_NS

_AT_ONCE = 1_024  # trades


class CandleRoll:
    """Builds candles of one interval as a strategy sees them: none ever changes.

    A candle of trades is given at the first trade whose ``ts_event`` is at its end or later; one
    of minute candles when its last minute is there, or else at the first behind it.  What belongs
    to a candle that was given already is left out, so a late trade, or a replaced
    minute, is in `client.candles` and not here.

    Parameters
    ----------
    interval : Interval
    """

    def __init__(self, interval: Interval) -> None:
        self._interval = interval
        self._open: ReplayCandle | None = None
        self._trades: list[ReplayTrade] = []  # of the open candle, not in it yet
        self._start_ns = self._end_ns = MIN_TIME_NS  # of the candle that is open, or was last

    def trade(self, trade: ReplayTrade) -> Sequence[ReplayCandle]:
        """The candle that ends with this trade, which is not in it, if one does."""
        ts = trade.ts_event
        if ts < self._end_ns:
            if ts >= self._start_ns:
                self._trades.append(trade)
                if len(self._trades) == _AT_ONCE:
                    self._fold()
            return ()
        ended = self._fold()
        self._begin(ts)
        self._open, self._trades = None, [trade]
        return () if ended is None else (ended,)

    def minute(self, minute: ReplayCandle) -> Sequence[ReplayCandle]:
        """The candles that end with this minute, which is newer than all before, or before it."""
        held, given = self._open, []
        if minute.ts_open < self._end_ns:
            if held is None or minute.ts_open < self._start_ns:
                return ()
            self._open = _joined(held, minute)
        else:
            if held is not None:
                given.append(held)
            self._begin(minute.ts_open)
            self._open = replace(minute, ts_open=self._start_ns)
        if minute.ts_open + MINUTE.step_ns == self._end_ns:
            given.append(self._open)
            self._open, self._start_ns = None, self._end_ns
        return given

    def _begin(self, ts: int) -> None:
        self._start_ns = self._interval.start_of(ts)
        self._end_ns = self._interval.end_of(self._start_ns)

    def _fold(self) -> ReplayCandle | None:
        """The open candle with all its trades so far."""
        trades, self._trades = self._trades, []
        if trades:
            prices, sizes = [t.price for t in trades], [t.size for t in trades]
            some = ReplayCandle(
                self._start_ns,
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
                functools.reduce(EXACT.add, sizes),
                functools.reduce(EXACT.add, map(EXACT.multiply, prices, sizes)),
                len(trades),
            )
            self._open = some if self._open is None else _joined(self._open, some)
        return self._open


def _joined(one: ReplayCandle, two: ReplayCandle) -> ReplayCandle:
    return ReplayCandle(
        one.ts_open,
        one.open,
        max(one.high, two.high),
        min(one.low, two.low),
        two.close,
        EXACT.add(one.volume, two.volume),
        _sum(one.quote_volume, two.quote_volume),
        None if one.trades is None or two.trades is None else one.trades + two.trades,
    )


def _sum(one: Decimal | None, two: Decimal | None) -> Decimal | None:
    return None if one is None or two is None else EXACT.add(one, two)
