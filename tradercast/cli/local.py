"""Feeds that are looked at where they are, without asking anybody."""

from __future__ import annotations

from tradercast.client.feed import OpenFeed, open_feed
from tradercast.client.node import Node
from tradercast.client.publisher import open_publisher
from tradercast.client.resolve import Target, resolve
from tradercast.errors import NoPeerError, UnknownSymbolError
from tradercast.links import Link


async def open_local(
    node: Node, text: str, *, exchange: str | None = None, channel: str | None = None
) -> OpenFeed:
    """Open a feed of a known publisher from the disk.

    Raises
    ------
    UnknownSymbolError, AmbiguousSymbolError
        If none or several known feeds answer to `text`.
    """
    try:
        publisher, feed = await resolve(
            node, Target.parse(text), exchange=exchange, channel=channel, remote=False
        )
    except NoPeerError:
        raise UnknownSymbolError(
            f"nothing of {text!r} is here", hint="fetch it first: tradercast sync SYMBOL"
        ) from None
    return await open_feed(node, publisher, feed, remote=False)


async def with_other_channels(node: Node, feed: OpenFeed) -> list[OpenFeed]:
    """A feed, and those of its symbol's other channels of which something is here."""
    others = [
        held.feed
        for held in node.holdings.all()
        if held.root == feed.publisher.root
        and held.feed != feed.feed
        and (held.feed.exchange, held.feed.symbol) == (feed.feed.exchange, feed.feed.symbol)
    ]
    return [feed, *[await open_feed(node, feed.publisher, each, remote=False) for each in others]]


async def chosen_feeds(
    node: Node, text: str | None, *, exchange: str | None, channel: str | None
) -> list[OpenFeed]:
    """The feed that `text` means, or every feed of which something is here."""
    if text is not None:
        return [await open_local(node, text, exchange=exchange, channel=channel)]
    feeds = []
    for holding in node.holdings.all():
        publisher = await open_publisher(node, Link(holding.root), remote=False)
        feeds.append(await open_feed(node, publisher, holding.feed, remote=False))
    return feeds
