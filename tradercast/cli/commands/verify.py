"""``tradercast verify``: check what is here against the publisher's signature."""

from __future__ import annotations

from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.local import chosen_feeds
from tradercast.cli.options import ChannelOption, ExchangeOption
from tradercast.cli.text import count, size
from tradercast.client.node import Node
from tradercast.client.verify import verify_feed

EXAMPLES = ("tradercast verify", "tradercast verify btcusd --json")


async def verify(
    cli: Cli,
    feed: Annotated[str | None, typer.Argument(metavar="[FEED]", help="Default: all.")] = None,
    channel: ChannelOption = None,
    exchange: ExchangeOption = None,
) -> None:
    """Check every held block: content, hash tree, signature, key.  Exit code 5 if one is wrong.

    A wrong block is dropped, and the next sync fetches it anew; not on the publisher's own node.
    """
    async with Node(cli.data_dir) as node:
        feeds = await chosen_feeds(node, feed, exchange=exchange, channel=channel)
        for each in feeds:
            blocks = total = 0
            logs = []
            with cli.out.progress(f"verify {each.feed}", unit="blocks") as bar:

                def counted(number: int) -> None:
                    bar.update(bar.done + number)

                async for log in verify_feed(node, each, on_block=counted):
                    blocks += log.blocks
                    total += log.bytes
                    logs.append({"log": log.name, "length": log.length, "verified": log.blocks})
            cli.out.emit(
                {
                    "feed": str(each.feed),
                    "verified": True,
                    "blocks": blocks,
                    "bytes": total,
                    "logs": logs,
                }
            )
            cli.out.print(f"{each.feed}: {count(blocks, 'block')}, {size(total)}: all as signed")
        if node.fork is not None:
            raise node.fork
        if not feeds:
            cli.out.note("nothing is here yet")
