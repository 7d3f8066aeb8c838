"""A publisher as this node sees it: root key → delegation → catalog → feeds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from tradercast.client.node import Node
from tradercast.errors import NoPeerError, StalledError, TradercastError
from tradercast.feed.catalog import Catalog
from tradercast.feed.catalog_log import load_catalog
from tradercast.feed.delegation import Delegation
from tradercast.links import Link
from tradercast.log import Core
from tradercast.swarm.announcement import topic_of_root

_log = logging.getLogger(__name__)

_TOLD_S = 1.0  # peers tell what they know as soon as they are connected


@dataclass(slots=True)
class OpenPublisher:
    """A publisher whose catalog is at hand.

    Attributes
    ----------
    link : Link
        The publisher with all addresses that are known of it.
    delegation : Delegation
        By which the root key vouches for the catalog.
    catalog : Catalog
    core : Core
        The catalog's log.
    news : Task or None
        Fetches the log, while `catalog` is what a peer told of it when we met.
    """

    link: Link
    delegation: Delegation
    catalog: Catalog
    core: Core
    news: asyncio.Task[None] | None = None

    @property
    def root(self) -> bytes:
        """The root key."""
        return self.link.root

    async def settle(self) -> None:
        """Wait until `catalog` is what the log says, if it is not yet."""
        if self.news is not None:
            await asyncio.wait([self.news])
            self.news = None
            await refresh_catalog(self.core, self.catalog, remote=False)


async def open_publisher(
    node: Node, link: Link, *, remote: bool, timeout_s: float = 8.0, at_once: bool = False
) -> OpenPublisher:
    """Get the catalog of the publisher that a link names.

    Parameters
    ----------
    node : Node
        Online already, when `remote`.
    link : Link
        Only its root and addresses are looked at.
    remote : bool
        Ask peers for news.  Without it what is on the disk has to do.
    timeout_s : float
        For finding a peer, and again for its first answer.
    at_once : bool
        A catalog that a peer told of along with the delegation will do for the moment.  It may be
        some seconds older than the log, which is fetched meanwhile.

    Raises
    ------
    NoPeerError
        If nobody who knows the publisher was found.
    VerificationError
        If the publisher's delegation is invalid or has ended.
    """
    held = node.publishers.get(link.root)
    await node.join(link.root)
    if remote:
        assert node.pool is not None
        node.pool.want(topic_of_root(link.root))
        await node.pool.first_peer(timeout_s)
    delegation = await _delegation(node, link, remote=remote, timeout_s=timeout_s)
    core = await node.open_log(delegation.catalog_key)
    copy = node.copy_of(core.key) if remote and at_once and held is None else None
    if copy is not None:
        held = node.publishers.remember(Link(link.root, None, link.bootstrap, link.peers))
        news = node.later(_keep_catalog(node, core, timeout_s))
        return OpenPublisher(held.link, delegation, Catalog.of_blocks(copy.blocks), core, news)
    catalog = await refresh_catalog(core, Catalog(), remote=remote, stall_s=timeout_s)
    if remote and (newer := await _told(node, link.root, delegation)) is not None:
        delegation = newer
        core = await node.open_log(delegation.catalog_key)
        catalog = await refresh_catalog(core, Catalog(), remote=True, stall_s=timeout_s)
    if not catalog.length:
        raise NoPeerError(
            "the publisher was found, but none of the connected peers has its catalog",
            hint="try again when its node or another node that synced from it is online",
        )
    if remote or held is None:
        held = node.publishers.remember(Link(link.root, None, link.bootstrap, link.peers))
        await node.remember(core)
    return OpenPublisher(held.link, delegation, catalog, core)


async def _told(node: Node, root: bytes, known: Delegation) -> Delegation | None:
    """The delegation to another catalog that a peer told of meanwhile: the key was changed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_TOLD_S):
            await node.heard(root).wait()
    held = node.publishers.get(root)
    newest = None if held is None else held.delegation
    return None if newest is None or newest.catalog_key == known.catalog_key else newest


async def _keep_catalog(node: Node, core: Core, stall_s: float) -> None:
    try:
        await refresh_catalog(core, Catalog(), remote=True, stall_s=stall_s)
        await node.remember(core)
    except TradercastError as error:
        _log.warning("the catalog could not be kept here: %s", error.message)


async def refresh_catalog(
    core: Core, catalog: Catalog, *, remote: bool, stall_s: float = 8.0
) -> Catalog:
    """Fold in what is new; every node keeps the whole catalog, so all of it is fetched."""
    if remote:
        await core.update(stall_s, latest=True)
    try:
        return await load_catalog(core, catalog, wait=remote, stall_s=stall_s)
    except StalledError:
        if not catalog.length:
            raise
        _log.warning("the newest part of the catalog could not be fetched")
        return catalog


async def _delegation(node: Node, link: Link, *, remote: bool, timeout_s: float) -> Delegation:
    known = node.publishers.get(link.root)
    if remote and (known is None or known.delegation is None):
        try:
            async with asyncio.timeout(timeout_s):
                await node.heard(link.root).wait()
        except TimeoutError:
            raise NoPeerError(
                "peers were found, but none of them knows the publisher that the link names",
                hint="check the link's key, and that a node which has the feed is online",
            ) from None
        known = node.publishers.get(link.root)
    if known is None or known.delegation is None:
        raise NoPeerError(
            "nothing of this publisher is here yet", hint="sync by its link while a peer is online"
        )
    known.delegation.check_time(node.clock_ns())
    return known.delegation
