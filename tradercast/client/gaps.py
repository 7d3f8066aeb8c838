"""Holes of a feed: those that its source reported, and those of this node's copy."""

from __future__ import annotations

from dataclasses import dataclass, field

from tradercast.client.feed import OpenFeed
from tradercast.feed.reader import ReadReport
from tradercast.records import Gap
from tradercast.timerange import TimeRange


@dataclass(slots=True)
class FeedGaps:
    """What is missing of a range.

    Attributes
    ----------
    gaps : list of Gap
        What the source itself reported as lost.
    not_here : list of (int, int)
        Half-open time ranges (ns UTC) whose records exist but are not on this node.
    records : int
        How many records were looked at.
    """

    gaps: list[Gap] = field(default_factory=list)
    not_here: list[tuple[int, int]] = field(default_factory=list)
    records: int = 0


async def feed_gaps(feed: OpenFeed, time_range: TimeRange) -> FeedGaps:
    """Look through what is held of a range."""
    report = ReadReport()
    async for _ in feed.read(await feed.plan(time_range), report):
        pass
    return FeedGaps(report.gaps, report.missing_times(time_range), report.records)
