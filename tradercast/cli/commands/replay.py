"""``tradercast replay``: several feeds as one stream in the order of time."""

from __future__ import annotations

from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.options import (
    BootstrapOption,
    EndOption,
    ExchangeOption,
    FromOption,
    PeerOption,
    StartOption,
)
from tradercast.cli.records import print_batch
from tradercast.client.api import AsyncClient

EXAMPLES = (
    "tradercast replay btcusdt --channels trades,book --start 2024-08-08T23:55 --end 2024-08-09",
    "tradercast replay btcusd ethusd --start 2024-01-05 --end 2024-01-06 --speed 10",
    "tradercast replay btcusd --start 2024-01-05 --json     # without an end: goes on live",
)
_AT_ONCE = 1_024  # records printed before the next are looked at


async def replay(
    cli: Cli,
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL…", help="Symbols, feeds or links.")
    ],
    channels: Annotated[
        str,
        typer.Option(
            "--channels", metavar="NAMES", help="Of trades,book,candles-1m; separated by commas."
        ),
    ] = "trades",
    start: StartOption = None,
    end: EndOption = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", help="10 is ten times as fast as it was; default: all at once."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only what is here.")] = False,
    exchange: ExchangeOption = None,
    link: FromOption = None,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> None:
    """Print the records of several feeds as one stream, in the order in which they came.

    They go by the times at which they were received, if all feeds say these, otherwise by those
    of their events; a candle comes at the end of its minute.  Without --end new records follow
    as they arrive, until it is stopped; with --offline it ends.
    """
    client = AsyncClient(cli.data_dir.root, link=link, bootstrap=bootstrap or (), peers=peer or ())
    named = [name.strip() for name in channels.split(",") if name.strip()]
    async with client:
        batches = client.replay(
            symbols,
            start,
            end,
            named,
            exchange=exchange,
            sync=not offline,
            speed=speed,
            batches=True,
        )
        async for batch in batches:
            for few in batch.split(_AT_ONCE):
                print_batch(cli.out, few)
