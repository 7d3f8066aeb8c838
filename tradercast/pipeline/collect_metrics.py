"""The readings of a collector."""

from __future__ import annotations

from collections.abc import Iterator

from tradercast.pipeline.collect import Collector
from tradercast.pipeline.telemetry import Reading, Telemetry
from tradercast.timerange import NS_PER_S

_COUNTED = {
    "taken": "Trades that were new.",
    "written": "Trades that are durable.",
    "repeated": "Announcements of trades that were taken before.",
    "differing": "Announcements with other values than the trade that was taken.",
    "holes": "Connections whose first trades did not reach back to the last ones taken.",
    "disconnects": "Connections that ended or could not be made.",
}


def collect_telemetry(collector: Collector, exchange: str) -> Telemetry:
    """What a collector tells of itself."""
    return Telemetry(
        "collect", lambda: collect_readings(collector, exchange), lambda: collector.trouble
    )


def collect_readings(collector: Collector, exchange: str) -> Iterator[Reading]:
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
        yield Reading(
            "tradercast_collect_durable_timestamp_seconds",
            "When the newest durable trade arrived.",
            counters.written_ns / NS_PER_S,
            labels,
        )
