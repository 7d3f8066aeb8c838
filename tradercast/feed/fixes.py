"""The corrections of a range: what they come to, whatever blocks they and their trades are in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tradercast import corrections
from tradercast.book_messages import BookMessages
from tradercast.feed.piece import Piece
from tradercast.feed.plan import Plan
from tradercast.records import Gap, Kind, Notes, Trades
from tradercast.rows import I64
from tradercast.runs import Records
from tradercast.timerange import TimeRange


@dataclass(frozen=True, eq=False)
class Fixes:
    """What became of each corrected trade; made by `of`.

    Attributes
    ----------
    targets : int64 array
        Numbers of the trades that were corrected, increasing.
    source : int64 array
        For each the row of `trades` that stands for it now, or -1 where it was busted.
    trades : Trades
        The amended trades.
    """

    targets: I64
    source: I64
    trades: Trades

    @classmethod
    def of(cls, noted: Iterable[Piece]) -> Fixes:
        """What records that are no plain trades come to, in any order, repeated or not."""
        parts = list(noted)
        trades = Trades.concat([part.trades for part in parts])
        seq = np.concatenate([part.seq for part in parts]) if parts else np.zeros(0, np.int64)
        notes = trades.notes
        roots: dict[int, int | None] = {}  # of each note the plain trade that it is about
        last: dict[int, int] = {}
        for row in np.argsort(seq, kind="stable").tolist():
            number, ref = int(seq[row]), int(notes.ref_seq[row])
            kind = int(notes.kind[row])
            root = roots.get(ref, ref) if kind != Kind.GAP and 0 <= ref < number else None
            roots[number] = root
            if root is not None:
                last[root] = row if kind == Kind.AMEND else -1
        targets = sorted(last)
        source = np.array([last[target] for target in targets], np.int64)
        kept = np.flatnonzero(source >= 0)
        amended = replace(trades[source[kept]], notes=Notes.empty())
        source[kept] = np.arange(len(kept))
        return cls(np.array(targets, np.int64), source, amended)

    def __len__(self) -> int:
        return len(self.targets)

    def touch(self, first_seq: int, end_seq: int) -> bool:
        """Whether a trade among these records was corrected."""
        if not len(self):
            return False
        start, end = np.searchsorted(self.targets, [first_seq, end_seq]).tolist()
        return bool(end > start)

    def apply(self, trades: Trades, seq: I64) -> tuple[Trades, I64]:
        """Plain trades of a block as they are now, in their places; seq increases."""
        if not len(seq) or not len(self):
            return trades, seq
        start, end = np.searchsorted(self.targets, [seq[0], seq[-1] + 1]).tolist()
        at = np.searchsorted(seq, self.targets[start:end])
        here = seq[at] == self.targets[start:end]
        if not here.any():
            return trades, seq
        rows, source = at[here], self.source[start:end][here]
        amended = source >= 0
        chosen = np.arange(len(seq))
        chosen[rows] = np.where(amended, len(seq) + np.cumsum(amended) - 1, -1)
        keep = chosen >= 0
        return Trades.concat([trades, self.trades[source[amended]]])[chosen[keep]], seq[keep]

    def strays(self, plan: Plan) -> Piece:
        """Trades that an amendment moved into the range, and whose own block is not planned."""
        live = np.flatnonzero(self.source >= 0)
        inside = _inside(self.trades.ts_event[self.source[live]], plan.time_range)
        stray = live[inside & ~plan.covers(self.targets[live])]
        return Piece(self.trades[self.source[stray]], self.targets[stray])


def noted_records(trades: Trades, first_seq: int) -> Piece | None:
    """The records of a block that are no plain trades."""
    at = trades.notes.row
    return Piece(trades[at], at + first_seq) if len(at) else None


def moves_in(pieces: Sequence[Piece], time_range: TimeRange) -> bool:
    """Whether an amendment among these moves a trade into the range, or may do so.

    Then later ones about the same trade may be anywhere: the index finds corrections by the time
    of the record that they name, and this trade has had several.  One that amends a correction
    names the time of that, and not of the trade.
    """
    noted = np.concatenate([np.zeros(0, np.int64), *(piece.seq for piece in pieces)])
    for piece in pieces:
        notes = piece.trades.notes
        arrives = (notes.kind == Kind.AMEND) & _inside(piece.trades.ts_event[notes.row], time_range)
        moved = ~_inside(notes.ref_ts, time_range) | np.isin(notes.ref_seq, noted)
        if (arrives & moved).any():
            return True
    return False


def settle(
    records: Records, seq: I64, fixes: Fixes, time_range: TimeRange, *, keep_gaps: bool = False
) -> tuple[Records, I64, list[Gap]]:
    """The records of a block as a reader of the range sees them, and the gaps among them.

    Those of a book stay in their places too: from there on it is not valid.  Others do so if they
    are to be kept.
    """
    gaps: list[Gap] = []
    if len(records.notes):
        gaps = corrections.gaps_of(records, seq)
        if not isinstance(records, BookMessages):
            plain = records.notes.plain(len(records))
            if keep_gaps:
                plain[records.notes.row[records.notes.kind == Kind.GAP]] = True
            records, seq = records[plain], seq[plain]
    if isinstance(records, Trades):
        records, seq = fixes.apply(records, seq)
    times = records.ts_event
    if len(times) and not (time_range.start_ns <= times.min() <= times.max() < time_range.end_ns):
        keep = _inside(times, time_range)
        records, seq = records[keep], seq[keep]
    return records, seq, [gap for gap in gaps if time_range.overlaps(gap.before_ns, gap.after_ns)]


def _inside(times: I64, time_range: TimeRange) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (times >= time_range.start_ns) & (times < time_range.end_ns)
    return inside
