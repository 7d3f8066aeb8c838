"""The few rows of a run that are not plain trades: busts, amendments, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tradercast.errors import UsageError
from tradercast.rows import I64, U8, Rows, row_indices

NO_TIME = -(2**63)


class Kind(IntEnum):
    """What a record is."""

    TRADE = 0
    BUST = 1
    AMEND = 2
    GAP = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that are missing at the source.

    Parameters
    ----------
    seq : int
        The number of the gap record itself.
    first, last : int
        The missing message numbers, inclusive.
    before_ns, after_ns : int
        Event times on both sides of the hole (ns UTC); `before_ns` may be `NO_TIME`.
    """

    seq: int
    first: int
    last: int
    before_ns: int
    after_ns: int


@dataclass(frozen=True, eq=False)
class Notes:
    """Sparse columns, sorted by row.

    Parameters
    ----------
    row : int64 array
        The row of the run, strictly increasing.
    kind : uint8 array
        `Kind`, never ``TRADE``.
    ref_seq, ref_end, ref_ts : int64 arrays
        BUST and AMEND: ``seq`` of the record corrected, 0, and its ``ts_event``.
        GAP: first and last missing message number, and the event time before the hole.
    """

    row: I64
    kind: U8
    ref_seq: I64
    ref_end: I64
    ref_ts: I64

    def __post_init__(self) -> None:
        for name in fields(self):
            column, dtype = getattr(self, name.name), np.uint8 if name.name == "kind" else np.int64
            if column.dtype != dtype or column.ndim != 1:
                raise UsageError(f"{name.name} must be a one-dimensional {dtype.__name__} array")
        if len({len(getattr(self, name.name)) for name in fields(self)}) != 1:
            raise UsageError("the columns of notes differ in length")
        if len(self.row) and (self.row[0] < 0 or (np.diff(self.row) <= 0).any()):
            raise UsageError("the rows of notes must increase")
        if ((self.kind == Kind.TRADE) | (self.kind > Kind.GAP)).any():
            raise UsageError("a note is a bust, an amendment or a gap")

    @classmethod
    def empty(cls) -> Notes:
        """No notes."""
        return _EMPTY

    @classmethod
    def of(cls, entries: Sequence[tuple[int, Kind, int, int, int]]) -> Notes:
        """Notes from ``(row, kind, ref_seq, ref_end, ref_ts)`` tuples in the order of rows."""
        columns = [list(column) for column in zip(*entries, strict=True)] or [[]] * 5
        row, kind, ref_seq, ref_end, ref_ts = columns
        return cls(
            np.array(row, np.int64),
            np.array(kind, np.uint8),
            np.array(ref_seq, np.int64),
            np.array(ref_end, np.int64),
            np.array(ref_ts, np.int64),
        )

    @classmethod
    def concat(cls, parts: Sequence[Notes], starts: Sequence[int]) -> Notes:
        """Notes of runs that begin at the rows `starts` of the whole."""
        if not any(len(part) for part in parts):
            return cls.empty()
        return cls(
            np.concatenate([part.row + start for part, start in zip(parts, starts, strict=True)]),
            np.concatenate([part.kind for part in parts]),
            np.concatenate([part.ref_seq for part in parts]),
            np.concatenate([part.ref_end for part in parts]),
            np.concatenate([part.ref_ts for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.row)

    def pick(self, rows: Rows, count: int) -> Notes:
        """The notes of the chosen rows of a run of `count`, under their new row numbers."""
        if not len(self):
            return self
        index = row_indices(rows, count)
        place = np.full(count, -1, np.int64)
        place[self.row] = np.arange(len(self))
        found = place[index]
        at = np.flatnonzero(found >= 0)
        kept = found[at]
        return Notes(at, self.kind[kept], self.ref_seq[kept], self.ref_end[kept], self.ref_ts[kept])

    def plain(self, count: int) -> NDArray[np.bool_]:
        """Which rows of a run of `count` have no note."""
        plain = np.ones(count, np.bool_)
        plain[self.row] = False
        return plain

    def times(self, ts_event: I64) -> I64:
        """Per row the later of ``ts_event`` and its note's ``ref_ts``: what chunks are cut by."""
        if not len(self):
            return ts_event
        times = ts_event.copy()
        times[self.row] = np.maximum(times[self.row], self.ref_ts)
        return times

    def span(self, ts_event: I64) -> tuple[int, int]:
        """Minimum and maximum (inclusive) of ``ts_event`` and of the notes' ``ref_ts``.

        So the range of a corrected trade's time, or of a gap, finds its correction or gap.

        Raises
        ------
        UsageError
            If there are no records.
        """
        if not len(ts_event):
            raise UsageError("no records have no span")
        low, high = int(ts_event.min()), int(ts_event.max())
        refs = self.ref_ts[self.ref_ts != NO_TIME]
        if len(refs):
            low, high = min(low, int(refs.min())), max(high, int(refs.max()))
        return low, high

    def equals(self, other: Notes) -> bool:
        """Whether both hold the same notes."""
        return all(
            np.array_equal(getattr(self, name.name), getattr(other, name.name))
            for name in fields(self)
        )


_NONE = np.zeros(0, np.int64)
_EMPTY = Notes(_NONE, np.zeros(0, np.uint8), _NONE, _NONE, _NONE)  # every chunk asks for it
