"""The readings of a collector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from tradercast.pipeline.collect import Collector
from tradercast.pipeline.telemetry import Reading, Telemetry
from tradercast.timerange import NS_PER_S

_COUNTED = {
    "taken": "Trades that were new.",
    "written": "Trades that are durable.",
    "repeated": "Announcements of trades that were taken before.",
    "differing": "Announcements with other values than the trade that was taken.",
    "holes": "Connections whose first trades did not reach back to the last ones taken.",
    "future": "Trades left out because their time is more than a day ahead of ours.",
    "refused": "Refusals of the symbol by the exchange.",
    "disconnects": "Connections that ended or could not be made.",
}
_BOOKS_COUNTED = {
    "taken": "Book messages and gaps that were taken.",
    "written": "Book messages and gaps that are durable.",
    "gaps": "Gaps of a book: lost connections, missing messages, failed checksums.",
}


def collect_telemetry(
    collector: Collector, exchange: str, more: Callable[[], Iterable[Reading]] = tuple
) -> Telemetry:
    """What a collector tells of itself, and `more`."""
    return Telemetry(
        "collect",
        lambda: chain(collect_readings(collector, exchange), more()),
        lambda: collector.trouble,
    )


def collect_readings(
    collector: Collector, exchange: str, clock: Callable[[], float] = time.time
) -> Iterator[Reading]:
    """What a collector tells at this moment, per symbol."""
    for symbol, counters in tuple(collector.counters.items()):
        labels = {"exchange": exchange, "symbol": symbol}
        for name, text in _COUNTED.items():
            value: int = getattr(counters, name)
            yield Reading(f"tradercast_collect_{name}_total", text, value, labels)
        yield Reading(
            "tradercast_collect_lag_records",
            "Trades that were taken and are not durable yet.",
            counters.taken - counters.written,
            labels,
        )
        behind = counters.taken > counters.written and counters.written_ns
        yield Reading(
            "tradercast_collect_lag_seconds",
            "Age of the newest durable trade while there are newer ones.",
            max(0.0, clock() - counters.written_ns / NS_PER_S) if behind else 0.0,
            labels,
        )
        yield Reading(
            "tradercast_collect_durable_timestamp_seconds",
            "When trades last became durable.",
            counters.written_ns / NS_PER_S,
            labels,
        )
    for symbol, books in tuple(collector.book_counters.items()):
        labels = {"exchange": exchange, "symbol": symbol}
        for name, text in _BOOKS_COUNTED.items():
            value = getattr(books, name)
            yield Reading(f"tradercast_collect_book_{name}_total", text, value, labels)
        yield Reading(
            "tradercast_collect_book_durable_timestamp_seconds",
            "When a part of the book last became durable.",
            books.written_ns / NS_PER_S,
            labels,
        )
