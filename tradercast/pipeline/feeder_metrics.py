"""The readings of a feeder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set

from tradercast.feeds import FeedId
from tradercast.pipeline.feeder import Feeder
from tradercast.pipeline.feeder_input import Place
from tradercast.pipeline.feeder_records import Counts
from tradercast.pipeline.telemetry import Reading

_COUNTED = {
    "messages": "Messages taken.",
    "reread": "Messages read again, known by their number.",
    "received": "Records of the messages taken.",
    "appended": "Records appended, durable.",
    "repeats": "Records that were in the log already, dropped.",
    "unmatched": "Corrections of trades that are not in the log.",
    "corrections": "Corrections appended.",
    "gaps": "Gap records appended.",
}


def feeder_readings(
    feeder: Feeder,
    highest: Mapping[Place, int],
    transfers: Mapping[str, int],
    listed: Set[FeedId],
    clock: Callable[[], float] = time.time,
) -> Iterable[Reading]:
    """What a feeder tells at this moment.

    Parameters
    ----------
    feeder : Feeder
        Who is asked.
    highest : mapping of (str, int) to int
        The newest offset of each partition, as far as it is known.
    transfers : mapping of str to int
        Bytes sent to and received from peers.
    listed : set of FeedId
        What is in the catalog, where peers look.
    clock : callable
        Seconds since 1970.
    """
    yield from _per_feed(feeder, listed)
    yield from _per_partition(feeder, highest)
    behind = any(end > feeder.positions.offsets.get(at, 0) for at, end in highest.items())
    durable_s = feeder.progress.durable_ms / 1_000
    yield Reading(
        "tradercast_feeder_lag_seconds",
        "Age of the newest durable message while there are newer ones.",
        max(0.0, clock() - durable_s) if behind and durable_s else 0.0,
    )
    yield Reading(
        "tradercast_feeder_durable_timestamp_seconds",
        "When Kafka got the newest message that is durable.",
        durable_s,
    )
    yield Reading(
        "tradercast_feeder_malformed_total",
        "Values in the topics that are no messages.",
        feeder.progress.malformed,
    )
    for direction, count in transfers.items():
        yield Reading(
            "tradercast_feeder_peer_bytes_total",
            "Bytes exchanged with peers.",
            count,
            {"direction": direction},
        )


def _per_feed(feeder: Feeder, listed: Set[FeedId]) -> Iterator[Reading]:
    for feed, fed in tuple(feeder.feeds.items()):
        labels = {"feed": str(feed)}
        for name, text in _COUNTED.items():
            value: int = getattr(fed.counts, name)
            yield Reading(f"tradercast_feeder_{name}_total", text, value, labels)
    for feed, seen in tuple(feeder.positions.feeds.items()):  # also those that are not open yet
        labels = {"feed": str(feed)}
        yield Reading("tradercast_feeder_records", "Records of the log.", seen.end_seq, labels)
        yield Reading("tradercast_feeder_message", "Last durable message.", seen.number, labels)
        yield Reading(
            "tradercast_feeder_listed",
            "Whether the catalog lists the feed: before it does, nobody finds it.",
            int(feed in listed),
            labels,
        )


def _per_partition(feeder: Feeder, highest: Mapping[Place, int]) -> Iterator[Reading]:
    for (topic, partition), end in tuple(highest.items()):
        at = feeder.positions.offsets.get((topic, partition), 0)
        yield Reading(
            "tradercast_feeder_lag_messages",
            "Offsets of a partition that are not durable yet.",
            max(0, end - at),
            {"topic": topic, "partition": str(partition)},
        )


def totals(feeder: Feeder) -> Counts:
    """The counts of all feeds together."""
    whole = Counts()
    for fed in feeder.feeds.values():
        for name in _COUNTED:
            setattr(whole, name, getattr(whole, name) + getattr(fed.counts, name))
    return whole
