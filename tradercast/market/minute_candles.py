"""The records of a feed of minute candles, from those of its feed of trades: a state machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tradercast.candles import Candles
from tradercast.decimals import Decimals
from tradercast.market.candle_parts import Parts
from tradercast.market.candles import CandleBuilder
from tradercast.market.interval import MINUTE
from tradercast.notes import Kind, Notes
from tradercast.records import Trades
from tradercast.rows import I64
from tradercast.timerange import MIN_TIME_NS, NS_PER_S

Lookup: TypeAlias = Callable[[int, int], Trades]
"""From a minute's start and a seq: the minute's trades as the records before that seq have them."""

STEP = MINUTE.step_ns
CLOSES = STEP + 5 * NS_PER_S  # a trade so much after a minute's start closes it
_KEPT = 4_096  # closed minutes that a late trade finds without a look-up


@dataclass(frozen=True, eq=False, slots=True)
class Derived:
    """Records of the feed of candles.

    Attributes
    ----------
    candles : Candles
    seq : int64 array
        For each the record of trades that it was derived at.
    """

    candles: Candles
    seq: I64

    @classmethod
    def concat(cls, parts: Sequence[Derived]) -> Derived:
        """All of them, one after the other."""
        none = np.zeros(0, np.int64)
        return cls(
            Candles.concat([part.candles for part in parts]),
            np.concatenate([none, *(part.seq for part in parts)]),
        )


class MinuteCandles:
    """Takes the records of a segment of trades, in any batches.

    Minute m closes at the first trade with ``ts_event`` 5 s after its end or later.  Each later
    trade of m, and each correction of one, gives a full candle that replaces the one before; it
    says 0 trades if none is left.  A correction that moves a trade does so for each minute that
    the trade was in.  A gap gives a gap.  What comes out depends on nothing but the
    records, wherever it began.

    Parameters
    ----------
    lookup : callable
        Reads a minute again, for what is not kept here.
    next_seq : int
        The number of the first record that will come.
    top_ns : int
        The latest ``ts_event`` of the trades before it.
    """

    def __init__(self, lookup: Lookup, *, next_seq: int = 0, top_ns: int = MIN_TIME_NS) -> None:
        self._lookup = lookup
        self._next_seq = next_seq
        self._top = top_ns
        self._open = Parts.empty()
        self._closed = Parts.empty()
        self._known_from = MIN_TIME_NS  # of closed minutes since then all is in `_closed`
        self._unsure: set[int] = set()  # open minutes of which not all is in `_open`
        self._root: dict[int, int] = {}  # of each correction the trade that it is about
        self._minute: dict[int, int] = {}  # of each amended trade
        if top_ns > MIN_TIME_NS:
            last = MINUTE.start_of(top_ns)
            self._known_from = last + STEP
            self._unsure = {m for m in (last - STEP, last) if m + CLOSES > top_ns}

    def passed(self, records: Trades, seq: I64) -> None:
        """Take note of corrections from before the beginning; nothing is derived from them.

        Parameters
        ----------
        records : Trades
            Those that have a note, in order.
        seq : int64 array
            Their numbers.
        """
        for row, number in enumerate(seq.tolist()):
            if records.notes.kind[row] != Kind.GAP:
                self._place(records[row : row + 1], number)

    def push(self, records: Trades) -> Derived:
        """Take in the next records; raises `UsageError` if a time is too far for a candle."""
        if not len(records):
            return Derived.concat([])
        times, plain = records.ts_event, records.notes.plain(len(records))
        tops = np.maximum.accumulate(np.where(plain, times, MIN_TIME_NS))
        tops = np.maximum(tops, self._top)
        before = np.concatenate(([self._top], tops[:-1]))
        is_event = ~plain | (MINUTE.starts_of(times) + CLOSES <= before)
        derived: list[Derived] = []
        at = 0
        for row in np.flatnonzero(is_event).tolist():
            derived += self._take(records[at:row], tops[at:row])
            one = records[row : row + 1]
            derived += self._correct(one) if len(one.notes) else [self._late(one)]
            self._next_seq += 1
            at = row + 1
        derived += self._take(records[at:], tops[at:])
        return Derived.concat(derived)

    def _take(self, trades: Trades, tops: I64) -> list[Derived]:
        """Trades of open minutes, and the minutes that they close."""
        if not len(trades):
            return []
        self._top = int(tops[-1])
        self._open = Parts.concat([self._open, _parts(trades)]).merged()
        first_seq, self._next_seq = self._next_seq, self._next_seq + len(trades)

        def closed_at(starts: I64) -> I64:
            return first_seq + np.searchsorted(tops, starts + CLOSES)

        count = int(np.searchsorted(self._open.candles.ts_open, self._top - CLOSES, "right"))
        done, self._open = self._open[:count], self._open[count:]
        unsure = {m for m in self._unsure if m + CLOSES <= self._top}
        if unsure:
            self._unsure -= unsure
            sure = ~np.isin(done.candles.ts_open, list(unsure))
            seqs = closed_at(np.array(list(unsure), np.int64)).tolist()
            again = [self._read(m, seq + 1) for m, seq in zip(unsure, seqs, strict=True)]
            done = Parts.concat([done[sure], *again]).merged()
        if not len(done):
            return []
        self._remember(Parts.concat([self._closed, done]))
        return [Derived(done.candles, closed_at(done.candles.ts_open))]

    def _late(self, trade: Trades) -> Derived:
        """A trade of a minute that is closed."""
        minute = MINUTE.start_of(int(trade.ts_event[0]))
        if minute >= self._known_from:
            same = self._closed.candles.ts_open == minute
            part = Parts.concat([self._closed[same], _parts(trade)]).merged()
        else:
            part = self._read(minute, self._next_seq + 1)
        return self._replaced(minute, part)

    def _correct(self, record: Trades) -> list[Derived]:
        """A gap, or a correction, whose minutes are read again if they are closed."""
        notes, ref_ts = record.notes, int(record.notes.ref_ts[0])
        if notes.kind[0] == Kind.GAP:
            return [self._derived(_gap(int(record.ts_event[0]), notes))]
        minutes = {MINUTE.start_of(ref_ts), *self._place(record, self._next_seq)}
        derived = []
        for minute in sorted(minutes):
            if minute + CLOSES > self._top:
                self._unsure.add(minute)
            else:
                part = self._read(minute, self._next_seq + 1)
                derived.append(self._replaced(minute, part))
        return derived

    def _place(self, record: Trades, seq: int) -> set[int]:
        """The minutes that an amended trade was in and is in now."""
        ref = int(record.notes.ref_seq[0])
        root = self._root[seq] = self._root.get(ref, ref)
        before = {self._minute[root]} if root in self._minute else set()
        if record.notes.kind[0] == Kind.BUST:
            return before
        self._minute[root] = MINUTE.start_of(int(record.ts_event[0]))
        return before | {self._minute[root]}

    def _replaced(self, minute: int, part: Parts) -> Derived:
        """The candle that a closed minute has now."""
        if minute >= self._known_from:
            others = self._closed[self._closed.candles.ts_open != minute]
            self._remember(Parts.concat([others, part]).merged())
        return self._derived(part.candles if len(part) else _nothing(minute))

    def _derived(self, candles: Candles) -> Derived:
        return Derived(candles, np.array([self._next_seq]))

    def _read(self, minute: int, end_seq: int) -> Parts:
        return _parts(self._lookup(minute, end_seq))

    def _remember(self, closed: Parts) -> None:
        if len(closed) > 2 * _KEPT:
            self._known_from = int(closed.candles.ts_open[-_KEPT])
            closed = closed[len(closed) - _KEPT :]
        self._closed = closed


def last_of_each(candles: Candles) -> Candles:
    """What a feed of candles comes to: the last record of each time, without gaps, by time."""
    plain = candles.without_notes()
    backwards = plain[::-1]
    _, rows = np.unique(backwards.ts_open, return_index=True)
    last = backwards[rows]
    return last[last.counts() != 0]


def _parts(trades: Trades) -> Parts:
    builder = CandleBuilder(MINUTE)
    builder.add(trades)
    return builder.parts()


def _nothing(minute: int) -> Candles:
    zero = Decimals.from_ints([0])
    none = np.zeros(1, np.int64)
    return Candles(np.array([minute]), zero, zero, zero, zero, zero, zero, none)


def _gap(time: int, notes: Notes) -> Candles:
    zero = Decimals.from_ints([0])
    return Candles(np.array([time]), zero, zero, zero, zero, zero, zero, np.array([-1]), notes)
