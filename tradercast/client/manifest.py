"""Where trades are from, and a hash by which two holders compare them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tradercast import z32
from tradercast.client.text_rows import CSV_HEADER, csv_rows
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feeds import FeedId
from tradercast.notes import Gap
from tradercast.records import NO_TIME, Trades
from tradercast.rows import I64
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS, TimeRange, format_time_ns


@dataclass(frozen=True, slots=True)
class Origin:
    """Where trades are from.

    Parameters
    ----------
    feed : FeedId, optional
    time_range : TimeRange
        What was asked for.
    root : bytes, optional
        The publisher's root key.
    checkpoints : tuple of LogCheckpoint
        The signed states of the logs that were read.
    """

    feed: FeedId | None = None
    time_range: TimeRange = TimeRange()  # noqa: RUF009 - frozen
    root: bytes | None = None
    checkpoints: tuple[LogCheckpoint, ...] = ()


class CsvHash:
    """BLAKE2b-256 of trades as the CSV that `export` writes, header included.

    It depends on the trades alone, however they were batched, and needs no program of ours to
    check: ``b2sum -l 256 FILE.csv``.
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(CSV_HEADER, digest_size=32)

    def update(self, trades: Trades) -> None:
        """Add the next trades."""
        self._hash.update(csv_rows(trades))

    def hexdigest(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()


def manifest(
    origin: Origin, gaps: Sequence[Gap], batches: Iterable[tuple[Trades, I64]]
) -> dict[str, Any]:
    """What the trades are, where they are from, and their hash; plain values for JSON."""
    digest = CsvHash()
    records, first, end = 0, None, None
    for trades, seq in batches:
        if len(seq):
            low, high = int(seq.min()), int(seq.max()) + 1
            first = low if first is None else min(first, low)
            end = high if end is None else max(end, high)
        records += len(trades)
        digest.update(trades)
    return {
        "feed": None if origin.feed is None else str(origin.feed),
        "start": _time(origin.time_range.start_ns, MIN_TIME_NS),
        "end": _time(origin.time_range.end_ns, MAX_TIME_NS),
        "records": records,
        "first_seq": first,
        "end_seq": end,
        "blake2b_256": digest.hexdigest(),
        "root": None if origin.root is None else z32.encode(origin.root),
        "checkpoints": [_checkpoint(each) for each in origin.checkpoints],
        "gaps": [_gap(gap) for gap in gaps],
    }


def _time(ns: int, open_end: int) -> str | None:
    return None if ns == open_end else format_time_ns(ns)


def _checkpoint(checkpoint: LogCheckpoint) -> dict[str, Any]:
    return {
        "key": checkpoint.key.hex(),
        "length": checkpoint.length,
        "fork": checkpoint.fork,
        "signature": checkpoint.state.signature.hex(),
    }


def _gap(gap: Gap) -> dict[str, int | None]:
    return {
        "seq": gap.seq,
        "first": gap.first,
        "last": gap.last,
        "before_ns": None if gap.before_ns == NO_TIME else gap.before_ns,
        "after_ns": gap.after_ns,
    }
