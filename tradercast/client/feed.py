"""An opened feed: the readers of its segments, one behind the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tradercast.client.manifest import Origin
from tradercast.client.node import Node
from tradercast.client.publisher import OpenPublisher
from tradercast.errors import UnknownSymbolError
from tradercast.feed.bulk_load import load
from tradercast.feed.channel import channel_of
from tradercast.feed.entries import FeedEntry, Segment
from tradercast.feed.plan import Plan
from tradercast.feed.reader import Piece, ReadReport, SegmentReader
from tradercast.feeds import FeedId
from tradercast.swarm.announcement import topic_of_core
from tradercast.timerange import TimeRange


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment and its reader."""

    segment: Segment
    reader: SegmentReader


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What a range needs of one segment."""

    segment: OpenSegment
    plan: Plan


class OpenFeed:
    """A feed whose logs are open; made by `open_feed`.

    Attributes
    ----------
    publisher : OpenPublisher
    entry : FeedEntry
        What the catalog says of it.
    segments : tuple of OpenSegment
        In the order in which they are read.
    """

    def __init__(
        self, publisher: OpenPublisher, entry: FeedEntry, segments: tuple[OpenSegment, ...]
    ) -> None:
        self.publisher = publisher
        self.entry = entry
        self.segments = segments

    @property
    def feed(self) -> FeedId:
        """Its name."""
        return self.entry.feed

    async def plan(self, time_range: TimeRange) -> list[SegmentPlan]:
        """What a range needs of every segment; raises as `SegmentReader.plan`."""
        plans = await asyncio.gather(
            *(segment.reader.plan(time_range) for segment in self.segments)
        )
        return [SegmentPlan(s, p) for s, p in zip(self.segments, plans, strict=True)]

    async def load(self, plans: list[SegmentPlan], report: ReadReport) -> AsyncIterator[Piece]:
        """The records of the plans, a piece a segment, all of it in memory in the end."""
        for each in plans:
            yield await load(each.segment.reader, each.plan, report)

    async def read(self, plans: list[SegmentPlan], report: ReadReport) -> AsyncIterator[Piece]:
        """The records of the plans, in order, in constant memory."""
        for each in plans:
            async for piece in each.segment.reader.read(each.plan, report):
                yield piece


async def open_feed(
    node: Node, publisher: OpenPublisher, feed: FeedId, *, remote: bool, stall_s: float = 20.0
) -> OpenFeed:
    """Open the logs of a feed, all at once, and start looking for who has them.

    Raises
    ------
    UnknownSymbolError
        If the publisher has no such feed.
    """
    entry = publisher.catalog.get(feed)
    if entry is None:
        raise UnknownSymbolError(
            f"the publisher has no feed {feed}", hint="`tradercast ls` shows what there is"
        )
    channel = channel_of(feed)
    if remote and node.pool is not None:
        for segment in entry.segments:
            node.pool.want(topic_of_core(segment.archive_key))

    async def opened(segment: Segment) -> OpenSegment:
        archive, tail = await asyncio.gather(
            node.open_log(segment.archive_key), node.open_log(segment.tail_key)
        )
        reader = SegmentReader(archive, tail, channel, remote=remote, stall_s=stall_s)
        return OpenSegment(segment, reader)

    segments = await asyncio.gather(*(opened(segment) for segment in entry.segments))
    return OpenFeed(publisher, entry, tuple(segments))


async def origin_of(node: Node, feed: OpenFeed, wanted: TimeRange) -> Origin:
    """Where the records of a range are from, with what was signed of their logs."""
    checkpoints = await asyncio.gather(
        *(
            node.remember(core)
            for each in feed.segments
            for core in (each.reader.archive, each.reader.tail)
        )
    )
    kept = tuple(checkpoint for checkpoint in checkpoints if checkpoint is not None)
    return Origin(feed.feed, wanted, feed.publisher.root, kept)
