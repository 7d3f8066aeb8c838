"""Following a feed: the newest segment's new records, as peers pass them on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from tradercast.client.feed import OpenFeed
from tradercast.client.node import Node
from tradercast.errors import ForkError
from tradercast.feed.follow import Follower
from tradercast.feed.reader import Piece
from tradercast.log import Event


async def follow_feed(
    node: Node, feed: OpenFeed, next_seq: Mapping[str, int]
) -> AsyncIterator[Piece]:
    """Records behind `next_seq` of the feed's last segment, for ever.

    Only the last segment grows; earlier ones are history that was loaded once.

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
    newest = feed.segments[-1]
    logs = {newest.reader.archive.key, newest.reader.tail.key}
    follower = Follower(newest.reader, next_seq.get(newest.segment.name, 0))

    def news(event: Event) -> None:
        if event.data.get("key") in logs or event.topic.startswith("peer."):
            follower.wake()

    unwatch = node.watch(news)
    try:
        async for piece in follower.records(lambda: node.fork is not None):
            yield piece
    finally:
        unwatch()
    raise node.fork or ForkError("the log was forked")
