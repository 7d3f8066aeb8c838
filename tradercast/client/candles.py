"""Candles of a range, from the minute candles and the trades of a symbol."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from tradercast.candles import Candles
from tradercast.client.feed import OpenFeed, SegmentPlan
from tradercast.client.opening import Opener
from tradercast.client.sync import is_held
from tradercast.errors import IncompleteError, NoPeerError, UnknownSymbolError
from tradercast.feed.channel import CANDLES, TRADES
from tradercast.feed.reader import ReadReport
from tradercast.feeds import FeedId
from tradercast.market.candles import CandleBuilder
from tradercast.market.interval import MINUTE, Interval
from tradercast.market.minute_candles import STEP, last_of_each
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS, TimeRange

_AHEAD = 10 * STEP  # a candle so soon behind a range says that those of the range are closed
Found = tuple[Candles, OpenFeed, list[SegmentPlan]]


def whole_intervals(wanted: TimeRange, interval: Interval) -> TimeRange:
    """The time of all candles that begin in a range; open ends stay open.

    Raises
    ------
    UsageError
        If an end is too far for a candle.
    """
    start, end = wanted.start_ns, wanted.end_ns
    return TimeRange(
        start if start == MIN_TIME_NS else interval.from_ns(start),
        end if end == MAX_TIME_NS else interval.from_ns(end),
    )


class CandlesRead:
    """One read of candles.

    Parameters
    ----------
    opener : Opener
    symbol, exchange
        As typed.
    wanted : TimeRange
        Of whole candles.
    report : ReadReport
        Takes gaps and what is missing.
    sync : bool
        Fetch what is not here.
    """

    def __init__(
        self,
        opener: Opener,
        symbol: str,
        exchange: str | None,
        wanted: TimeRange,
        report: ReadReport,
        *,
        sync: bool,
    ) -> None:
        self._opener = opener
        self._symbol = symbol
        self._exchange = exchange
        self._wanted = wanted
        self._report = report
        self._sync = sync

    async def run(self, interval: Interval) -> Found:
        """The candles, the feed that most of them are from, and what was planned of it."""
        if interval.holds(MINUTE):
            minutes = await self._feed_of_minutes()
            found = None if minutes is None else await self._from_minutes(minutes, interval)
            if found is not None:
                return found
        return await self._from_trades(interval, self._wanted)

    async def _from_trades(self, interval: Interval, wanted: TimeRange) -> Found:
        feed, plans = await self._opener.planned(
            self._symbol, wanted, self._exchange, sync=self._sync
        )
        return await candles_of_trades(feed, plans, interval, self._report), feed, plans

    async def _feed_of_minutes(self) -> str | None:
        """The name of the symbol's feed of minutes, unless reading trades is better."""
        opener, named = self._opener, (self._symbol, self._exchange)
        trades = await opener.here(*named, TRADES.name)
        if trades is None:
            minutes = await opener.here(*named, CANDLES.name)
            if minutes is None and self._sync:
                try:
                    trades = await opener.remote(*named, TRADES.name)
                except UnknownSymbolError:
                    minutes = await opener.remote(*named, CANDLES.name)
            if trades is None:
                return None if minutes is None else str(minutes.feed)
        feed = FeedId(trades.feed.exchange, trades.feed.symbol, CANDLES.name)
        entry = trades.publisher.catalog.get(feed)
        if entry is None or len(entry.segments) > 1:  # the minute between two is in both
            return None
        name = str(feed)
        if await opener.has(str(trades.feed), self._wanted, TRADES.name):
            return name if await opener.has(name, self._ahead, CANDLES.name) else None
        return name

    @property
    def _ahead(self) -> TimeRange:
        end = self._wanted.end_ns
        return TimeRange(self._wanted.start_ns, min(end, MAX_TIME_NS - _AHEAD) + _AHEAD)

    async def _from_minutes(self, name: str, interval: Interval) -> Found | None:
        """Candles of closed minutes and, behind them, of trades; None if some are not to be had."""
        wanted, report = self._wanted, ReadReport()
        try:
            feed, plans = await self._opener.planned(
                name, self._ahead, None, sync=self._sync, channel=CANDLES.name
            )
        except (UnknownSymbolError, NoPeerError):
            return None
        if not self._sync and not await is_held(plans):
            return None
        runs = [piece.records async for piece in feed.read(plans, report)]
        if report.missing:
            return None
        minutes = last_of_each(Candles.concat([run for run in runs if isinstance(run, Candles)]))
        until = wanted.start_ns
        if len(minutes):
            until = max(until, int(minutes.ts_open[-1]) + STEP)
        builder = CandleBuilder(interval)
        builder.add_candles(minutes[np.flatnonzero(minutes.ts_open < wanted.end_ns)])
        self._report.records += len(minutes)
        self._report.gaps += [g for g in report.gaps if wanted.overlaps(g.before_ns, g.after_ns)]
        if until < wanted.end_ns:
            rest = await self._open_minutes(TimeRange(until, wanted.end_ns))
            if minutes.quote_volume is None:
                rest = replace(rest, quote_volume=None)
            builder.add_candles(rest)
        return builder.candles(), feed, plans

    async def _open_minutes(self, wanted: TimeRange) -> Candles:
        try:
            candles, feed, _ = await self._from_trades(MINUTE, wanted)
        except UnknownSymbolError:  # there are candles only, or only these are here
            return Candles.empty()
        if len(candles):
            self._opener.keep(feed)
        return candles


async def candles_of_trades(
    feed: OpenFeed, plans: list[SegmentPlan], interval: Interval, report: ReadReport
) -> Candles:
    """Candles of the trades of some plans, of which a few chunks are in memory at a time."""
    builder = CandleBuilder(interval)
    async for piece in feed.read(plans, report):
        await asyncio.to_thread(builder.add, piece.trades)
    return builder.candles()


async def recent_candles(feed: OpenFeed, last_ns: int, interval: Interval, count: int) -> Candles:
    """The newest candles of the trades that are here, up to a time; none if that is not known."""
    start = interval.start_of(last_ns) - (count - 1) * interval.step_ns
    try:
        plans = await feed.plan(TimeRange(start))
        return await candles_of_trades(feed, plans, interval, ReadReport())
    except IncompleteError:
        return Candles.empty()
