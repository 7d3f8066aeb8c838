"""``tradercast publish``: files of trades or of a book into a signed feed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tradercast.cli.commands.serve import (
    AdvertiseOption,
    DhtOption,
    ListenOption,
    NoDhtOption,
    host_options,
    serve_until_stopped,
)
from tradercast.cli.context import Cli
from tradercast.cli.local import open_local
from tradercast.cli.options import BootstrapOption, PeerOption
from tradercast.cli.text import count, size
from tradercast.client.node import Node
from tradercast.client.publishing import feed_writer, own_link
from tradercast.errors import InputError, UsageError
from tradercast.feed.bulk import ImportProgress, ImportReport
from tradercast.feed.candle_source import minute_candles
from tradercast.feed.channel import CANDLES, TRADES
from tradercast.feed.entries import MAIN
from tradercast.feed.source import Batches, read_ahead
from tradercast.feeds import FeedId, check_name, normalise_symbol
from tradercast.paths import DIRECTORY_PORT, LOOPBACK, PEER_PORT
from tradercast.pipeline.files.sources import FORMATS, Files, source_files
from tradercast.timerange import TimeRange, format_time_ns

EXAMPLES = (
    "tradercast publish trades.parquet --exchange binance --symbol btcusdt",
    "tradercast publish day1.csv.gz day2.csv.gz --exchange binance --symbol btcusdt --serve \\",
    "    --columns 'ts_event=timestamp_ms:ms,price=price,size=quantity'",
    "tradercast publish capture.jsonl.gz --exchange binance --symbol btcusdt \\",
    "    --channel book --format binance-raw",
    "tradercast publish capture.gz --exchange bitfinex --symbol btcusd \\",
    "    --channel book --format bitfinex-raw",
    "tradercast publish trades.csv.gz --exchange bitfinex --symbol btcusd --candles",
    "tradercast publish 2019.csv --exchange bitfinex --symbol btcusd --segment history",
)


async def publish(
    cli: Cli,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", help="CSV, JSON lines or Parquet, or captures of a book; in order."
        ),
    ],
    exchange: Annotated[str, typer.Option("--exchange", help="E.g. binance.")],
    symbol: Annotated[str, typer.Option("--symbol", help="E.g. btcusdt or BTC/USDT.")],
    channel: Annotated[
        str, typer.Option("--channel", help=f"What the files hold: {', '.join(FORMATS)}.")
    ] = "trades",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="How they are written: " + ", ".join(dict.fromkeys(sum(FORMATS.values(), ()))),
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="SPEC",
            help="Which column is what: 'ts_event=COLUMN:UNIT,price=COLUMN,size=COLUMN,…'",
        ),
    ] = None,
    candles: Annotated[
        bool, typer.Option("--candles", help="Also a feed of minute candles of the trades.")
    ] = False,
    segment: Annotated[
        str, typer.Option("--segment", help="Another part of the feed: history loaded later.")
    ] = MAIN,
    native_symbol: Annotated[
        str | None, typer.Option("--native-symbol", help="The exchange's own spelling.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only read and check the files.")
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve, like `serve`.")] = False,
    listen: ListenOption = f"{LOOPBACK}:{PEER_PORT}",
    advertise: AdvertiseOption = None,
    dht: DhtOption = f"{LOOPBACK}:{DIRECTORY_PORT}",
    no_dht: NoDhtOption = False,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> int:
    """Append what files hold, trades or a book, to a signed feed, made at the first time.

    The same file again adds nothing, a longer one adds the rest, a changed one is refused.
    Either all of it is added or nothing.
    """
    feed = FeedId(check_name(exchange, "exchange"), normalise_symbol(symbol), channel)
    check_name(segment, "segment")
    if candles and feed.channel != TRADES.name:
        raise UsageError("--candles makes candles of trades", hint=f"leave it out for {channel}")
    source = source_files(feed, files, columns=columns, form=form, native_symbol=native_symbol)
    options = host_options(listen, advertise, None if no_dht else dht, bootstrap, peer)
    if dry_run:
        await _survey(cli, feed, source)
        return 0

    async def add(node: Node, batches: Batches) -> None:
        details = {"native_symbol": native_symbol} if native_symbol else {}
        await _import(cli, node, feed, batches, segment, details, began)
        if segment != MAIN:
            await _warn_of_order(cli, node, feed)
        if candles:
            made = FeedId(feed.exchange, feed.symbol, CANDLES.name)
            async with feed_writer(node, feed, segment=segment) as writer:
                then = time.monotonic()
                batches = minute_candles(writer.history)
                await _import(cli, node, made, batches, segment, details, then)

    began = time.monotonic()
    async with read_ahead(source.batches()) as batches:

        @contextlib.asynccontextmanager
        async def added(node: Node) -> AsyncIterator[None]:
            await add(node, batches)
            yield

        if serve:
            await serve_until_stopped(cli, options, added)
            return 0
        async with Node(cli.data_dir) as node:
            await add(node, batches)
    cli.out.note("next: tradercast serve")
    return 0


async def _survey(cli: Cli, feed: FeedId, source: Files) -> None:
    info = await asyncio.to_thread(source.survey)
    cli.out.emit(
        {
            "feed": str(feed),
            "rows": info.rows,
            "gaps": info.gaps,
            "start": info.first_ns,
            "end": info.last_ns,
            "bytes": info.bytes,
            "columns": list(info.columns),
        }
    )
    cli.out.print(f"{feed}: {info}")
    for used in dict.fromkeys(info.columns):
        cli.out.print(f"columns: {used}")


async def _import(
    cli: Cli,
    node: Node,
    feed: FeedId,
    batches: Batches,
    segment: str,
    details: dict[str, Any],
    began: float,
) -> None:
    with cli.out.progress(f"publish {feed}") as bar:

        def show(progress: ImportProgress) -> None:
            bar.update(progress.records, note=f"{size(progress.bytes)} encoded")

        try:
            async with feed_writer(node, feed, segment=segment, **details) as writer:
                report = await writer.import_batches(batches, show)
        except InputError as error:
            error.hint = error.hint or "nothing was added: mend the file and publish it again"
            raise
    _report(cli, feed, report, str(own_link(node)), time.monotonic() - began)


async def _warn_of_order(cli: Cli, node: Node, feed: FeedId) -> None:
    """Say so if segments do not follow each other in time."""
    plans = await (await open_local(node, str(feed))).plan(TimeRange())
    for one, two in itertools.pairwise(plans):
        last, starts = one.plan.settled_ns, [ref.min_ns for ref in two.plan.chunks[:1]]
        starts += [two.plan.tail.min_ns] if two.plan.tail else []
        if last is not None and starts and last > starts[0]:
            first, then = one.segment.segment.name, two.segment.segment.name
            cli.out.warn(
                f"the segment {first} is read before {then}, but ends at {format_time_ns(last)}, "
                f"after {format_time_ns(starts[0])}: a segment is for history before what there is"
            )


def _report(cli: Cli, feed: FeedId, report: ImportReport, link: str, elapsed: float) -> None:
    cli.out.emit(
        {
            "event": "published",
            "feed": str(feed),
            "added": report.added,
            "already_there": report.already_there,
            "total": report.total,
            "link": link,
            "seconds": round(elapsed, 3),
        }
    )
    cli.out.print(
        f"{feed}: {count(report.added, 'record')} added, {report.already_there:,} were there, "
        f"{report.total:,} in all ({elapsed:.1f} s)"
    )
