"""``tradercast candles``: candles of any interval, as a table, JSON lines or a chart."""

from __future__ import annotations

from pathlib import Path
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
    checked,
)
from tradercast.client.api import AsyncClient
from tradercast.client.candle_results import CandlesResult
from tradercast.market.interval import Interval
from tradercast.timerange import format_time_ns

EXAMPLES = (
    "tradercast candles btcusd --interval 1h --start 2024-01-05 --end 2024-01-06",
    "tradercast candles btcusd --interval 1d --last 90 --plot btcusd.png",
    "tradercast candles btcusd --interval 1m --offline --json",
)
_COLUMNS = ("open", "high", "low", "close", "volume", "trades")


async def candles(
    cli: Cli,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="A symbol, feed or link.")],
    interval: Annotated[
        str,
        typer.Option(
            "--interval",
            help="1s 1m 3m 5m 15m 30m 1h 2h 3h 4h 6h 8h 12h 1d 3d 1w 1M.",
            callback=checked(Interval.parse),
        ),
    ] = "1h",
    start: StartOption = None,
    end: EndOption = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only the last N.")] = None,
    fill: Annotated[
        bool, typer.Option("--fill", help="Also where there was no trade, without volume.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw them: .png, .svg or .pdf."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only what is here.")] = False,
    exchange: ExchangeOption = None,
    link: FromOption = None,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> None:
    """Print the candles that begin in a range; trades that are not here are fetched first."""
    client = AsyncClient(cli.data_dir.root, link=link, bootstrap=bootstrap or (), peers=peer or ())
    async with client:
        found = await client.candles(
            symbol, interval, start, end, exchange=exchange, fill=fill, sync=not offline
        )
    if last is not None:
        gaps = found.gaps
        found = found[-last:]
        found.gaps = gaps
    if plot is not None:
        found.plot(plot)
        cli.out.note(f"drawn: {plot}")
    _print(cli, found, table=plot is None)


def _print(cli: Cli, found: CandlesResult, *, table: bool) -> None:
    feed = str(found.origin.feed)
    rows = found.rows()
    if cli.out.json:
        for row in rows:
            cli.out.emit({"feed": feed, "interval": found.interval, **row})
    elif table:
        cells = [
            [format_time_ns(row["ts_open"]), *(row[name] for name in _COLUMNS)] for row in rows
        ]
        cli.out.table(("from", *_COLUMNS), cells, numbers=range(1, len(_COLUMNS) + 1))
    for gap in found.gaps:
        since, until = format_time_ns(gap.before_ns), format_time_ns(gap.after_ns)
        cli.out.warn(f"the source lost messages between {since} and {until}")
    if not rows:
        cli.out.note("there is no trade in this range")
