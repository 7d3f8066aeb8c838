"""``tradercast export``: what is here, as CSV, JSON lines or Parquet."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.local import open_local
from tradercast.cli.options import ChannelOption, EndOption, ExchangeOption, StartOption
from tradercast.cli.text import count, size
from tradercast.client.export import Export, kind_of, open_export
from tradercast.client.feed import OpenFeed
from tradercast.client.node import Node
from tradercast.errors import MissingDataError
from tradercast.feed.channel import CANDLES
from tradercast.feed.reader import ReadReport
from tradercast.timerange import TimeRange

EXAMPLES = (
    "tradercast export btcusd --out btcusd.parquet",
    "tradercast export btcusd --start 2024-01-01 --end 2024-01-02 --out day.csv",
    "tradercast export btcusdt --channel book --out book.jsonl",
)


async def export(
    cli: Cli,
    feed: Annotated[str, typer.Argument(metavar="FEED", help="A symbol or a feed's name.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Ends in .csv, .parquet or .jsonl.")
    ],
    channel: ChannelOption = None,
    exchange: ExchangeOption = None,
    start: StartOption = None,
    end: EndOption = None,
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-missing", help="Write what is here, if it is not all.")
    ] = False,
) -> None:
    """Write a range of a feed that is here to a file; exact decimals, times in ns.

    The file is complete or not there: without `--ignore-missing`, a range that is not all
    here is refused with exit code 3.  Of a book, CSV is what tardis.dev calls
    incremental_book_L2, a line a level (µs), and Parquet the same in ns; JSON lines are an object
    a message or gap.  Of candles, the last of each minute is written.
    """
    kind = kind_of(out)
    wanted = TimeRange.parse(start, end)
    async with Node(cli.data_dir) as node:
        opened = await open_local(node, feed, exchange=exchange, channel=channel)
        records = await _write(cli, opened, wanted, out, ignore_missing=ignore_missing)
    written = out.stat().st_size
    cli.out.emit(
        {
            "event": "exported",
            "feed": str(opened.feed),
            "out": str(out),
            "format": kind,
            "records": records,
            "bytes": written,
        }
    )
    cli.out.print(f"{opened.feed}: {count(records, 'record')} to {out}, {size(written)}")


async def _write(
    cli: Cli, feed: OpenFeed, wanted: TimeRange, out: Path, *, ignore_missing: bool
) -> int:
    plans = await feed.plan(wanted)
    report = ReadReport()
    total = sum(each.plan.records for each in plans)
    with cli.out.progress(f"export {feed.feed}", total) as bar, _opened(out, feed) as file:
        async for piece in feed.read(plans, report):
            await asyncio.to_thread(file.write, piece.records)
            bar.update(file.records)
        if report.missing and not ignore_missing:
            missing = sum(end - start for start, end in report.missing)
            raise MissingDataError(
                f"{count(missing, 'record')} of {feed.feed} in this range are not here",
                missing=report.missing_times(wanted),
                hint="sync the range first, or say --ignore-missing",
            )
    if report.gaps and feed.feed.channel == "book":
        cli.out.warn(
            f"{count(len(report.gaps), 'gap')}: until the next snapshot the book is not valid"
        )
    if report.gaps and feed.feed.channel == CANDLES.name:
        cli.out.warn(f"{count(len(report.gaps), 'gap')}: candles beside one may lack some trades")
    return file.records


def _opened(out: Path, feed: OpenFeed) -> AbstractContextManager[Export]:
    name = feed.feed
    is_book = name.channel == "book"
    book = (name.exchange, feed.entry.native_symbol or name.symbol) if is_book else None
    return open_export(out, book=book, candles=name.channel == CANDLES.name)
