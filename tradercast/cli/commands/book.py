"""``tradercast book``: the order book at a time."""

from __future__ import annotations

from typing import Annotated

import typer

from tradercast import errors
from tradercast.cli.context import Cli
from tradercast.cli.options import BootstrapOption, ExchangeOption, FromOption, PeerOption, checked
from tradercast.client.api import AsyncClient
from tradercast.timerange import format_time_ns, parse_time_ns

EXAMPLES = (
    "tradercast book btcusdt --at 2024-08-08T23:59:59.5Z",
    "tradercast book btcusdt --at 2024-08-08T23:59:59.5Z --depth 25 --json",
    "tradercast book btcusdt                                # the newest",
)


async def book(
    cli: Cli,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL|FEED|LINK", help="Whose book.")],
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="E.g. 2024-01-31T12:00:00.25Z, or ns; default: the newest.",
            callback=checked(parse_time_ns),
        ),
    ] = None,
    depth: Annotated[
        int, typer.Option("--depth", min=1, help="Levels of each side, best first.")
    ] = 10,
    source: FromOption = None,
    exchange: ExchangeOption = None,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> int:
    """Show the order book at a time, after every message up to it.

    What is not here is fetched: one chunk, and what leads to it.  Exit code 3: at this time it is
    not the exchange's book, since messages are missing (until the next snapshot), or none is known
    so early or so late; the reason is said.
    """
    client = AsyncClient(
        cli.data_dir.root, link=source, bootstrap=bootstrap or (), peers=peer or ()
    )
    async with client:
        found = await client.book_at(symbol, at, exchange=exchange)
    shown = found.to_dict(depth)
    cli.out.emit(shown)
    time = shown["ts"]
    cli.out.print(
        str(found.feed) + ("" if time is None else f" at {format_time_ns(time)}"), style="bold"
    )
    for line in found.lines(depth):
        cli.out.print(line)
    if not found.valid:
        cli.out.warn(f"this is not the exchange's book: {found.reason}")
    return errors.EXIT_OK if found.valid else errors.EXIT_INCOMPLETE
