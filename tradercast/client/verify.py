"""Checking every held block against the publisher's signature, in Python alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from tradercast.client.feed import OpenFeed
from tradercast.client.node import Node
from tradercast.client.publishing import own_link
from tradercast.errors import VerificationError
from tradercast.log import Core
from tradercast.log.audit import Audited, audit


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """What was checked of one log.

    Attributes
    ----------
    name : str
        ``catalog``, or a segment's name and which of its logs.
    key : bytes
    length : int
        Blocks that the publisher signed.
    blocks, bytes : int
        Held and checked.
    """

    name: str
    key: bytes
    length: int
    blocks: int
    bytes: int


async def verify_feed(
    node: Node, feed: OpenFeed, *, on_block: Callable[[int], None] = lambda blocks: None
) -> AsyncIterator[VerifiedLog]:
    """Check the catalog and all logs of a feed as far as they are held; asks no peer.

    Parameters
    ----------
    node : Node
        Keeps the checkpoints that are found to be good.
    feed : OpenFeed
        What is checked.
    on_block : callable
        Told after every batch how many blocks it had.

    Raises
    ------
    VerificationError
        If a block, proof or signature does not match; it names log and block.  Such blocks are
        dropped, so that a sync fetches them anew, unless this node is their publisher.
    """
    own = own_link(node)
    drop = own is None or own.root != feed.publisher.root
    logs = [("catalog", feed.publisher.core)]
    for each in feed.segments:
        name = each.segment.name
        logs += [(f"{name}/archive", each.reader.archive), (f"{name}/tail", each.reader.tail)]
    for name, core in logs:
        yield await _verify_log(node, core, name, on_block, drop=drop)


async def _verify_log(
    node: Node, core: Core, name: str, on_block: Callable[[int], None], *, drop: bool
) -> VerifiedLog:
    seen = Audited()
    try:
        await node.remember(core)
        async for found in audit(core):
            on_block(found.blocks - seen.blocks)
            seen = found
        length = (await core.info()).length
        await _refuse_bad(node, core, seen, drop=drop)
    except VerificationError as error:
        raise type(error)(
            f"{name} ({core.key.hex()[:8]}): {error.message}",
            hint=error.hint or "sync the feed from a peer to another data directory",
        ) from None
    return VerifiedLog(name, core.key, length, seen.blocks, seen.bytes)


async def _refuse_bad(node: Node, core: Core, seen: Audited, *, drop: bool) -> None:
    """Raise if a block was wrong or could not be read."""
    bad = list(seen.bad)
    for key, block in node.damaged:  # the sidecar has dropped these already
        if key == core.key:
            bad.append((block, f"block {block} was damaged on the disk"))
    if not bad:
        return
    if drop:
        for block, _ in seen.bad:
            await core.clear(block, block + 1)
    more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    raise VerificationError(
        bad[0][1] + more,
        hint="it was dropped: sync the feed again, and it is fetched anew" if drop else None,
    )
