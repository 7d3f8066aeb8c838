"""``tradercast export``: what is here, as CSV, JSON lines, Parquet, or for another program."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.local import open_local
from tradercast.cli.options import ChannelOption, EndOption, ExchangeOption, StartOption
from tradercast.cli.text import count, size
from tradercast.client import bbo
from tradercast.client.api import AsyncClient
from tradercast.client.book_days import BookDays
from tradercast.client.engine_files import (
    Format,
    check_format,
    engine_writer,
    native_symbol,
    target_of,
)
from tradercast.client.export import Export, kind_of, open_export
from tradercast.client.feed import OpenFeed
from tradercast.client.missing import OnMissing
from tradercast.client.node import Node
from tradercast.errors import MissingDataError, UnknownSymbolError, UsageError
from tradercast.feed.channel import BOOK, CANDLES, TRADES
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
    "tradercast export btcusdt --format hftbacktest --out btcusdt.npz    # trades and book",
    "tradercast export btcusd --format freqtrade --interval 1h --out user_data/data/bitfinex",
)


async def export(
    cli: Cli,
    feed: Annotated[str, typer.Argument(metavar="FEED", help="A symbol or a feed's name.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Ends in .csv, .parquet or .jsonl; with --format also a directory.",
        ),
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
    layout: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="tardis-csv, freqtrade (.feather, .parquet, .json), hftbacktest (.npz).",
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--interval", help="With freqtrade: candles, such as 1h, not trades."),
    ] = None,
) -> None:
    """Write a range of a feed that is here to a file; exact decimals, times in ns.

    The file is complete or not there: without `--ignore-missing`, a range that is not all
    here is refused with exit code 3.  Of a book, CSV is what tardis.dev calls
    incremental_book_L2, a line a level (µs), and Parquet the same in ns; JSON lines are an object
    a message or gap.  Of candles, the last of each minute is written.

    The channel bbo is made of a feed of books: the best bid and ask, a row at each change.
    With `--every`, a book is written as a table of its best levels, a file a day (UTC) whose name
    holds the date: book-2024-08-08.parquet.

    With `--format`, files are as other programs have them, numbers as floats where they do; in a
    directory they get the names that these look for.  For hftbacktest, trades and book go into
    one file, and the range has to fit into memory.
    """
    wanted = TimeRange.parse(start, end)
    form = None if layout is None else check_format(layout)
    _check_options(form, interval, every, flow=flow)
    async with Node(cli.data_dir) as node:
        is_bbo = channel == bbo.CHANNEL and form is None
        source = BOOK.name if is_bbo else channel
        opened = await open_local(node, feed, exchange=exchange, channel=source)
        if every is not None:
            if opened.feed.channel != BOOK.name:
                raise UsageError("--every is about a book", hint="say --channel book")
            name = str(FeedId(opened.feed.exchange, opened.feed.symbol))
            trades = await open_local(node, name) if flow else None
            await _write_days(
                cli, BookDays(opened, trades, every, depth, out, ignore_missing), wanted
            )
            return
        if is_bbo:
            records = await _write_bbo(cli, opened, wanted, out, ignore_missing=ignore_missing)
        else:
            feeds = [opened]
            if form == "hftbacktest" and channel is None:
                feeds += await _book_of(node, opened)
            if form is None:
                file = _opened(out, opened)
            else:
                out = target_of(out, form, opened.entry, interval)
                writer = engine_writer(form, opened.entry, interval, out.suffix)
                file = open_export(out, writer=writer)
            write = _write_events if form == "hftbacktest" else _write
            records = await write(cli, feeds, wanted, file, ignore_missing=ignore_missing)
    written = out.stat().st_size
    cli.out.emit(
        {
            "event": "exported",
            "feed": str(opened.feed),
            "channel": channel if is_bbo else opened.feed.channel,
            "out": str(out),
            "format": form or kind_of(out),
            "records": records,
            "bytes": written,
        }
    )
    cli.out.print(f"{opened.feed}: {count(records, 'record')} to {out}, {size(written)}")


def _check_options(
    form: Format | None, interval: str | None, every: str | None, *, flow: bool
) -> None:
    """Refuse options that do not belong together; raises `UsageError`."""
    if interval is not None and form != "freqtrade":
        raise UsageError("--interval is for --format freqtrade", hint="see tradercast candles")
    if every is not None and form is not None:
        raise UsageError(f"{form} has no files of a book at fixed steps", hint="leave out --every")
    if flow and every is None:
        raise UsageError("--flow is that of the steps of a book", hint="say --every 1s")


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
    cli: Cli,
    feeds: list[OpenFeed],
    wanted: TimeRange,
    opened: AbstractContextManager[Export],
    *,
    ignore_missing: bool,
) -> int:
    plans = [await feed.plan(wanted) for feed in feeds]
    total = sum(each.plan.records for some in plans for each in some)
    with cli.out.progress(f"export {feeds[0].feed}", total) as bar, opened as file:
        for feed, some in zip(feeds, plans, strict=True):
            report = ReadReport()
            async for piece in feed.read(some, report):
                await asyncio.to_thread(file.write, piece.records)
                bar.update(file.records)
            _check_missing(feed, wanted, report, ignore_missing=ignore_missing)
            _warn(cli, feed.feed, len(report.gaps))
    return file.records


async def _write_events(
    cli: Cli,
    feeds: list[OpenFeed],
    wanted: TimeRange,
    opened: AbstractContextManager[Export],
    *,
    ignore_missing: bool,
) -> int:
    """As a replay gives them: with the book that a range in the middle begins with."""
    names = [str(feed.feed) for feed in feeds]
    channels = [feed.feed.channel for feed in feeds]
    missing: OnMissing = "ignore" if ignore_missing else "raise"
    gaps: Counter[FeedId] = Counter()
    async with AsyncClient(cli.data_dir.root) as client:
        batches = client.replay(
            names,
            wanted.start_ns,
            wanted.end_ns,
            channels,
            sync=False,
            on_missing=missing,
            batches=True,
        )
        with cli.out.progress(f"export {names[0]}") as bar, opened as file:
            async for batch in batches:
                for part in batch.parts:
                    await asyncio.to_thread(file.write, part.records)
                    gaps[part.feed] += len(part.records.notes)
                bar.update(file.records)
    for feed, missed in gaps.items():
        _warn(cli, feed, missed)
    return file.records


def _warn(cli: Cli, feed: FeedId, gaps: int) -> None:
    if gaps and feed.channel == BOOK.name:
        cli.out.warn(f"{count(gaps, 'gap')}: until the next snapshot the book is not valid")
    if gaps and feed.channel == CANDLES.name:
        cli.out.warn(f"{count(gaps, 'gap')}: candles beside one may lack some trades")


async def _book_of(node: Node, trades: OpenFeed) -> list[OpenFeed]:
    """The book beside a feed of trades, if there is one."""
    if trades.feed.channel != TRADES.name:
        return []
    name = f"{trades.feed.exchange}/{trades.feed.symbol}/{BOOK.name}"
    try:
        return [await open_local(node, name)]
    except UnknownSymbolError:
        return []


async def _write_bbo(
    cli: Cli, feed: OpenFeed, wanted: TimeRange, out: Path, *, ignore_missing: bool
) -> int:
    report = ReadReport()
    with (
        cli.out.progress(f"export {feed.feed}") as bar,
        open_export(out, writer=partial(bbo.BboWriter, kind=kind_of(out))) as file,
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
    book = (name.exchange, native_symbol(feed.entry)) if name.channel == BOOK.name else None
    return open_export(out, book=book, candles=name.channel == CANDLES.name)
