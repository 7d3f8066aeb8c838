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
from tradercast.client import bbo
from tradercast.client.book_days import BookDays
from tradercast.client.export import Export, kind_of, open_export
from tradercast.client.feed import OpenFeed
from tradercast.client.node import Node
from tradercast.errors import MissingDataError, UsageError
from tradercast.feed.channel import BOOK, CANDLES
from tradercast.feed.reader import ReadReport
from tradercast.feeds import FeedId
from tradercast.timerange import TimeRange

EXAMPLES = (
    "tradercast export btcusd --out btcusd.parquet",
    "tradercast export btcusd --start 2024-01-01 --end 2024-01-02 --out day.csv",
    "tradercast export btcusdt --channel book --out book.jsonl",
    "tradercast export btcusdt --channel bbo --out bbo.csv",
    "tradercast export btcusdt --channel book --every 1s --depth 15 --flow --out book.parquet \\",
    "    --start 2024-08-08 --end 2024-08-10",
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
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="STEP", help="A book at fixed steps: 100ms, 1s, 5m, …"),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", min=1, help="Levels a side, of --every.")] = 15,
    flow: Annotated[
        bool, typer.Option("--flow", help="With the order flow of each step; reads trades, too.")
    ] = False,
) -> None:
    """Write a range of a feed that is here to a file; exact decimals, times in ns.

    The file is complete or not there: without `--ignore-missing`, a range that is not all
    here is refused with exit code 3.  Of a book, CSV is what tardis.dev calls
    incremental_book_L2, a line a level (µs), and Parquet the same in ns; JSON lines are an object
    a message or gap.  Of candles, the last of each minute is written.

    The channel bbo is made of a feed of books: the best bid and ask, a row at each change.
    With `--every`, a book is written as a table of its best levels, a file a day (UTC) whose name
    holds the date: book-2024-08-08.parquet.
    """
    kind = kind_of(out)
    wanted = TimeRange.parse(start, end)
    if every is not None:
        async with Node(cli.data_dir) as node:
            book = await open_local(node, feed, exchange=exchange, channel=channel)
            if book.feed.channel != BOOK.name:
                raise UsageError("--every is about a book", hint="say --channel book")
            name = str(FeedId(book.feed.exchange, book.feed.symbol))
            trades = await open_local(node, name) if flow else None
            days = BookDays(book, trades, every, depth, out, ignore_missing)
            await _write_days(cli, days, wanted)
        return
    if flow:
        raise UsageError("--flow is that of the steps of a book", hint="say --every 1s")
    async with Node(cli.data_dir) as node:
        is_bbo = channel == bbo.CHANNEL
        source = BOOK.name if is_bbo else channel
        opened = await open_local(node, feed, exchange=exchange, channel=source)
        write = _write_bbo if is_bbo else _write
        records = await write(cli, opened, wanted, out, ignore_missing=ignore_missing)
    written = out.stat().st_size
    cli.out.emit(
        {
            "event": "exported",
            "feed": str(opened.feed),
            "channel": channel if is_bbo else opened.feed.channel,
            "out": str(out),
            "format": kind,
            "records": records,
            "bytes": written,
        }
    )
    cli.out.print(f"{opened.feed}: {count(records, 'record')} to {out}, {size(written)}")


async def _write_days(cli: Cli, days: BookDays, wanted: TimeRange) -> None:
    async for day in days.write(wanted):
        written = day.path.stat().st_size
        cli.out.emit(
            {
                "event": "exported",
                "feed": str(days.book.feed),
                "out": str(day.path),
                "date": day.date,
                "steps": day.steps,
                "valid": day.valid,
                "bytes": written,
            }
        )
        cli.out.print(
            f"{days.book.feed}: {count(day.steps, 'step')}, {day.valid:,} with a valid book, "
            f"to {day.path}, {size(written)}"
        )


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
        _check_missing(feed, wanted, report, ignore_missing=ignore_missing)
    if report.gaps and feed.feed.channel == "book":
        cli.out.warn(
            f"{count(len(report.gaps), 'gap')}: until the next snapshot the book is not valid"
        )
    if report.gaps and feed.feed.channel == CANDLES.name:
        cli.out.warn(f"{count(len(report.gaps), 'gap')}: candles beside one may lack some trades")
    return file.records


async def _write_bbo(
    cli: Cli, feed: OpenFeed, wanted: TimeRange, out: Path, *, ignore_missing: bool
) -> int:
    report = ReadReport()
    with (
        cli.out.progress(f"export {feed.feed}") as bar,
        open_export(out, writer=bbo.BboWriter) as file,
    ):
        async for rows in bbo.read_bbo(feed, wanted, report):
            await asyncio.to_thread(file.write, rows)
            bar.update(file.records)
        _check_missing(feed, wanted, report, ignore_missing=ignore_missing)
    return file.records


def _check_missing(
    feed: OpenFeed, wanted: TimeRange, report: ReadReport, *, ignore_missing: bool
) -> None:
    if report.missing and not ignore_missing:
        missing = sum(end - start for start, end in report.missing)
        raise MissingDataError(
            f"{count(missing, 'record')} of {feed.feed} in this range are not here",
            missing=report.missing_times(wanted),
            hint="sync the range first, or say --ignore-missing",
        )


def _opened(out: Path, feed: OpenFeed) -> AbstractContextManager[Export]:
    name = feed.feed
    is_book = name.channel == "book"
    book = (name.exchange, feed.entry.native_symbol or name.symbol) if is_book else None
    return open_export(out, book=book, candles=name.channel == CANDLES.name)
