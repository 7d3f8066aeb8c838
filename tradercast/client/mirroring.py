"""Keeping a whole copy of what a publisher has, and of what it adds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

from tradercast.client.feed import open_feed
from tradercast.client.live import follow_feed
from tradercast.client.node import Node
from tradercast.client.publisher import OpenPublisher, open_publisher
from tradercast.client.sync import sync_range
from tradercast.errors import ForkError, TradercastError
from tradercast.feeds import FeedId
from tradercast.links import Link
from tradercast.log import Event
from tradercast.timerange import TimeRange

_log = logging.getLogger(__name__)

_AGAIN_S = 5.0
_NEW_FEEDS_S = 15.0


@dataclass(slots=True)
class Mirrored:
    """How far the copies are.

    Attributes
    ----------
    records : dict of FeedId to int
        The number behind the last record that is here, of each feed's last segment.
    last_ns : dict of FeedId to int
        Time of the newest record that came while following.
    delay_ns : dict of FeedId to int
        From then until it was here.
    troubles : dict of str to str
        What can not be copied at this moment, and why.
    """

    records: dict[FeedId, int] = field(default_factory=dict)
    last_ns: dict[FeedId, int] = field(default_factory=dict)
    delay_ns: dict[FeedId, int] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)

    @property
    def trouble(self) -> str | None:
        """All of it in one sentence."""
        return "; ".join(f"{what}: {why}" for what, why in self.troubles.items()) or None


async def mirror(node: Node, link: Link, so_far: Mirrored) -> None:
    """Fetch the feed that a link names, or every feed of its publisher; follow them for ever.

    What can not be had now is tried again; a fork is told and its feed given up.

    Parameters
    ----------
    node : Node
        Online.
    link : Link
        Of a publisher or a feed.
    so_far : Mirrored
        Kept up to date.
    """
    started: set[FeedId] = set()
    name = str(link).partition("?")[0]
    catalogs: set[bytes] = set()
    changed = asyncio.Event()

    def news(event: Event) -> None:
        if event.data.get("key") in catalogs:
            changed.set()

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(node.watch(news))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        while True:
            changed.clear()
            try:
                publisher = await open_publisher(node, link, remote=True)
                so_far.troubles.pop(name, None)
            except TradercastError as error:
                if so_far.troubles.get(name) != error.message:
                    _log.warning("%s: %s", name, error.message)
                so_far.troubles[name] = error.message
                await asyncio.sleep(_AGAIN_S)
                continue
            catalogs.add(publisher.core.key)
            for entry in publisher.catalog.feeds():
                if entry.feed not in started and link.feed in (None, entry.feed):
                    started.add(entry.feed)
                    group.create_task(_keep(node, publisher, entry.feed, so_far))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_NEW_FEEDS_S if started else _AGAIN_S):
                    await changed.wait()


async def _keep(node: Node, publisher: OpenPublisher, name: FeedId, so_far: Mirrored) -> None:
    while True:
        try:
            feed = await open_feed(node, publisher, name, remote=True)
            result = await sync_range(node, feed, await feed.plan(TimeRange()))
            so_far.records[name] = result.end_seq.get(feed.segments[-1].segment.name, 0)
            so_far.troubles.pop(str(name), None)
            _log.info("%s: %d records here", name, so_far.records[name])
            async for piece in follow_feed(node, feed, result.end_seq):
                so_far.records[name] = int(piece.seq[-1]) + 1
                so_far.last_ns[name] = int(piece.records.ts_event[-1])
                so_far.delay_ns[name] = node.clock_ns() - so_far.last_ns[name]
        except ForkError as error:
            _log.error("%s is given up: %s", name, error.message)
            so_far.troubles[str(name)] = error.message
            return
        except TradercastError as error:
            _log.warning("%s: %s", name, error.message)
            so_far.troubles[str(name)] = error.message
            await asyncio.sleep(_AGAIN_S)
