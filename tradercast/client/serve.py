"""Serving: everything this node holds, to whoever asks, and telling the directory so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from tradercast.addresses import Address
from tradercast.client.availability import Availability, availability
from tradercast.client.feed import OpenFeed, open_feed
from tradercast.client.holdings import Holding
from tradercast.client.node import Node
from tradercast.client.publisher import OpenPublisher, open_publisher, refresh_catalog
from tradercast.errors import SidecarLostError, TradercastError
from tradercast.feed.catalog_copy import copy_catalog
from tradercast.feed.gossip import MAX_NOTES, GossipNote
from tradercast.links import Link
from tradercast.log import Core, Event
from tradercast.swarm.announcement import Announcement, topic_of_core, topic_of_root
from tradercast.swarm.discovery import Discovery

_log = logging.getLogger(__name__)

_REFRESH_S = 15.0  # how soon what was synced or published meanwhile is announced
_SOON_S = 1.0


class Server:
    """Keeps peers and the directory informed of what this node has.

    Parameters
    ----------
    node : Node
        Online, and listening.
    directories : sequence of Discovery
        Where to announce.
    advertise : (str, int)
        The address under which others reach this node.
    """

    def __init__(self, node: Node, directories: Sequence[Discovery], advertise: Address) -> None:
        self._node = node
        self._directories = tuple(directories)
        self._advertise = advertise
        self._publishers: dict[bytes, OpenPublisher] = {}
        self._feeds: dict[Holding, OpenFeed] = {}
        self._told: dict[bytes, list[GossipNote]] = {}
        self._news = asyncio.Event()

    @property
    def publishers(self) -> list[OpenPublisher]:
        """The publishers whose catalogs are served."""
        return list(self._publishers.values())

    async def run(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Announce until cancelled; `on_change` is called after every round."""
        unwatch = self._node.watch(self._take)
        try:
            while True:
                self._news.clear()
                try:
                    await self.refresh()
                    on_change()
                except SidecarLostError as error:  # again and again; the next round may have luck
                    _log.warning("not announced: %s", error.message)
                try:
                    async with asyncio.timeout(_REFRESH_S):
                        await self._news.wait()
                    await asyncio.sleep(_SOON_S)  # one round for many events
                except TimeoutError:
                    pass
        finally:
            unwatch()

    async def refresh(self) -> None:
        """Open what is new, and announce everything that is held."""
        for holding in self._node.holdings.all():
            try:
                await self._open(holding)
            except TradercastError as error:
                _log.warning("%s is not served: %s", holding.feed, error.message)
        for publisher in self._publishers.values():
            await refresh_catalog(publisher.core, publisher.catalog, remote=False)
            await self._announce(
                topic_of_root(publisher.root), Availability(full=True, held=(), tail=False)
            )
        for feed in self._feeds.values():
            for segment in feed.segments:
                has = await availability(segment)
                if has.anything:
                    await self._announce(topic_of_core(segment.segment.archive_key), has)
        await self._tell()

    def wake(self) -> None:
        """There may be more to announce: look soon."""
        self._news.set()

    def _take(self, event: Event) -> None:
        if event.topic == "core.append":
            self.wake()

    async def _open(self, holding: Holding) -> None:
        publisher = self._publishers.get(holding.root)
        if publisher is None:
            publisher = await open_publisher(self._node, Link(holding.root), remote=False)
            self._publishers[holding.root] = publisher
        known = self._feeds.get(holding)
        if known is None or known.entry != publisher.catalog.get(holding.feed):
            self._feeds[holding] = await open_feed(
                self._node, publisher, holding.feed, remote=False
            )

    async def _announce(self, topic: bytes, has: Availability) -> None:
        host, port = self._advertise
        offer = Announcement(
            topic, host=host, port=port, full=has.full, held=has.held, tail=has.tail
        )
        for directory in self._directories:
            try:
                await directory.announce(offer)
            except TradercastError as error:
                _log.info("not announced at %s: %s", directory, error.message)

    async def _tell(self) -> None:
        """Give peers the delegation, the catalog, and the signed state of the logs held."""
        for root, publisher in self._publishers.items():
            notes: list[GossipNote] = []
            catalog = await self._node.remember(publisher.core)
            if catalog is not None:
                copy = await copy_catalog(publisher.core, catalog)
                notes.append(copy or catalog)  # before the delegation, which readers wait for
            notes.append(publisher.delegation)
            cores: list[Core] = []
            for holding, feed in self._feeds.items():
                if holding.root == root:
                    for segment in feed.segments:
                        cores += [segment.reader.archive, segment.reader.tail]
            for core in cores[: MAX_NOTES - len(notes)]:
                checkpoint = await self._node.remember(core)
                if checkpoint is not None:
                    notes.append(checkpoint)
            if self._told.get(root) != notes:
                self._told[root] = notes
                await self._node.tell(root, notes)
