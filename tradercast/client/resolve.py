"""From what a person types to a publisher and one of its feeds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tradercast import z32
from tradercast.client.node import Node
from tradercast.client.publisher import OpenPublisher, open_publisher
from tradercast.errors import (
    AmbiguousSymbolError,
    LinkError,
    NoPeerError,
    UnknownSymbolError,
    UsageError,
)
from tradercast.feed.symbols import check_target
from tradercast.feeds import FeedId
from tradercast.links import SCHEME, Link

_NO_PUBLISHER_HINT = (
    "ask the publisher for its link and run: tradercast sync SYMBOL --from tradercast://…  "
    "(once: the link is remembered); `tradercast demo` shows how it works"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for: a symbol, a feed's name or a link.

    Attributes
    ----------
    text : str
        As typed; empty when a link without a feed was given.
    link : Link or None
        The publisher, when it was named.
    """

    text: str
    link: Link | None

    @classmethod
    def parse(cls, text: str, source: str | Link | None = None) -> Target:
        """Read a target.

        Parameters
        ----------
        text : str
            A symbol, ``exchange/symbol[/channel]`` or a link.
        source : str or Link, optional
            The publisher's link (``--from``).

        Raises
        ------
        LinkError
            If a link can not be read.
        BadNameError
            If it can be neither a symbol nor a feed.
        """
        if text.strip().lower().startswith(SCHEME):
            link = Link.parse(text)
            return cls(str(link.feed) if link.feed else "", link)
        if "://" in text:
            raise LinkError(
                f"{text[:80]!r} is not a link of Tradercast", hint=f"its links begin with {SCHEME}"
            )
        check_target(text)
        if isinstance(source, str):
            source = Link.parse(source)
        return cls(text, source)


def candidates(node: Node, targets: Sequence[Target]) -> list[Link]:
    """The publishers that the targets may mean: those named, else all that are known.

    Raises
    ------
    UsageError
        If none was named and none is known.
    """
    links: dict[bytes, Link] = {}
    for target in targets:
        if target.link is not None:
            links[target.link.root] = target.link
    if not links or any(target.link is None for target in targets):
        for publisher in node.publishers.all():
            links.setdefault(publisher.link.root, publisher.link)
    if not links:
        raise UsageError("no publisher is known yet", hint=_NO_PUBLISHER_HINT)
    return [_with_known_addresses(node, link) for link in links.values()]


def _with_known_addresses(node: Node, link: Link) -> Link:
    known = node.publishers.get(link.root)
    if known is None:
        return link
    half = 8
    return Link(
        link.root,
        link.feed,
        tuple(dict.fromkeys(link.bootstrap + known.link.bootstrap))[:half],
        tuple(dict.fromkeys(link.peers + known.link.peers))[:half],
    )


async def resolve(
    node: Node,
    target: Target,
    *,
    exchange: str | None = None,
    channel: str | None = None,
    remote: bool,
    timeout_s: float = 8.0,
) -> tuple[OpenPublisher, FeedId]:
    """Find the one feed that a target means.

    Raises
    ------
    UnknownSymbolError, AmbiguousSymbolError
        If no feed or more than one answers to it; the hint lists what there is.
    NoPeerError
        If no peer of the publisher could be found.
    """
    links = candidates(node, [target])
    found: list[tuple[OpenPublisher, FeedId]] = []
    unknown: UnknownSymbolError | None = None
    offline: NoPeerError | None = None
    opened = await asyncio.gather(
        *(
            open_publisher(
                node, link, remote=remote, timeout_s=timeout_s, at_once=bool(target.text)
            )
            for link in links
        ),
        return_exceptions=True,
    )
    for publisher in opened:
        if isinstance(publisher, NoPeerError):
            offline = publisher
        elif isinstance(publisher, BaseException):
            raise publisher
        else:
            try:
                found.append((publisher, await _feed_of(publisher, target, exchange, channel)))
            except UnknownSymbolError as error:
                unknown = error
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(f"{feed} of {z32.encode(p.root)[:8]}…" for p, feed in found)
        raise AmbiguousSymbolError(
            f"{target.text!r} is published by {len(found)} known publishers: {shown}",
            hint="name the publisher with --from LINK",
        )
    reason = unknown or offline
    assert reason is not None
    raise reason


async def _feed_of(
    publisher: OpenPublisher, target: Target, exchange: str | None, channel: str | None
) -> FeedId:
    if target.text:
        try:
            return publisher.catalog.resolve(target.text, exchange=exchange, channel=channel)
        except UnknownSymbolError:
            await publisher.settle()
            return publisher.catalog.resolve(target.text, exchange=exchange, channel=channel)
    feeds = [entry.feed for entry in publisher.catalog.feeds()]
    if len(feeds) == 1:
        return feeds[0]
    shown = ", ".join(str(feed) for feed in feeds[:10]) or "none"
    raise AmbiguousSymbolError(
        f"the link names a publisher with {len(feeds)} feeds: {shown}",
        hint="add the feed to the link, or write: tradercast sync SYMBOL --from LINK",
    )
