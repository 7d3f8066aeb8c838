"""Candles as the plainest program makes them: a loop over rows of exact decimals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Context, Decimal, localcontext
from typing import Any, NamedTuple

from tradercast.candles import Candles
from tradercast.records import Trades

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Candle(NamedTuple):
    ts_open: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


def plain_start(time_ns: int, interval: str) -> int:
    """When a candle begins, by the calendar of the standard library."""
    day = (_EPOCH + dt.timedelta(seconds=time_ns // 10**9)).date()
    if interval == "1M":
        day = day.replace(day=1)
    elif interval == "1w":
        day -= dt.timedelta(days=day.weekday())
    else:
        step = int(interval[:-1]) * _SECONDS[interval[-1]] * 10**9
        return time_ns // step * step
    return (day - _EPOCH.date()).days * 86_400 * 10**9


def plain_candles(rows: Iterable[tuple[int, Decimal, Decimal]], interval: str) -> list[Candle]:
    """Candles of ``(ns, price, size)`` in the order of arrival."""
    found: dict[int, Candle] = {}
    with localcontext(Context(prec=400)):
        for time, price, size in sorted(rows, key=lambda row: row[0]):  # stable
            at = plain_start(time, interval)
            old = found.get(at) or Candle(at, price, price, price, price, Decimal(0), Decimal(0), 0)
            found[at] = Candle(
                at,
                old.open,
                max(old.high, price),
                min(old.low, price),
                price,
                old.volume + size,
                old.quote_volume + price * size,
                old.trades + 1,
            )
    return [found[at] for at in sorted(found)]


def candle_rows(candles: Candles) -> list[Candle]:
    """The rows of a run, to be compared with `plain_candles`."""
    assert candles.quote_volume is not None
    columns: list[list[Any]] = [
        candles.ts_open.tolist(),
        candles.open.to_decimals(),
        candles.high.to_decimals(),
        candles.low.to_decimals(),
        candles.close.to_decimals(),
        candles.volume.to_decimals(),
        candles.quote_volume.to_decimals(),
        candles.counts().tolist(),
    ]
    return [Candle(*row) for row in zip(*columns, strict=True)]


def trade_rows(trades: Trades) -> list[tuple[int, Decimal, Decimal]]:
    """The rows of a run of trades."""
    columns = trades.ts_event.tolist(), trades.price.to_decimals(), trades.size.to_decimals()
    return list(zip(*columns, strict=True))
