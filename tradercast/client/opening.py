"""Feeds for a program that may ask many times: from the disk if that is enough, else online."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from tradercast.client.feed import OpenFeed, SegmentPlan, open_feed
from tradercast.client.holdings import Holding
from tradercast.client.node import Node
from tradercast.client.portal import not_open
from tradercast.client.publisher import OpenPublisher, open_publisher
from tradercast.client.resolve import Target, candidates, resolve
from tradercast.client.session import SessionOptions, session
from tradercast.client.sync import is_held
from tradercast.errors import IncompleteError, NoPeerError, UnknownSymbolError, UsageError
from tradercast.feeds import FeedId
from tradercast.links import Link
from tradercast.timerange import TimeRange


class Opener:
    """Opens feeds once and keeps them; goes online when it must, and stays so.

    Parameters
    ----------
    node : Node
        Entered already when this is.
    link : Link or None
        The publisher to ask; None asks all that are known.
    options : SessionOptions
        How others are reached.
    """

    def __init__(self, node: Node, link: Link | None, options: SessionOptions) -> None:
        self._node = node
        self._link = link
        self._options = options
        self._stack = contextlib.AsyncExitStack()
        self._is_open = False
        self._online = False
        self._going = asyncio.Lock()  # several reads may want to be the first
        self._opened: dict[tuple[FeedId, bytes, bool], OpenFeed] = {}

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        await self._stack.aclose()

    async def publishers(self, *, remote: bool) -> list[OpenPublisher]:
        """The publishers that are meant; raises as `open_publisher`."""
        self._check_open()
        links = candidates(self._node, [Target("", self._link)])
        if remote:
            await self._go_online(links)
        return [await open_publisher(self._node, link, remote=remote) for link in links]

    async def local(self, symbol: str, exchange: str | None, channel: str | None) -> OpenFeed:
        """A feed as it is on the disk.

        Raises
        ------
        UnknownSymbolError, AmbiguousSymbolError
            If none or several of the known feeds answer to `symbol`.
        """
        self._check_open()
        try:
            return await self._open(symbol, exchange, channel, remote=False)
        except NoPeerError:
            raise UnknownSymbolError(
                f"nothing of {symbol!r} is here", hint="fetch it first: tradercast sync SYMBOL"
            ) from None

    async def here(self, symbol: str, exchange: str | None, channel: str | None) -> OpenFeed | None:
        """A feed as it is on the disk; None if nothing is known of it."""
        self._check_open()
        try:
            return await self._open(symbol, exchange, channel, remote=False)
        except (UnknownSymbolError, NoPeerError, IncompleteError):
            return None
        except UsageError as error:
            if error.code == UsageError.code:  # no publisher is known
                return None
            raise

    async def remote(self, symbol: str, exchange: str | None, channel: str | None) -> OpenFeed:
        """A feed that is asked of peers; raises as `resolve`."""
        self._check_open()
        target = Target.parse(symbol, self._link)
        await self._go_online(candidates(self._node, [target]))
        return await self._open(symbol, exchange, channel, remote=True)

    async def has(self, symbol: str, wanted: TimeRange, channel: str) -> bool:
        """Whether a range is here and settled."""
        here = await self._planned_here(symbol, wanted, None, channel)
        return here is not None and await _is_settled(here[1], wanted)

    async def planned(
        self,
        symbol: str,
        wanted: TimeRange,
        exchange: str | None,
        *,
        sync: bool,
        channel: str = "trades",
    ) -> tuple[OpenFeed, list[SegmentPlan]]:
        """What a range needs, of peers only if it is not settled and here.

        Raises
        ------
        NoPeerError
            If something has to be fetched and nobody is there.
        """
        self._check_open()
        here = await self._planned_here(symbol, wanted, exchange, channel)
        if here is not None and (not sync or await _is_settled(here[1], wanted)):
            return here
        if not sync:
            raise UnknownSymbolError(
                f"nothing of {symbol!r} is here",
                hint="read it with sync=True while peers are online",
            )
        try:
            feed = await self.remote(symbol, exchange, channel)
            return feed, await feed.plan(wanted)
        except NoPeerError:
            # Without a network what is here is all there is; it may well be all of the range.
            if here is None or not await is_held(here[1]) or not _has_records(here[1]):
                raise
            return here

    def keep(self, feed: OpenFeed) -> None:
        """Note that something of a feed is here now."""
        self._node.holdings.add(Holding(feed.publisher.root, feed.feed))

    def _check_open(self) -> None:
        if not self._is_open:
            raise not_open()

    async def _planned_here(
        self, symbol: str, wanted: TimeRange, exchange: str | None, channel: str
    ) -> tuple[OpenFeed, list[SegmentPlan]] | None:
        feed = await self.here(symbol, exchange, channel)
        with contextlib.suppress(IncompleteError):
            return None if feed is None else (feed, await feed.plan(wanted))
        return None

    async def _open(
        self, symbol: str, exchange: str | None, channel: str | None, *, remote: bool
    ) -> OpenFeed:
        target = Target.parse(symbol, self._link)
        publisher, feed = await resolve(
            self._node, target, exchange=exchange, channel=channel, remote=remote
        )
        at = (feed, publisher.root, remote)
        known = self._opened.get(at)
        if known is None or known.entry != publisher.catalog.get(feed):
            self._opened[at] = await open_feed(self._node, publisher, feed, remote=remote)
        return self._opened[at]

    async def _go_online(self, links: list[Link]) -> None:
        async with self._going:
            if not self._online:
                await self._stack.enter_async_context(session(self._node, links, self._options))
                self._online = True


async def _is_settled(plans: list[SegmentPlan], wanted: TimeRange) -> bool:
    """Whether the range is here and only late records could be added to it."""
    newest = plans[-1].plan.settled_ns
    return newest is not None and wanted.end_ns <= newest and await is_held(plans)


def _has_records(plans: list[SegmentPlan]) -> bool:
    return any(each.plan.end_seq for each in plans)
