"""A listener's counts as metrics, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tradercast.pipeline.listener_counts import ListenerCounts
from tradercast.pipeline.mongo_source import MongoSource
from tradercast.pipeline.telemetry import Reading, Telemetry

PREFIX = "tradercast_listener"
# An idle listener commits its position every ten seconds.
SILENT_S = 60.0


def telemetry(counts: ListenerCounts, source: MongoSource, clock: Callable[[], float]) -> Telemetry:
    """What is served at ``/metrics`` and ``/health`` of a listener."""
    return Telemetry(
        "listener",
        lambda: _readings(counts, source, clock()),
        lambda: _trouble(counts, source, clock()),
    )


def _readings(counts: ListenerCounts, source: MongoSource, now: float) -> Iterator[Reading]:
    for name, text, value in (
        ("read_total", "Documents and changes that came from MongoDB.", counts.read),
        ("records_total", "Records committed to Kafka.", counts.records),
        ("messages_total", "Messages committed to Kafka.", counts.messages),
        ("bytes_total", "Bytes of these messages.", counts.bytes),
        ("repeats_total", "Messages of books that were taken before.", counts.repeats),
        ("transactions_total", "Transactions committed.", counts.transactions),
        ("aborted_transactions_total", "Transactions aborted and begun again.", counts.aborted),
        ("restarts_total", "Times that the state was read from Kafka again.", counts.restarts),
        ("reconnects_total", "Times that MongoDB was connected to again.", source.reconnects),
        ("rescans_total", "Times that MongoDB's history was lost.", source.rescans),
        ("waiting_records", "Read and not yet committed.", counts.waiting),
        ("scanning", "1 while collections are read as they are.", int(counts.scanning)),
        ("connected", "1 while Kafka takes what is written.", int(counts.connected)),
    ):
        yield Reading(f"{PREFIX}_{name}", text, float(value))
    for reason, value in sorted(counts.letters.items()):
        text = "Documents that could not become a record."
        yield Reading(f"{PREFIX}_dead_letters_total", text, value, {"reason": reason})
    if counts.committed_at:
        text = "Since the last transaction was committed."
        yield Reading(f"{PREFIX}_committed_age_seconds", text, now - counts.committed_at)
        text = "How far MongoDB's history is in Kafka: seconds since 1970."
        yield Reading(f"{PREFIX}_position_seconds", text, counts.position_s)
    text = "From a change in MongoDB to its commit in Kafka, of the last one."
    yield Reading(f"{PREFIX}_lag_seconds", text, counts.lag_s)


def _trouble(counts: ListenerCounts, source: MongoSource, now: float) -> str | None:
    if counts.trouble is not None or not counts.connected:
        return counts.trouble or "Kafka is being connected to"
    if source.trouble is not None:
        return f"MongoDB: {source.trouble}"
    if counts.committed_at and now - counts.committed_at > SILENT_S:
        return f"nothing was committed for {now - counts.committed_at:.0f} s"
    return None
