"""``tradercast doctor``: what this installation has, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tradercast.cli.checks import installation, ports, state
from tradercast.cli.checks.check import Check
from tradercast.cli.context import Cli
from tradercast.cli.kafka_settings import KafkaConfigOption, kafka_settings
from tradercast.cli.options import secret
from tradercast.client import extras
from tradercast.errors import EXIT_INCOMPLETE, EXIT_OK

EXAMPLES = (
    "tradercast doctor",
    "tradercast doctor --json",
    "tradercast doctor --data-dir /srv/tc",
    "tradercast doctor --mongo 'mongodb://db1/market?replicaSet=rs0' --kafka kafka1:9092",
)
MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("–", "dim")}


def doctor(
    cli: Cli,
    mongo: Annotated[
        str | None,
        typer.Option(
            "--mongo",
            metavar="URI",
            help="Check this MongoDB too: as a listener would read it; or file:PATH of it.",
            callback=secret,
        ),
    ] = None,
    collections: Annotated[
        str, typer.Option("--collections", metavar="NAME,…", help="As of `listener`.")
    ] = "",
    book_collections: Annotated[
        str, typer.Option("--book-collections", metavar="NAME,…", help="As of `listener`.")
    ] = "",
    kafka: Annotated[
        str | None,
        typer.Option("--kafka", metavar="H:P,…", help="Check these brokers and their topics too."),
    ] = None,
    kafka_config: KafkaConfigOption = None,
    topics: Annotated[
        list[str] | None,
        typer.Option("--topics", metavar="NAME,…", help="As of `feeder`; repeatable."),
    ] = None,
) -> int:
    """Say which Node, versions, ports and paths are used, and what is missing.

    Exits with 3 if anything is marked ✗. Nothing is started or changed.
    """
    checks = [
        installation.python(),
        installation.packages(),
        installation.extras(),
        installation.node(),
        installation.sidecar(),
        state.configuration(cli.config),
        state.data_directory(cli.data_dir),
        state.identity(cli.data_dir),
        state.running_sidecar(cli.data_dir),
        ports.peer_port(),
        ports.directory_port(),
        *(_mongodb(mongo, _parts([collections]), _parts([book_collections])) if mongo else ()),
        *(_kafka(kafka_config, kafka, _parts(topics or [])) if kafka else ()),
    ]
    for check in checks:
        mark, style = MARKS[check.ok]
        cli.out.print(
            f"{mark} {check.name}: {check.text}", style=style if check.ok is False else None
        )
        if check.hint and not check.ok:
            cli.out.print(f"    {check.hint}", style="dim")
    healthy = all(check.ok is not False for check in checks)
    cli.out.emit({"ok": healthy, "checks": {check.name: check.to_dict() for check in checks}})
    return EXIT_OK if healthy else EXIT_INCOMPLETE


def _mongodb(uri: str, collections: Sequence[str], books: Sequence[str]) -> Iterator[Check]:
    extras.load("pymongo", "operator")
    from tradercast.cli.checks.mongodb import mongodb

    return mongodb(uri, collections, books)


def _kafka(config: Path | None, brokers: str, topics: Sequence[str]) -> Iterator[Check]:
    extras.load("confluent_kafka", "operator")
    from tradercast.cli.checks.kafka import kafka

    return kafka(kafka_settings(config, brokers), topics)


def _parts(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
