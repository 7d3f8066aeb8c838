"""A feeder at work: Kafka before it, the node's logs behind it, peers around it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tradercast.addresses import Address
from tradercast.cli.node_metrics import Traffic, node_readings
from tradercast.client.holdings import Holding
from tradercast.client.hosting import Host, HostOptions, hosting
from tradercast.client.node import Node
from tradercast.client.publishing import own_link
from tradercast.errors import SidecarLostError
from tradercast.feed.catalog_log import CatalogWriter
from tradercast.feed.entries import MAIN
from tradercast.feed.identity import Identity
from tradercast.feed.startup import CATCH_UP_S, is_behind
from tradercast.feed.writer import FeedWriter
from tradercast.feeds import FeedId
from tradercast.pipeline.feeder import Feeder, lock_positions
from tradercast.pipeline.feeder_feed import FedFeed
from tradercast.pipeline.feeder_metrics import feeder_readings
from tradercast.pipeline.feeder_positions import Positions
from tradercast.pipeline.kafka_consumer import KafkaSource
from tradercast.pipeline.kafka_lease import KafkaLease
from tradercast.pipeline.telemetry import Telemetry
from tradercast.swarm.announcement import topic_of_root

_SIBLING_S = 10.0
_TURN_S = 0.5
_FILE = "feeder.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeedingOptions:
    """What a feeder is told.

    Attributes
    ----------
    kafka : mapping
        How to connect.
    topics : tuple of str
    host : HostOptions
        How this node is reachable; its peers include the siblings.
    siblings : bool
        There are others with this identity.
    accept_gaps : frozenset of FeedId
    metrics : (str, int) or None
        Where metrics and health are served.
    candles : bool
        Feeds of minute candles too.
    catch_up_s : float
        How long others may take to bring what is missing here.
    """

    kafka: Mapping[str, object]
    topics: tuple[str, ...]
    host: HostOptions
    siblings: bool = False
    accept_gaps: frozenset[FeedId] = frozenset()
    metrics: Address | None = None
    candles: bool = False
    catch_up_s: float = CATCH_UP_S


@dataclass(frozen=True, slots=True)
class Running:
    """A feeder that is ready to run; made by `feeding`."""

    node: Node
    host: Host
    link: str
    feeder: Feeder
    metrics: Address | None
    missing: Callable[[], Sequence[str]]
    work: Callable[[], Any]


@contextlib.asynccontextmanager
async def feeding(
    data: Any, options: FeedingOptions, on_feed: Callable[[FedFeed], None]
) -> AsyncIterator[Running]:
    """Open everything that a feeder needs; all of it ends with the context.

    Raises
    ------
    NoPeerError
        If this is the first start of a standby and no sibling can be reached.
    ServiceError
        If Kafka can not be reached.
    """
    async with contextlib.AsyncExitStack() as stack:
        node = await stack.enter_async_context(Node(data))
        path = node.data.root / _FILE
        stack.callback(os.close, lock_positions(path.with_suffix(".lock")))
        identity = Identity.load_or_create(node.data.identity)
        own_link(node)
        host = await stack.enter_async_context(hosting(node, options.host))
        listing = Listing(node, identity, host, options.catch_up_s)
        await listing.settle(options.siblings)
        name, own = identity.root.hex()[:8], bytes(node.key.verify_key).hex()[:8]
        positions = Positions.load(path)
        source = await stack.enter_async_context(
            KafkaSource(
                options.kafka,
                options.topics,
                f"tradercast-feeder-{name}-{own}",
                positions,
            )
        )
        lease = KafkaLease(options.kafka, f"tradercast-catalog-{name}", options.topics[0], own)
        await stack.enter_async_context(lease)
        traffic = Traffic()
        feeder = Feeder(
            source,
            listing.open_writer,
            positions,
            path,
            accept_gaps=options.accept_gaps,
            renewed=source.renewed,
            catch_up_s=options.catch_up_s,
            on_feed=on_feed,
            is_behind=listing.is_behind,
            candles=options.candles,
        )
        metrics = None
        if options.metrics is not None:
            telemetry = Telemetry(
                "feeder",
                lambda: chain(
                    feeder_readings(feeder, source.highest, {}, listing.listed),
                    node_readings("feeder", traffic, node),
                ),
                lambda: source.trouble or feeder.trouble,
            )
            metrics = await stack.enter_async_context(telemetry.serving(options.metrics))

        async def work() -> None:
            async with asyncio.TaskGroup() as group:
                others = [
                    group.create_task(host.server.run()),
                    group.create_task(listing.run(lambda: lease.held)),
                    group.create_task(traffic.watch(node)),
                ]
                await feeder.run()
                for task in others:
                    task.cancel()

        link = str(host.link(identity.root))
        yield Running(node, host, link, feeder, metrics, lambda: source.missing, work)


class Listing:
    """Opens writers, and has the catalog list their feeds.

    Only one of several feeders with an identity adds a feed: two that add different ones at once
    would fork the catalog.  The others see it come.

    Parameters
    ----------
    node : Node
    identity : Identity
    host : Host
        Told when there is more to serve.
    catch_up_s : float
        How long others may take to bring blocks that were here before.

    Attributes
    ----------
    listed : set of FeedId
        The feeds of this feeder that the catalog has.
    """

    def __init__(self, node: Node, identity: Identity, host: Host, catch_up_s: float) -> None:
        self._catch_up_s = catch_up_s
        self.listed: set[FeedId] = set()
        self._node = node
        self._identity = identity
        self._host = host
        self._keys: dict[FeedId, tuple[bytes, bytes]] = {}
        self._news = asyncio.Event()
        self._catalog: CatalogWriter | None = None

    async def settle(self, siblings: bool) -> None:
        """Take in what others with this identity have in the catalog, before anything is added."""
        node = self._node
        if siblings:
            assert node.pool is not None
            node.pool.want(topic_of_root(self._identity.root))
        core = await node.store.core(signer=self._identity.catalog_signer())
        self._catalog = CatalogWriter(core, node.witness)
        if siblings and not (await core.info()).length:
            # What is new here may be old elsewhere: the same number must not be signed twice.
            assert node.pool is not None
            await node.pool.first_peer(_SIBLING_S)
        catalog = await self._catalog.refresh()
        for holding in self._node.holdings.all():
            entry = catalog.get(holding.feed) if holding.root == self._identity.root else None
            if entry is not None and any(one.name == MAIN for one in entry.segments):
                self.listed.add(holding.feed)

    async def is_behind(self, feed: FeedId) -> bool:
        """Whether one of a feed's logs has fewer blocks here than it had."""
        node, identity = self._node, self._identity
        for signer in (identity.tail_signer(feed, MAIN), identity.archive_signer(feed, MAIN)):
            async with await node.store.core(signer=signer) as core:
                if await is_behind(core, node.witness):
                    return True
        return False

    @contextlib.asynccontextmanager
    async def open_writer(self, feed: FeedId) -> AsyncIterator[FeedWriter]:
        """The writer of a feed, which will be listed soon."""
        node, identity = self._node, self._identity
        async with await FeedWriter.open(
            node.store,
            node.data.root,
            feed,
            MAIN,
            tail_signer=identity.tail_signer(feed, MAIN),
            archive_signer=identity.archive_signer(feed, MAIN),
            witness=node.witness,
            catch_up_s=self._catch_up_s,
            derive_lost=True,
        ) as writer:
            self._keys[feed] = (writer.tail_key, writer.archive_key)
            if feed not in self.listed:
                self._news.set()
            yield writer

    async def run(self, is_our_turn: Callable[[], bool]) -> None:
        """List feeds as they come, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            for feed in self._keys.keys() - self.listed:
                try:
                    done = await self._list(feed, is_our_turn())
                except SidecarLostError:
                    done = False
                if done:
                    self.listed.add(feed)
                else:
                    self._news.set()
            if self._news.is_set():
                await asyncio.sleep(_TURN_S)

    async def _list(self, feed: FeedId, is_our_turn: bool) -> bool:
        assert self._catalog is not None
        keys = self._keys[feed]
        if is_our_turn:
            await self._catalog.put_segment(feed, MAIN, *keys)
        else:
            entry = (await self._catalog.refresh()).get(feed)
            if entry is None or all(one.tail_key != keys[0] for one in entry.segments):
                return False
        self._node.holdings.add(Holding(self._identity.root, feed))
        self._host.server.wake()
        return True
