"""``tradercast feeder``: messages of Kafka into signed feeds, each record once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from tradercast.addresses import format_address, parse_address
from tradercast.cli.commands.serve import (
    AdvertiseOption,
    DhtOption,
    ListenOption,
    NoDhtOption,
    host_options,
)
from tradercast.cli.context import Cli
from tradercast.cli.kafka_settings import KafkaConfigOption, kafka_settings
from tradercast.cli.options import BootstrapOption, MetricsOption, PeerOption, checked, duration_s
from tradercast.client import extras
from tradercast.errors import UsageError
from tradercast.feeds import FeedId
from tradercast.paths import DIRECTORY_PORT, LOOPBACK, PEER_PORT

if TYPE_CHECKING:
    from tradercast.pipeline.feeder_feed import FedFeed

EXAMPLES = (
    "tradercast feeder --kafka kafka1:9092,kafka2:9092 --topics tradercast.bitfinex.trades",
    "tradercast feeder --kafka localhost:9092 --topics a.trades,b.trades --siblings 10.0.0.2:7340",
    "tradercast feeder --kafka localhost:9092 --topics a.trades --accept-gap bitfinex/btcusd",
    "tradercast feeder --kafka localhost:9092 --topics a.trades --peer 10.0.0.3:7340 --catch-up 5m",
)


async def feeder(
    cli: Cli,
    kafka: Annotated[
        str,
        typer.Option("--kafka", metavar="HOST:PORT,…", help="Brokers to begin at."),
    ],
    topics: Annotated[
        list[str],
        typer.Option(
            "--topics",
            metavar="NAME,…",
            help="Topics to read; repeatable.",
        ),
    ],
    siblings: Annotated[
        list[str] | None,
        typer.Option(
            "--siblings",
            metavar="HOST:PORT",
            help="Another feeder with the same identity; repeatable.",
            callback=checked(lambda text: [parse_address(part) for part in _parts([text])]),
        ),
    ] = None,
    accept_gap: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-gap",
            metavar="FEED",
            help="Give up messages that are lost for ever; on one node only; repeatable.",
            callback=checked(lambda text: [FeedId.parse(part) for part in _parts([text])]),
        ),
    ] = None,
    catch_up: Annotated[
        str,
        typer.Option(
            "--catch-up",
            metavar="DURATION",
            help="How long others may take to bring what is missing here.",
            callback=checked(duration_s),
        ),
    ] = "10s",
    candles: Annotated[
        bool, typer.Option("--candles", help="Also a feed of minute candles beside each.")
    ] = False,
    kafka_config: KafkaConfigOption = None,
    metrics: MetricsOption = None,
    listen: ListenOption = f"{LOOPBACK}:{PEER_PORT}",
    advertise: AdvertiseOption = None,
    dht: DhtOption = f"{LOOPBACK}:{DIRECTORY_PORT}",
    no_dht: NoDhtOption = False,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> int:
    """Append what the listener writes to Kafka to signed feeds, and serve them, until stopped.

    Every record is appended once, in Kafka's order, whatever is killed in between.  Where
    messages are missing it stops with exit code 6; what other feeders have fills such a hole.
    """
    extras.load("confluent_kafka", "operator")
    extras.load("prometheus_client", "operator")
    from tradercast.cli.feeding import FeedingOptions, feeding

    others = _parts(siblings)
    host = host_options(
        listen, advertise, None if no_dht else dht, bootstrap, [*(peer or []), *others]
    )
    options = FeedingOptions(
        kafka_settings(kafka_config, kafka),
        tuple(_parts(topics)),
        host,
        bool(others),
        frozenset(FeedId.parse(name) for name in _parts(accept_gap)),
        parse_address(metrics, listen=True) if metrics else None,
        candles,
        duration_s(catch_up),
    )
    if not options.topics:
        raise UsageError("no topic was given", hint="--topics tradercast.EXCHANGE.trades")
    try:
        async with feeding(cli.data_dir, options, lambda fed: _opened(cli, fed)) as running:
            cli.out.emit(
                {
                    "event": "ready",
                    "link": running.link,
                    "dht": format_address(running.host.dht) if running.host.dht else None,
                    "peer": format_address(running.host.peer),
                    "metrics": format_address(running.metrics) if running.metrics else None,
                    "topics": list(options.topics),
                    "waiting_for": list(running.missing()),
                }
            )
            cli.out.print(f"peers connect to  {format_address(running.host.peer)}")
            cli.out.print(f"link              {running.link}")
            for topic in running.missing():
                cli.out.note(f"waiting for topic {topic}")
            try:
                await running.work()
            finally:
                _stopped(cli, running.feeder.feeds)
    except asyncio.CancelledError:
        cli.out.note("stopped")
    return 0


def _parts(texts: list[str] | None) -> list[str]:
    return [part.strip() for text in texts or () for part in text.split(",") if part.strip()]


def _opened(cli: Cli, fed: FedFeed) -> None:
    cli.out.emit(
        {"event": "feed", "feed": str(fed.feed), "records": fed.end_seq, "message": fed.last}
    )
    cli.out.print(f"feeding           {fed.feed}: {fed.end_seq:,} records")


def _stopped(cli: Cli, feeds: dict[FeedId, FedFeed]) -> None:
    for feed, fed in feeds.items():
        cli.out.emit(
            {
                "event": "stopped",
                "feed": str(feed),
                "message": fed.last,
                "appended": fed.counts.appended,
                "repeats": fed.counts.repeats,
            }
        )
