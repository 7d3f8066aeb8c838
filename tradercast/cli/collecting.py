"""The work of ``tradercast collect``: a collector, its sink, and what is told of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import aiohttp

from tradercast.addresses import format_address, parse_address
from tradercast.cli.commands.serve import either, ready
from tradercast.cli.context import Cli
from tradercast.cli.text import count
from tradercast.client.hosting import HostOptions, hosting
from tradercast.client.node import Node
from tradercast.client.publishing import feed_writer, own_link
from tradercast.exchanges.connector import Connector, Instrument, Maintenance, Refused, Subscribed
from tradercast.exchanges.stream import Disconnected, News
from tradercast.feed.writer import FeedWriter
from tradercast.feeds import FeedId
from tradercast.pipeline.collect import BookGap, Collector, Hole
from tradercast.pipeline.collect import BookSink as BookSink
from tradercast.pipeline.collect import Sink as Sink
from tradercast.pipeline.exchange_trades import RecvPrecision
from tradercast.pipeline.feed_sink import FeedSink


@contextlib.asynccontextmanager
async def own_feeds(
    cli: Cli,
    source: Connector,
    instruments: list[Instrument],
    options: HostOptions,
    precision: RecvPrecision,
    channels: Sequence[str],
    on_node: Callable[[Node], None],
) -> AsyncIterator[tuple[Sink, BookSink]]:
    """The sinks of this node's own feeds, which are served meanwhile."""
    async with Node(cli.data_dir) as node, hosting(node, options) as host:
        on_node(node)

        def open_writer(
            instrument: Instrument, channel: str
        ) -> AbstractAsyncContextManager[FeedWriter]:
            return feed_writer(
                node,
                FeedId(source.name, instrument.symbol, channel),
                listed_at_once=True,
                native_symbol=instrument.native,
                base=instrument.base,
                quote=instrument.quote,
                type=instrument.type,
            )

        async with FeedSink(open_writer, precision) as sink:
            await sink.open(instruments, channels)
            own_link(node)
            announced = asyncio.Event()
            serving = asyncio.create_task(host.server.run(announced.set))
            try:
                await either(announced, serving)
                ready(cli, node, host)
                yield sink, sink
            finally:
                serving.cancel()
                await asyncio.wait([serving])


async def run(
    cli: Cli,
    source: Connector,
    instruments: list[Instrument],
    sinks: tuple[Sink, BookSink],
    endpoint: str,
    channels: Sequence[str],
    metrics: str | None,
    nodes: Sequence[Node],
) -> None:
    """Collect until cancelled, and tell what was collected."""
    began = time.monotonic()
    sink, book_sink = sinks
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        collector = Collector(
            *(http, source, instruments, sink, endpoint),
            on_news=_Teller(cli),
            channels=channels,
            book_sink=book_sink if "book" in channels else None,
        )
        if metrics is not None:
            from tradercast.cli.node_metrics import Traffic, node_readings
            from tradercast.pipeline.collect_metrics import collect_telemetry

            traffic = [(node, Traffic()) for node in nodes]
            for node, watched in traffic:
                watching = asyncio.create_task(watched.watch(node))
                stack.callback(watching.cancel)
            telemetry = collect_telemetry(
                collector,
                source.name,
                lambda: [
                    reading
                    for node, watched in traffic
                    for reading in node_readings("collect", watched, node)
                ],
            )
            at = await stack.enter_async_context(
                telemetry.serving(parse_address(metrics, listen=True))
            )
            cli.out.emit({"event": "metrics", "address": format_address(at)})
            cli.out.note(f"metrics at http://{format_address(at)}/metrics")
        try:
            await collector.run()
        finally:
            _collected(cli, collector, time.monotonic() - began)


def _collected(cli: Cli, collector: Collector, seconds: float) -> None:
    written = {symbol: counts.written for symbol, counts in collector.counters.items()}
    books = {symbol: counts.written for symbol, counts in collector.book_counters.items()}
    cli.out.emit(
        {
            "event": "collected",
            "written": written,
            "lost": collector.lost,
            "holes": sum(counts.holes for counts in collector.counters.values()),
            **({"books": books, "gaps": _gaps(collector)} if books else {}),
            "seconds": round(seconds, 3),
        }
    )
    for symbol, number in written.items():
        book = f", {count(books[symbol], 'book message')}" if books else ""
        cli.out.print(f"{symbol}: {count(number, 'trade')}{book} written")


def _gaps(collector: Collector) -> int:
    return sum(counts.gaps for counts in collector.book_counters.values())


class _Teller:
    """Tells of connections and holes; records are only counted."""

    def __init__(self, cli: Cli) -> None:
        self._out = cli.out

    def __call__(self, news: News | Hole | BookGap) -> None:
        if isinstance(news, Subscribed):
            event = {"event": "subscribed", "symbol": news.symbol, "channel": news.channel}
            self._out.emit(event)
            self._out.note(f"{news.symbol}: subscribed to {news.channel}")
        elif isinstance(news, BookGap):
            gap = {"missing_from": news.hole.first, "missing_to": news.hole.last}
            times = {"ts_before": news.hole.before_ns, "ts_after": news.hole.after_ns}
            self._out.emit({"event": "gap", "symbol": news.symbol, **gap, **times})
        elif isinstance(news, Refused):  # warnings of these are logged where they happen
            self._out.emit({"event": "refused", "symbol": news.symbol, "why": news.why})
        elif isinstance(news, Disconnected):
            wait_s = round(news.wait_s, 3)
            symbols = list(news.symbols)
            self._out.emit(
                {"event": "disconnected", "symbols": symbols, "why": news.why, "wait_s": wait_s}
            )
        elif isinstance(news, Maintenance):
            what = "begins" if news.begun else "ends"
            self._out.emit({"event": "maintenance", "begun": news.begun})
            self._out.note(f"the exchange's maintenance {what}")
        elif isinstance(news, Hole):
            first = news.first
            self._out.emit(
                {
                    "event": "hole",
                    "symbol": news.symbol,
                    "before_id": first.trade_id,
                    "before_ns": first.ts_event,
                }
            )
