"""``tradercast collect``: trades and books of an exchange as they happen."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tradercast.cli.commands.serve import (
    AdvertiseOption,
    DhtOption,
    ListenOption,
    NoDhtOption,
    host_options,
)
from tradercast.cli.context import Cli
from tradercast.cli.options import BootstrapOption, MetricsOption, PeerOption, secret
from tradercast.client import extras
from tradercast.client.node import Node
from tradercast.errors import UsageError
from tradercast.exchanges import connector
from tradercast.exchanges.connector import Connector
from tradercast.paths import DIRECTORY_PORT, LOOPBACK, PEER_PORT
from tradercast.pipeline.exchange_trades import RecvPrecision

EXAMPLES = (
    "tradercast collect bitfinex btcusd ethusd",
    "tradercast collect bitfinex avax/usd tBTCF0:USTF0 --recv-precision ns",
    "tradercast collect bitfinex btcusd --channels trades,book",
    "tradercast collect bitfinex btcusd --to 'mongodb://127.0.0.1:27017/market?replicaSet=rs0'",
    "tradercast collect bitfinex btcusd --channels trades,book --to 'mongodb://db1/market'",
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
    channels: Annotated[
        str,
        typer.Option("--channels", help="What to collect: trades, book, or trades,book."),
    ] = "trades",
    recv_precision: Annotated[
        RecvPrecision,
        typer.Option("--recv-precision", help="How exactly the time of arrival is kept."),
    ] = RecvPrecision.US,
    collection: Annotated[
        str, typer.Option("--collection", help="The collection of a MongoDB, for trades.")
    ] = "trades",
    book_collection: Annotated[
        str, typer.Option("--book-collection", help="The one for books.")
    ] = "book",
    metrics: MetricsOption = None,
    listen: ListenOption = f"{LOOPBACK}:{PEER_PORT}",
    advertise: AdvertiseOption = None,
    dht: DhtOption = f"{LOOPBACK}:{DIRECTORY_PORT}",
    no_dht: NoDhtOption = False,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> int:
    """Collect an exchange's trades and books as they happen, until it is stopped.

    They go into signed feeds of this node, which serves and announces them like `serve`, or into
    a MongoDB.  It connects again whenever the exchange goes away.
    """
    source = connector(exchange)
    wanted = _channels(source, channels)
    instruments = list({each.symbol: each for each in map(source.instrument, symbols)}.values())
    endpoint = _endpoint(source, url, os.environ)
    if endpoint.startswith("ws://") and not _is_loopback(endpoint):
        cli.out.warn("ws:// is not encrypted: anybody on the way can change the trades; use wss://")
    if metrics is not None:
        extras.load("prometheus_client", "operator")
    # Not before: every command would wait a quarter of a second for aiohttp.
    from tradercast.cli import collecting

    opening: AbstractAsyncContextManager[tuple[collecting.Sink, collecting.BookSink]]
    nodes: list[Node] = []  # where it serves feeds of its own
    if to == _FEED:
        options = host_options(listen, advertise, None if no_dht else dht, bootstrap, peer)
        opening = collecting.own_feeds(
            cli, source, instruments, options, recv_precision, wanted, nodes.append
        )
    else:
        extras.load("pymongo", "operator")
        from tradercast.pipeline.mongo_sink import MongoCollections, mongo_sinks

        into = MongoCollections(collection, book_collection)
        opening = mongo_sinks(to, into, source.name, recv_precision, wanted)
    with contextlib.suppress(asyncio.CancelledError):  # a signal is the end
        async with opening as sinks:
            await collecting.run(cli, source, instruments, sinks, endpoint, wanted, metrics, nodes)
    return 0


def _channels(source: Connector, text: str) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(text.split(",")))
    for each in wanted:
        if each not in source.channels:
            raise UsageError(
                f"{each!r:.80} of {source.name} can not be collected",
                hint=f"there are: {', '.join(source.channels)}",
            )
    return wanted


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
