"""``tradercast listener``: from MongoDB to Kafka, every change in exactly one message."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from typing import TYPE_CHECKING, Annotated

import typer

from tradercast.addresses import format_address, parse_address
from tradercast.cli.context import Cli
from tradercast.cli.kafka_settings import KafkaConfigOption, kafka_settings
from tradercast.cli.options import MetricsOption, secret
from tradercast.errors import UsageError

if TYPE_CHECKING:
    from tradercast.pipeline.listener import Listener
    from tradercast.pipeline.listener_preview import Preview
    from tradercast.pipeline.mongo_source import MongoSource

EXAMPLES = (
    "tradercast listener --mongo 'mongodb://db1,db2/market?replicaSet=rs0' --kafka kafka1:9092",
    "tradercast listener --mongo mongodb://db1/market --kafka k:9092 --collections fills "
    "--map 'exchange==acme,symbol=pair,trade_id=_id,ts_event=time:ms,price=px,size=qty' --dry-run",
    "tradercast listener --mongo mongodb://db1/market --kafka k:9092 --book-collections book",
    "tradercast listener --mongo mongodb://db1/bitfinex --kafka k:9092 --collections btcusd "
    "--map bitfinex-2018",
)
REPORT_S = 10.0
# Batches are tens of thousands of objects without cycles: looking for these takes longer than
# all the rest.
GC_THRESHOLD = 200_000

MongoOption = Annotated[
    str,
    typer.Option(
        "--mongo",
        metavar="URI",
        help="The replica set's address, or file:PATH of it.",
        callback=secret,
    ),
]
KafkaOption = Annotated[
    str,
    typer.Option("--kafka", metavar="H:P,…", help="Brokers to begin with."),
]
CollectionsOption = Annotated[
    str,
    typer.Option(
        metavar="NAME,…",
        help="Collections of one database; by default `trades` of the address's.",
    ),
]
BooksOption = Annotated[
    str,
    typer.Option(
        "--book-collections",
        metavar="NAME,…",
        help="Collections of the same database that `collect` writes books to.",
    ),
]
MapOption = Annotated[
    str,
    typer.Option(
        "--map",
        metavar="FIELD=PATH,…",
        help="Where a trade's fields are in a document; or the preset bitfinex-2018.",
    ),
]
TemplateOption = Annotated[
    str,
    typer.Option(
        "--topic-template",
        help="Topics' names, of {exchange}, {symbol} and {channel}.",
    ),
]
IdOption = Annotated[
    str,
    typer.Option(
        "--id",
        help="Its state's name; a second one with the same id ends the first.",
    ),
]
PartitionsOption = Annotated[
    int, typer.Option(min=1, max=10_000, help="Of a topic that has to be made.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would become of the documents, and end.")
]


async def listener(
    cli: Cli,
    mongo: MongoOption,
    kafka: KafkaOption = "",
    kafka_config: KafkaConfigOption = None,
    collections: CollectionsOption = "",
    book_collections: BooksOption = "",
    no_trades: Annotated[
        bool, typer.Option("--no-trades", help="Only the collections of books are read.")
    ] = False,
    fields: MapOption = "",
    topic_template: TemplateOption = "tradercast.{exchange}.{channel}",
    name: IdOption = "main",
    partitions: PartitionsOption = 8,
    metrics: MetricsOption = None,
    dry_run: DryRunOption = False,
) -> int:
    """Carry every trade and book message of MongoDB's collections to Kafka, until it is stopped.

    What is there comes first, then every change. Messages, dead letters and the position are
    one transaction: after any crash it goes on from the last one.
    """
    try:
        import confluent_kafka  # noqa: F401
        import pymongo  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed", hint="pip install 'tradercast[operator]'"
        ) from None
    from tradercast.feeds import FeedId, check_name
    from tradercast.pipeline.listener import Listener, ListenerOptions
    from tradercast.pipeline.mapping import FieldMap
    from tradercast.pipeline.mongo_connect import collections_of, connected
    from tradercast.pipeline.mongo_source import MongoSource
    from tradercast.pipeline.topics import topic_of

    read = FieldMap.parse(fields)
    wanted, wanted_books = (
        [one for one in names.split(",") if one] for names in (collections, book_collections)
    )
    if no_trades and (wanted or not wanted_books):
        raise UsageError("--no-trades goes with --book-collections, and without --collections")
    trades = () if no_trades else collections_of(mongo, wanted)
    books = frozenset(collections_of(mongo, wanted_books) if wanted_books else ())
    if both := books.intersection(trades):
        raise UsageError(f"{', '.join(sorted(both))}: trades and books are not in one collection")
    names = (*trades, *sorted(books))
    topic_of(topic_template, FeedId("exchange", "symbol"))
    check_name(name, "listener's id")
    async with connected(mongo) as client:
        if dry_run:
            from tradercast.pipeline.listener_preview import preview

            for collection in names:
                _show(cli, await preview(client, collection, read, books))
            return 0
        if not kafka:
            raise UsageError("it is not said where Kafka is", hint="give --kafka HOST:PORT")
        options = ListenerOptions(name, read, topic_template, partitions, books)
        settings = kafka_settings(kafka_config, kafka)
        source = MongoSource(client, names, by_column=read.changes_nothing)
        await _run(cli, Listener(source, settings, options), source, metrics)
    return 0


async def _run(cli: Cli, service: Listener, source: MongoSource, metrics: str | None) -> None:
    from tradercast.pipeline.listener_metrics import telemetry

    told = telemetry(service.counts, source, time.time)
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    async with contextlib.AsyncExitStack() as stack:
        at = None
        if metrics is not None:
            at = await stack.enter_async_context(told.serving(parse_address(metrics, listen=True)))
        cli.out.emit({"event": "started", "metrics": at and format_address(at)})
        cli.out.note("listening")
        reporting = asyncio.create_task(_report(cli, service))
        try:
            await service.run()
        except asyncio.CancelledError:
            cli.out.note("stopped")
        finally:
            reporting.cancel()
    cli.out.emit({"event": "stopped", **_figures(service)})


async def _report(cli: Cli, service: Listener) -> None:
    told: dict[str, object] = {}
    while True:
        await asyncio.sleep(REPORT_S)
        figures = _figures(service)
        if figures != told:
            cli.out.emit({"event": "progress", **figures})
            cli.out.note(
                f"{figures['records']} records, {sum(service.counts.letters.values())} "
                f"dead letters in {figures['transactions']} transactions"
            )
            told = figures


def _figures(service: Listener) -> dict[str, object]:
    counts = service.counts
    return {
        "read": counts.read,
        "records": counts.records,
        "messages": counts.messages,
        "dead_letters": dict(counts.letters),
        "transactions": counts.transactions,
        "aborted": counts.aborted,
        "restarts": counts.restarts,
        "position_s": counts.position_s,
    }


def _show(cli: Cli, look: Preview) -> None:
    out = cli.out
    out.emit(
        {
            "event": "preview",
            "collection": look.collection,
            "documents": look.estimated,
            "looked_at": look.looked_at,
            "feeds": dict(look.feeds),
            "first": look.first,
            "last": look.last,
            "rejected": dict(look.rejected),
            "examples": look.examples,
        }
    )
    out.print(f"{look.collection}: about {look.estimated} documents, {look.looked_at} looked at")
    for feed, count in look.feeds.most_common():
        out.print(f"  {feed}: {count} {'messages' if feed.endswith('/book') else 'trades'}")
    for name, record in (("first", look.first), ("last", look.last)):
        if record is not None:
            out.print(f"  {name}: " + " ".join(f"{key}={value}" for key, value in record.items()))
    for reason, count in look.rejected.most_common():
        out.print(f"  rejected, {reason}: {count}, e.g. {look.examples[reason]}")
