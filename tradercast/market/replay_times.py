"""When the records of a feed come in a replay: a time a record, which never goes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradercast.book_messages import BookMessages
from tradercast.candles import Candles
from tradercast.feeds import FeedId
from tradercast.market.minute_candles import STEP
from tradercast.records import NO_TIME, Kind, Trades
from tradercast.rows import I64
from tradercast.runs import Records
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """Some records of one feed and their places in a replay.

    Attributes
    ----------
    feed : FeedId
    records : Records
        In the order of the feed; corrections and gaps are their notes.
    numbers : range or int64 array
        Theirs in the feed's segment.
    ts : int64 array
        ns UTC at which each comes; never goes back.
    valid : bool array or None
        Of a book: whether it is the exchange's after each record.
    """

    feed: FeedId
    records: Records
    numbers: range | I64
    ts: I64
    valid: NDArray[np.bool_] | None = None

    @property
    def seq(self) -> I64:
        """The numbers as an array."""
        return _array(self.numbers)

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, rows: slice) -> Part:
        valid = None if self.valid is None else self.valid[rows]
        return Part(self.feed, self.records[rows], self.numbers[rows], self.ts[rows], valid)


def has_receive_times(records: Records) -> bool:
    """Whether the first record that is no note says when it was received."""
    if not isinstance(records, Trades | BookMessages) or records.ts_recv is None:
        return False
    rows = np.flatnonzero(records.notes.plain(len(records)))
    return not len(rows) or int(records.ts_recv[rows[0]]) != NO_TIME


class FeedTimes:
    """Gives the records of one feed their times, run by run.

    The time of a trade or book message is that of its event, or of its receipt; a candle comes
    at the end of its minute, when it is known.  A gap comes with the record behind it, which is
    where it was noticed.  So does a snapshot of a book that was received later: it stands where
    it belongs.  A record that is earlier than the one before it comes right behind that one.

    Parameters
    ----------
    feed : FeedId
    by_receipt : bool
        Go by receive times; a record without one goes by that of its event.
    """

    def __init__(self, feed: FeedId, *, by_receipt: bool) -> None:
        self._feed = feed
        self._by_receipt = by_receipt
        self._newest = MIN_TIME_NS
        self._valid = False
        self._held: tuple[Records, range | I64] | None = None

    def begin(self) -> None:
        """The next records are of another segment: its book begins anew."""
        self._valid = False

    def take(self, records: Records, seq: range | I64, *, more: bool = True) -> Part:
        """The next records with their times.

        Parameters
        ----------
        records : Records
            In the order of the feed.
        seq : range or int64 array
            Their numbers.
        more : bool
            Whether others are to be had at once: gaps and snapshots at the end wait for them.
        """
        if self._held is not None:
            records, seq = _joined(*self._held, records, seq)
            self._held = None
        times = self._own_times(records)
        moves = _moving(records)
        if moves is not None:
            settled = np.flatnonzero(~moves)
            end = int(settled[-1]) + 1 if len(settled) else 0
            if more and end < len(seq):
                self._held = records[end:], seq[end:]
                records, seq, times, moves = records[:end], seq[:end], times[:end], moves[:end]
            times = _with_the_next(times, moves, records.notes.row)
        if len(times):
            if times[0] < self._newest or (times[1:] < times[:-1]).any():
                times = np.maximum(np.maximum.accumulate(times), self._newest)
            self._newest = int(times[-1])
        return Part(self._feed, records, seq, times, self._validity(records))

    def rest(self) -> Part | None:
        """What waits for a record that does not come."""
        if self._held is None:
            return None
        (records, seq), self._held = self._held, None
        return self.take(records, seq, more=False)

    def _own_times(self, records: Records) -> I64:
        if isinstance(records, Candles):
            return np.minimum(records.ts_open, MAX_TIME_NS - STEP) + STEP
        times = records.ts_event
        if self._by_receipt and isinstance(records, Trades | BookMessages):
            received = records.ts_recv
            if received is not None:
                times = np.where(received == NO_TIME, times, received)
        return times

    def _validity(self, records: Records) -> NDArray[np.bool_] | None:
        if not isinstance(records, BookMessages):
            return None
        changed = records.is_snapshot.copy()
        changed[records.notes.row] = True
        last = np.maximum.accumulate(np.where(changed, np.arange(len(records)), -1))
        valid: NDArray[np.bool_] = np.where(last >= 0, records.is_snapshot[last], self._valid)
        if len(valid):
            self._valid = bool(valid[-1])
        return valid


def _moving(records: Records) -> NDArray[np.bool_] | None:
    """Which rows come with the record behind them; None if there are none."""
    gaps = records.notes.row[records.notes.kind == Kind.GAP]
    snapshots = records.is_snapshot if isinstance(records, BookMessages) else None
    if not len(gaps) and (snapshots is None or not snapshots.any()):
        return None
    moves = np.zeros(len(records), np.bool_) if snapshots is None else snapshots.copy()
    moves[gaps] = True
    return moves


def _with_the_next(times: I64, moves: NDArray[np.bool_], noted: I64) -> I64:
    count = len(times)
    place = np.where(moves, count, np.arange(count))
    following = np.minimum.accumulate(place[::-1])[::-1]
    has = following < count
    after = times[np.where(has, following, 0)]
    earliest = np.minimum(times, after)
    earliest[noted] = after[noted]
    return np.where(moves & has, earliest, times)


def _joined(
    one: Records, one_seq: range | I64, two: Records, two_seq: range | I64
) -> tuple[Records, I64]:
    seq = np.concatenate([_array(one_seq), _array(two_seq)])
    return type(one).concat([one, two]), seq


def _array(numbers: range | I64) -> I64:
    if isinstance(numbers, range):
        return np.arange(numbers.start, numbers.stop, dtype=np.int64)
    return numbers
