"""The publisher's side of a node: its identity, its catalog, the writers of its feeds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tradercast.client.holdings import Holding
from tradercast.client.node import Node
from tradercast.feed.catalog_log import CatalogWriter
from tradercast.feed.entries import MAIN
from tradercast.feed.identity import PUBLISHER_FILE, Identity
from tradercast.feed.writer import FeedWriter
from tradercast.feeds import FeedId
from tradercast.links import Link


def own_link(node: Node) -> Link | None:
    """The publisher that this node is, known to it from now on; None if it is none."""
    if not (node.data.identity / PUBLISHER_FILE).exists():
        return None
    delegation = Identity.load(node.data.identity).delegation(node.clock_ns())
    return node.publishers.accept(delegation, node.clock_ns()).link


@contextlib.asynccontextmanager
async def feed_writer(
    node: Node, feed: FeedId, *, segment: str = MAIN, listed_at_once: bool = False, **details: Any
) -> AsyncIterator[FeedWriter]:
    """The writer of a feed of this node's publisher, which is made at the first time.

    The catalog lists the feed when the context ends without an error.

    Parameters
    ----------
    node : Node
        Where it is written.
    feed : FeedId
        What is written.
    segment : str
        The part of the feed that is written.
    listed_at_once : bool
        List it before anything is written, so that others can follow a feed that has no end.
    **details
        Fields of `FeedEntry` to set, e.g. ``native_symbol``; others stay as they are.

    Raises
    ------
    VerificationError
        If the logs here are not what was signed before.
    """
    identity = Identity.load_or_create(node.data.identity)
    own_link(node)
    async with await FeedWriter.open(
        node.store,
        node.data.root,
        feed,
        segment,
        tail_signer=identity.tail_signer(feed, segment),
        archive_signer=identity.archive_signer(feed, segment),
        witness=node.witness,
    ) as writer:
        if not listed_at_once:
            yield writer
        core = await node.store.core(signer=identity.catalog_signer())
        keys = (writer.tail_key, writer.archive_key)
        await CatalogWriter(core, node.witness).put_segment(feed, segment, *keys, **details)
        node.holdings.add(Holding(identity.root, feed))
        if listed_at_once:
            yield writer
