"""Following a feed: the newest segment's new records, as peers pass them on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping

from tradercast.client.feed import OpenFeed
from tradercast.client.holdings import Holding
from tradercast.client.node import Node
from tradercast.errors import ForkError, IncompleteError, TradercastError
from tradercast.feed.follow import Follower
from tradercast.feed.mirror import Mirror
from tradercast.feed.reader import Piece
from tradercast.log import Event

_log = logging.getLogger(__name__)

_AGAIN_S = 2.0  # after a chunk that was not to be had


async def follow_feed(
    node: Node, feed: OpenFeed, next_seq: Mapping[str, int]
) -> AsyncGenerator[Piece, None]:
    """Records behind `next_seq` of the feed's last segment, for ever.

    Only the last segment grows; earlier ones are history that was loaded once.  What is sealed
    meanwhile is fetched too, and kept in the place of the tail.

    Parameters
    ----------
    node : Node
        Online.
    feed : OpenFeed
        Opened with ``remote=True``.
    next_seq : mapping of str to int
        The first wanted record of each segment, by the segment's name.

    Raises
    ------
    ForkError
        If the publisher's log turns out to have two versions.
    """
    node.holdings.add(Holding(feed.publisher.root, feed.feed))
    newest = feed.segments[-1]
    logs = {newest.reader.archive.key, newest.reader.tail.key}
    follower = Follower(newest.reader, next_seq.get(newest.segment.name, 0))

    changed = asyncio.Event()

    def news(event: Event) -> None:
        if event.data.get("key") in logs or event.topic.startswith("peer."):
            follower.wake()
            changed.set()

    unwatch = node.watch(news)
    keeping = asyncio.create_task(_keep(Mirror(newest.reader), follower, changed))
    try:
        async for piece in follower.records(lambda: node.fork is not None):
            yield piece
    finally:
        unwatch()
        keeping.cancel()
        await asyncio.wait([keeping])
    raise node.fork or ForkError("the log was forked")


async def _keep(mirror: Mirror, follower: Follower, changed: asyncio.Event) -> None:
    """Fetch what is sealed, whenever there may be something; trouble with it ends no following."""
    while True:
        changed.clear()
        try:
            await mirror.step(follower.next_seq, follower.in_use)
        except IncompleteError as error:
            _log.debug("what is sealed is not to be had yet: %s", error.message)
            await asyncio.sleep(_AGAIN_S)
            continue
        except TradercastError as error:
            _log.warning("what is sealed can not be kept: %s", error.message)
        await changed.wait()
