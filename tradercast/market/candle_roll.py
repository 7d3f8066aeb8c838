"""Candles that are given when they end, from records one by one."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from tradercast.market.interval import MINUTE, Interval
from tradercast.market.orders import EXACT
from tradercast.market.replay_events import ReplayCandle, ReplayTrade
from tradercast.timerange import MIN_TIME_NS


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
        self._end_ns = MIN_TIME_NS  # of the candle that is open, or was last

    def trade(self, trade: ReplayTrade) -> list[ReplayCandle]:
        """The candle that ends with this trade, which is not in it, if one does."""
        price, size = trade.price, trade.size
        value = EXACT.multiply(price, size)
        one = ReplayCandle(trade.ts_event, price, price, price, price, size, value, 1)
        return self._add(one)

    def minute(self, minute: ReplayCandle) -> list[ReplayCandle]:
        """The candles that end with this minute, which is newer than all before, or before it."""
        given = self._add(minute)
        if self._open is not None and minute.ts_open + MINUTE.step_ns == self._end_ns:
            given.append(self._open)
            self._open = None
        return given

    def _add(self, part: ReplayCandle) -> list[ReplayCandle]:
        held = self._open
        if part.ts_open < self._end_ns:
            if held is not None and part.ts_open >= held.ts_open:
                self._open = _joined(held, part)
            return []
        start = self._interval.start_of(part.ts_open)
        self._open, self._end_ns = replace(part, ts_open=start), self._interval.end_of(start)
        return [] if held is None else [held]


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
