"""From a message to the records that it adds to a feed: repeats dropped, corrections resolved.

What comes out depends on the log and the message alone, so that any feeder derives the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tradercast.ids import Ids
from tradercast.pipeline.dedupe import WINDOW, RecentIds
from tradercast.pipeline.feeder_search import IdSearch, plain_ids
from tradercast.pipeline.messages import Correction, Message
from tradercast.records import Decimals, Kind, Notes, Trades

_Note: TypeAlias = "tuple[int, Kind, int, int, int]"  # row, kind, ref_seq, ref_end, ref_ts
_Content: TypeAlias = "tuple[int, int, str, str, int]"  # kind, ts_event, price, size, side


@dataclass(slots=True)
class Counts:
    """What became of a feed's messages and their records since the start.

    Attributes
    ----------
    messages, reread : int
        Messages that were taken; those that were known already by their number.
    received, appended : int
        Records of messages that were taken; records that went into the log.
    repeats : int
        Trades, or corrections, that were in the log already and were dropped.
    unmatched : int
        Busts of trades that are not in the log, dropped; amendments of such, kept as trades.
    corrections, gaps : int
        Of the records appended.
    """

    messages: int = 0
    reread: int = 0
    received: int = 0
    appended: int = 0
    repeats: int = 0
    unmatched: int = 0
    corrections: int = 0
    gaps: int = 0


class RecordMaker:
    """Derives the records of a feed's messages, one message after the other.

    Parameters
    ----------
    search : IdSearch
        Of the same feed.
    next_seq : int
        The number of the next record.
    counts : Counts
        Counted up.
    """

    def __init__(self, search: IdSearch, next_seq: int, counts: Counts) -> None:
        self.next_seq = next_seq
        self.last_ns: int | None = None  # ts_event of the last record
        self._search = search
        self._counts = counts
        self._recent = RecentIds()
        self._fixes: dict[int, tuple[int, _Content]] = {}

    async def read_back(self, runs: AsyncIterator[tuple[int, Trades]]) -> None:
        """Take in the newest records of the log, before the first message."""
        async for first_seq, trades in runs:
            self._remember(trades, first_seq)

    async def make(self, message: Message, lost: tuple[int, int] | None = None) -> Trades:
        """The records of the next message; none if all of them are repeats.

        Parameters
        ----------
        message : Message
            The next one of the feed.
        lost : (int, int), optional
            First and last number of messages right before it that are lost for ever.
        """
        trades, first = message.trades, self.next_seq + (lost is not None)
        drop = await self._repeats(message)
        notes: list[_Note] = []
        for fix in sorted(message.corrections, key=lambda fix: fix.row):
            note = await self._resolve(fix, message, drop, first)
            if note is not None:
                notes.append(note)
        keep = np.flatnonzero(~drop)
        place = np.cumsum(~drop) - 1
        kept = trades if len(keep) == len(trades) else trades[keep]
        if notes:
            at = [(int(place[row]), *rest) for row, *rest in notes]
            kept = replace(kept, notes=Notes.of([(r, Kind(k), a, b, t) for r, k, a, b, t in at]))
        if lost is not None:
            kept = Trades.concat([self._gap(lost, int(trades.ts_event[0])), kept])
        self._count(message, kept)
        self._remember(kept, self.next_seq)
        self.next_seq += len(kept)
        return kept

    async def _repeats(self, message: Message) -> NDArray[np.bool_]:
        trades = message.trades
        drop = np.zeros(len(trades), np.bool_)
        if trades.trade_id is None:
            return drop
        rows = np.arange(len(trades))
        if message.corrections:
            rows = np.delete(rows, [fix.row for fix in message.corrections])
        drop[rows] = self._recent.repeats(_rows(trades.trade_id, rows), self.next_seq)
        if message.repeats_anywhere:
            rows = rows[~drop[rows]]
            drop[rows] = await self._search.known(trades.trade_id[rows], trades.ts_event[rows])
        self._counts.repeats += int(drop.sum())
        return drop

    async def _resolve(
        self, fix: Correction, message: Message, drop: NDArray[np.bool_], first: int
    ) -> _Note | None:
        """The note of a correction, or None where its row is a plain trade or dropped."""
        seq = _row_of(fix, message, drop)
        if seq is not None:
            seq = first + int((~drop[:seq]).sum())
        else:
            seq = self._recent.find(fix.trade_id, self.next_seq)
        if seq is None:
            seq = await self._search.find(fix.trade_id, fix.ts_event)
        if seq is None:
            # An amendment is a whole trade: of one that was refused before, it is the first.
            self._counts.unmatched += 1
            drop[fix.row] = fix.kind == Kind.BUST
            return None
        content = _content(message.trades, fix.row, fix.kind)
        known_at, known = self._fixes.get(seq, (-1, None))
        if known == content and known_at >= self.next_seq - WINDOW:
            self._counts.repeats += 1
            drop[fix.row] = True
            return None
        self._fixes[seq] = (first, content)
        return fix.row, fix.kind, seq, 0, fix.ts_event

    def _gap(self, lost: tuple[int, int], after_ns: int) -> Trades:
        before_ns = after_ns if self.last_ns is None else self.last_ns
        zero = Decimals.from_ints(np.zeros(1, np.int64), 0)
        note = Notes.of([(0, Kind.GAP, *lost, before_ns)])
        return Trades(np.array([after_ns]), zero, zero, np.zeros(1, np.uint8), notes=note)

    def _remember(self, trades: Trades, first_seq: int) -> None:
        if not len(trades):
            return
        self.last_ns = int(trades.ts_event[-1])
        ids, seqs = plain_ids(trades, first_seq)
        self._recent.add(ids, seqs)
        since = first_seq + len(trades) - WINDOW
        for row, kind, ref in zip(
            trades.notes.row.tolist(),
            trades.notes.kind.tolist(),
            trades.notes.ref_seq.tolist(),
            strict=True,
        ):
            if kind != Kind.GAP:
                self._fixes[ref] = (first_seq + row, _content(trades, row, kind))
        if len(self._fixes) > 2 * WINDOW:
            self._fixes = {ref: fix for ref, fix in self._fixes.items() if fix[0] >= since}

    def _count(self, message: Message, kept: Trades) -> None:
        gaps = int((kept.notes.kind == Kind.GAP).sum())
        self._counts.messages += 1
        self._counts.received += len(message.trades)
        self._counts.gaps += gaps
        self._counts.corrections += len(kept.notes) - gaps


def _rows(ids: Ids, rows: NDArray[np.int64]) -> Ids:
    return ids if len(rows) == len(ids) else ids[rows]


def _row_of(fix: Correction, message: Message, drop: NDArray[np.bool_]) -> int | None:
    """The row of the same message that a correction is about."""
    ids = message.trades.trade_id
    if ids is None:
        return None
    fixes = {other.row for other in message.corrections}
    wanted = Ids.from_strings([fix.trade_id])
    if wanted.escapes:
        rows = [row for row, text in ids.escapes.items() if text == fix.trade_id]
    else:
        rows = np.flatnonzero(ids.values == wanted.values[0]).tolist()
    return next((row for row in rows if row < fix.row and row not in fixes and not drop[row]), None)


def _content(trades: Trades, row: int, kind: int) -> _Content:
    one = trades[row : row + 1]
    if kind == Kind.BUST:
        return (int(kind), 0, "", "", 0)
    price, size = one.price.to_strings()[0], one.size.to_strings()[0]
    return (int(kind), int(one.ts_event[0]), price, size, int(one.side[0]))
