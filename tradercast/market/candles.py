"""Candles from trades, and larger candles from smaller ones, exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tradercast.candles import Candles
from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.market.candle_parts import Parts
from tradercast.market.exact import Whole, to_decimals, to_whole, unit_of
from tradercast.market.interval import Interval, check_times
from tradercast.records import Trades
from tradercast.rows import I64

_BLOCK = 131_072  # trades at a time: their columns stay in the processor's caches
_SMALLEST = 256  # so few are summed in Python's integers if int64 is too small for them
_LIMIT = 2**63 - 1
_KEPT = 65_536  # parts that may wait to be put together


class _Columns(NamedTuple):
    """Runs of trades, a row each."""

    open: Whole
    high: Whole
    low: Whole
    close: Whole
    volume: Whole
    quote: Whole
    trades: I64
    first_ns: I64
    last_ns: I64


class CandleBuilder:
    """Candles of one interval from trades that come in batches.

    A candle opens with its earliest trade by ``ts_event``, of several at that time with the one
    that arrived first, and closes with the latest, of several with the one that arrived last.
    Where nothing was traded there is no candle.  What is held grows with the candles, not with
    the trades.

    Parameters
    ----------
    interval : Interval
    """

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self._parts: list[Parts] = []
        self._waiting = 0
        self._room = _KEPT

    def add(self, trades: Trades) -> None:
        """Take in the next trades, in the order of arrival.

        Parameters
        ----------
        trades : Trades
            Corrections are applied already.

        Raises
        ------
        UsageError
            If there are corrections or gaps among them, or a time is too far.
        """
        if len(trades.notes):
            raise UsageError("corrections must be applied first", hint="use corrections.apply")
        if not len(trades):
            return
        price_unit, size_unit = unit_of(trades.price), unit_of(trades.size)
        price, size = to_whole(trades.price, price_unit), to_whole(trades.size, size_unit)
        runs: list[_Columns] = []
        room = np.empty(min(len(trades), _BLOCK), np.int64)  # new memory for each block is slow
        start = 0
        while start < len(trades):
            rows = slice(start, start + _BLOCK)
            some = _runs(self.interval, trades.ts_event[rows], price[rows], size[rows], room)
            runs += some
            start += sum(int(run.trades.sum()) for run in some)
        self._keep(_parts(self.interval, runs, price_unit, size_unit))

    def add_candles(self, candles: Candles) -> None:
        """Take in candles of a smaller interval, each once, whose ends are among those of this.

        Raises
        ------
        UsageError
            If there are gaps among them, or a time is too far.
        """
        if len(candles.notes):
            raise UsageError("gaps are no candles")
        if len(candles):
            times = candles.ts_open
            self._keep(Parts(candles, times, times).at(self.interval.starts_of(times)))

    def candles(self) -> Candles:
        """All candles so far, by time; the last may not be complete."""
        return self.parts().candles

    def parts(self) -> Parts:
        """The same with the times of the trades that opened and closed each."""
        return self._merge() if self._parts else Parts.empty()

    def _keep(self, parts: Parts) -> None:
        self._parts.append(parts)
        self._waiting += len(parts)
        if self._waiting > self._room:
            self._room = 2 * len(self._merge()) + _KEPT

    def _merge(self) -> Parts:
        merged = Parts.concat(self._parts).merged()
        self._parts, self._waiting = [merged], len(merged)
        return merged


def candles_of(trades: Trades, interval: Interval) -> Candles:
    """The candles of all of some trades; as `CandleBuilder`."""
    builder = CandleBuilder(interval)
    builder.add(trades)
    return builder.candles()


def filled(candles: Candles, interval: Interval) -> Candles:
    """The same with a candle for every interval between the first and the last.

    The new ones have no volume and no trades; all their prices are the close before them.
    """
    if len(candles) < 2:
        return candles
    starts = interval.between(int(candles.ts_open[0]), int(candles.ts_open[-1]))
    if len(starts) == len(candles):
        return candles
    source = np.searchsorted(candles.ts_open, starts, "right") - 1
    empty = candles.ts_open[source] != starts
    held = candles[source]

    def price(values: Decimals) -> Decimals:
        unit = min(unit_of(values), unit_of(held.close))
        return to_decimals(
            np.where(empty, to_whole(held.close, unit), to_whole(values, unit)), unit
        )

    def amount(values: Decimals) -> Decimals:
        kept = {row: value for row, value in values.escapes.items() if not empty[row]}
        return Decimals(np.where(empty, 0, values.mantissa), values.exponent, kept)

    return Candles(
        starts,
        price(held.open),
        price(held.high),
        price(held.low),
        held.close,
        amount(held.volume),
        None if held.quote_volume is None else amount(held.quote_volume),
        None if held.trades is None else np.where(empty, 0, held.trades),
    )


def _runs(interval: Interval, ts: I64, price: Whole, size: Whole, room: I64) -> list[_Columns]:
    """Trades in any order of time, in runs by time of which each lies within one interval.

    Of a full block the last ones may be missing: those of an interval that goes on behind it.
    """
    may_leave = len(ts) == _BLOCK
    if (ts[1:] < ts[:-1]).any():
        order = np.argsort(ts, kind="stable")
        ts, price, size, may_leave = ts[order], price[order], size[order], False
    check_times(int(ts[0]), int(ts[-1]))
    return _sorted_runs(interval, ts, price, size, room, may_leave=may_leave)


def _sorted_runs(
    interval: Interval, ts: I64, price: Whole, size: Whole, room: I64, *, may_leave: bool = False
) -> list[_Columns]:
    at, ends = _cut(interval, ts)
    # rather than to make a candle of two parts, a few are left for the next block
    if may_leave and len(at) > 1 and (count := int(at[-1])) > len(ts) - len(ts) // 32:
        at, ends, ts, price, size = at[:-1], ends[:-1], ts[:count], price[:count], size[:count]
    high, low = np.maximum.reduceat(price, at), np.minimum.reduceat(price, at)
    if size.dtype == np.int64 and not _sizes_fit(size):
        size = size.astype(object)
    volume = np.add.reduceat(size, at)
    if price.dtype == size.dtype == np.int64 and not _products_fit(high, low, volume):
        if len(ts) > _SMALLEST:
            half = len(ts) // 2
            before = _sorted_runs(interval, ts[:half], price[:half], size[:half], room)
            return before + _sorted_runs(interval, ts[half:], price[half:], size[half:], room)
        size = size.astype(object)
    whole = price.dtype == size.dtype == np.int64
    products = np.multiply(price, size, out=room[: len(ts)] if whole else None)
    quote = np.add.reduceat(products, at)
    last = ends - 1
    return [_Columns(price[at], high, low, price[last], volume, quote, ends - at, ts[at], ts[last])]


def _cut(interval: Interval, ts: I64) -> tuple[I64, I64]:
    """The rows of sorted times with which an interval begins, and those with which it ends."""
    first, last = interval.start_of(int(ts[0])), interval.start_of(int(ts[-1]))
    if 16 * interval.count(first, last) > len(ts):  # short runs: look at every row
        starts = interval.starts_of(ts)
        at = np.concatenate(([0], np.flatnonzero(starts[1:] != starts[:-1]) + 1))
    else:
        at = ts.searchsorted(interval.between(first, last))
    ends = np.empty_like(at)
    ends[:-1], ends[-1] = at[1:], len(ts)
    empty = at == ends
    return (at[~empty], ends[~empty]) if empty.any() else (at, ends)


def _parts(interval: Interval, runs: list[_Columns], price_unit: int, size_unit: int) -> Parts:
    """The runs, in their order, as parts of candles."""
    whole = _Columns(*(np.concatenate(column) for column in zip(*runs, strict=True)))
    candles = Candles(
        interval.starts_of(whole.first_ns),
        to_decimals(whole.open, price_unit),
        to_decimals(whole.high, price_unit),
        to_decimals(whole.low, price_unit),
        to_decimals(whole.close, price_unit),
        to_decimals(whole.volume, size_unit),
        to_decimals(whole.quote, price_unit + size_unit),
        whole.trades,
    )
    return Parts(candles, whole.first_ns, whole.last_ns)


def _sizes_fit(size: Whole) -> bool:
    """Whether sums of these are inside int64; the bits of all are at least the largest."""
    bits = int(np.bitwise_or.reduce(size))
    return 0 <= bits <= _LIMIT // len(size)


def _products_fit(high: Whole, low: Whole, volume: Whole) -> bool:
    """Whether each run's sum of price times size is inside int64."""
    return max(abs(int(high.max())), abs(int(low.min()))) * int(volume.max()) <= _LIMIT
