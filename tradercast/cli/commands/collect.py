"""``tradercast collect``: trades of an exchange as they happen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
import typer

from tradercast.addresses import format_address, parse_address
from tradercast.cli.commands.serve import (
    AdvertiseOption,
    DhtOption,
    ListenOption,
    NoDhtOption,
    either,
    host_options,
    ready,
)
from tradercast.cli.context import Cli
from tradercast.cli.options import BootstrapOption, MetricsOption, PeerOption, secret
from tradercast.cli.text import count
from tradercast.client import extras
from tradercast.client.hosting import HostOptions, hosting
from tradercast.client.node import Node
from tradercast.client.publishing import feed_writer, own_link
from tradercast.errors import UsageError
from tradercast.exchanges import connector
from tradercast.exchanges.connector import Connector, Instrument, Maintenance, Refused, Subscribed
from tradercast.exchanges.stream import Disconnected, News
from tradercast.feed.writer import FeedWriter
from tradercast.feeds import FeedId
from tradercast.paths import DIRECTORY_PORT, LOOPBACK, PEER_PORT
from tradercast.pipeline.collect import Collector, Hole, Sink
from tradercast.pipeline.exchange_trades import RecvPrecision
from tradercast.pipeline.feed_sink import FeedSink

EXAMPLES = (
    "tradercast collect bitfinex btcusd ethusd",
    "tradercast collect bitfinex avax/usd tBTCF0:USTF0 --recv-precision ns",
    "tradercast collect bitfinex btcusd --to 'mongodb://127.0.0.1:27017/market?replicaSet=rs0'",
)

ENV_URL = "TRADERCAST_WS_URL_"
_FEED = "feed"


async def collect(
    cli: Cli,
    exchange: Annotated[str, typer.Argument(help="E.g. bitfinex.")],
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL…", help="E.g. btcusd, or as the exchange does.")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="feed|mongodb://…/DATABASE",
            help="This node's own signed feeds, or a MongoDB replica set; or file:PATH of that.",
            callback=secret,
        ),
    ] = _FEED,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="ws://…",
            help=f"Another address than the exchange's own; also {ENV_URL}EXCHANGE.",
        ),
    ] = None,
    channels: Annotated[str, typer.Option("--channels", help="What to collect.")] = "trades",
    recv_precision: Annotated[
        RecvPrecision,
        typer.Option("--recv-precision", help="How exactly the time of arrival is kept."),
    ] = RecvPrecision.US,
    collection: Annotated[
        str, typer.Option("--collection", help="The collection of a MongoDB.")
    ] = "trades",
    metrics: MetricsOption = None,
    listen: ListenOption = f"{LOOPBACK}:{PEER_PORT}",
    advertise: AdvertiseOption = None,
    dht: DhtOption = f"{LOOPBACK}:{DIRECTORY_PORT}",
    no_dht: NoDhtOption = False,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> int:
    """Collect an exchange's trades as they happen, until it is stopped.

    They go into signed feeds of this node, which serves and announces them like `serve`, or into
    a MongoDB.  It connects again whenever the exchange goes away.
    """
    if channels != "trades":
        raise UsageError(f"{channels!r:.80} can not be collected yet", hint="use trades")
    source = connector(exchange)
    instruments = list({each.symbol: each for each in map(source.instrument, symbols)}.values())
    endpoint = _endpoint(source, url, os.environ)
    if endpoint.startswith("ws://") and not _is_loopback(endpoint):
        cli.out.warn("ws:// is not encrypted: anybody on the way can change the trades; use wss://")
    if metrics is not None:
        extras.load("prometheus_client", "operator")
    opening: AbstractAsyncContextManager[Sink]
    nodes: list[Node] = []  # where it serves feeds of its own
    if to == _FEED:
        options = host_options(listen, advertise, None if no_dht else dht, bootstrap, peer)
        opening = _feeds(cli, source, instruments, options, recv_precision, nodes.append)
    else:
        extras.load("pymongo", "operator")
        from tradercast.pipeline.mongo_sink import mongo_sink

        opening = mongo_sink(to, collection, source.name, recv_precision)
    with contextlib.suppress(asyncio.CancelledError):  # a signal is the end
        async with opening as sink, aiohttp.ClientSession() as http:
            told = _Teller(cli)
            collector = Collector(http, source, instruments, sink, endpoint, on_news=told)
            await _run(cli, collector, source.name, metrics, nodes)
    return 0


def _endpoint(source: Connector, option: str | None, environ: Mapping[str, str]) -> str:
    """The option, else the environment, else the exchange itself."""
    name = ENV_URL + source.name.upper().replace("-", "_")
    url = option or environ.get(name) or source.url
    if not url.startswith(("ws://", "wss://")) or len(url) > 2_000:
        raise UsageError(
            f"{url!r:.80} is no WebSocket address", hint="it begins with wss:// or ws://"
        )
    return url


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.asynccontextmanager
async def _feeds(
    cli: Cli,
    source: Connector,
    instruments: list[Instrument],
    options: HostOptions,
    precision: RecvPrecision,
    on_node: Callable[[Node], None],
) -> AsyncIterator[Sink]:
    """The sink of this node's own feeds, which are served meanwhile."""
    async with Node(cli.data_dir) as node, hosting(node, options) as host:
        on_node(node)

        def open_writer(instrument: Instrument) -> AbstractAsyncContextManager[FeedWriter]:
            return feed_writer(
                node,
                FeedId(source.name, instrument.symbol),
                listed_at_once=True,
                native_symbol=instrument.native,
                base=instrument.base,
                quote=instrument.quote,
                type=instrument.type,
            )

        async with FeedSink(open_writer, precision) as sink:
            await sink.open(instruments)
            own_link(node)
            announced = asyncio.Event()
            serving = asyncio.create_task(host.server.run(announced.set))
            try:
                await either(announced, serving)
                ready(cli, node, host)
                yield sink
            finally:
                serving.cancel()
                await asyncio.wait([serving])


async def _run(
    cli: Cli, collector: Collector, exchange: str, metrics: str | None, nodes: Sequence[Node]
) -> None:
    began = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        if metrics is not None:
            from tradercast.cli.node_metrics import Traffic, node_readings
            from tradercast.pipeline.collect_metrics import collect_telemetry

            traffic = [(node, Traffic()) for node in nodes]
            for node, watched in traffic:
                watching = asyncio.create_task(watched.watch(node))
                stack.callback(watching.cancel)
            telemetry = collect_telemetry(
                collector,
                exchange,
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
    holes = sum(counts.holes for counts in collector.counters.values())
    cli.out.emit(
        {
            "event": "collected",
            "written": written,
            "lost": collector.lost,
            "holes": holes,
            "seconds": round(seconds, 3),
        }
    )
    for symbol, number in written.items():
        cli.out.print(f"{symbol}: {count(number, 'trade')} written")


class _Teller:
    """Tells of connections; trades are only counted."""

    def __init__(self, cli: Cli) -> None:
        self._out = cli.out

    def __call__(self, news: News | Hole) -> None:
        if isinstance(news, Subscribed):
            self._out.emit({"event": "subscribed", "symbol": news.symbol})
            self._out.note(f"{news.symbol}: subscribed")
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
