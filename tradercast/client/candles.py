"""Candles of a range, from the trades of a feed."""

from __future__ import annotations

import asyncio

from tradercast.candles import Candles
from tradercast.client.feed import OpenFeed, SegmentPlan
from tradercast.errors import IncompleteError
from tradercast.feed.reader import ReadReport
from tradercast.market.candles import CandleBuilder, filled
from tradercast.market.interval import Interval
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS, TimeRange


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


async def candles_of_trades(
    feed: OpenFeed,
    plans: list[SegmentPlan],
    interval: Interval,
    report: ReadReport,
    *,
    fill: bool = False,
) -> Candles:
    """Candles of the trades of some plans, of which a few chunks are in memory at a time."""
    builder = CandleBuilder(interval)
    async for piece in feed.read(plans, report):
        await asyncio.to_thread(builder.add, piece.trades)
    candles = builder.candles()
    return filled(candles, interval) if fill else candles


async def recent_candles(feed: OpenFeed, last_ns: int, interval: Interval, count: int) -> Candles:
    """The newest candles of the trades that are here, up to a time; none if that is not known."""
    start = interval.start_of(last_ns) - (count - 1) * interval.step_ns
    try:
        plans = await feed.plan(TimeRange(start))
        return await candles_of_trades(feed, plans, interval, ReadReport())
    except IncompleteError:
        return Candles.empty()
