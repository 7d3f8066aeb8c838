"""``tradercast ls``: which feeds there are."""

from __future__ import annotations

from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.options import BootstrapOption, PeerOption, addresses
from tradercast.client.node import Node
from tradercast.client.publisher import OpenPublisher, open_publisher
from tradercast.client.resolve import Target, candidates
from tradercast.client.session import SessionOptions, session
from tradercast.errors import NoPeerError
from tradercast.feeds import FeedId

EXAMPLES = ("tradercast ls", "tradercast ls 'tradercast://…?bootstrap=203.0.113.7:7341'")


async def ls(
    cli: Cli,
    link: Annotated[
        str | None, typer.Argument(metavar="[LINK]", help="Ask this publisher's peers.")
    ] = None,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> None:
    """List the feeds of the publishers that are known here, or of the one a link names."""
    async with Node(cli.data_dir) as node:
        if link is not None:
            links = candidates(node, [Target.parse(link)])
            options = SessionOptions(bootstrap=addresses(bootstrap), peers=addresses(peer))
            async with session(node, links, options):
                publishers = [await open_publisher(node, links[0], remote=True)]
        else:
            publishers = []
            for known in node.publishers.all():
                try:
                    publishers.append(await open_publisher(node, known.link, remote=False))
                except NoPeerError as error:
                    cli.out.note(f"{known.link}: {error.message}")
        held = {(holding.root, holding.feed) for holding in node.holdings.all()}
        rows = [_row(cli, publisher, held) for publisher in publishers]
        cli.out.table(
            ("feed", "native", "type", "segments", "here"), [row for some in rows for row in some]
        )
        if not any(rows):
            cli.out.note("no feed is known yet: tradercast sync SYMBOL --from LINK")


def _row(cli: Cli, publisher: OpenPublisher, held: set[tuple[bytes, FeedId]]) -> list[list[str]]:
    rows = []
    for entry in publisher.catalog.feeds():
        here = (publisher.root, entry.feed) in held
        cli.out.emit(
            {
                "feed": str(entry.feed),
                "exchange": entry.feed.exchange,
                "symbol": entry.feed.symbol,
                "channel": entry.feed.channel,
                "native_symbol": entry.native_symbol,
                "base": entry.base,
                "quote": entry.quote,
                "type": entry.type,
                "segments": [segment.name for segment in entry.segments],
                "link": str(publisher.link),
                "held": here,
            }
        )
        names = ", ".join(segment.name for segment in entry.segments)
        rows.append(
            [str(entry.feed), entry.native_symbol, entry.type, names, "yes" if here else ""]
        )
    return rows
