"""Messages of an order book in columns, with the gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import Levels
from tradercast.errors import UsageError
from tradercast.ids import ABSENT
from tradercast.notes import NO_TIME, Kind, Notes
from tradercast.rows import I64, Rows, row_indices

NO_CHECKSUM = -(2**63)
# the columns that a source may not have, and what stands for a row without a value
OPTIONAL = {
    "ts_recv": NO_TIME,
    "first_id": ABSENT,
    "last_id": ABSENT,
    "prev_id": ABSENT,
    "checksum": NO_CHECKSUM,
}


@dataclass(frozen=True, eq=False)
class BookMessages:
    """Records of a book feed, a row each; arrays are read-only by convention.

    Parameters
    ----------
    ts_event : int64 array, shape (n,)
        ns UTC, in the order of arrival: times may be equal or go back.
    is_snapshot : bool array, shape (n,)
        Whether a message is the whole book, not changes of it.
    offsets : int64 array, shape (n + 1,)
        Message i has the rows ``[offsets[i], offsets[i + 1])`` of `levels`; starts at 0.
    levels : Levels
        In the order of the source; of two for one side and price the later counts.
    ts_recv : int64 array or None
        ns UTC, `NO_TIME` where absent.
    first_id, last_id, prev_id : int64 arrays or None
        The source's own numbers: the first and last update in the message, and the last one of
        the message before, as far as it has them; `ABSENT` where not.
    checksum : int64 array or None
        The source's checksum of the book after the message, `NO_CHECKSUM` where absent.
    notes : Notes
        The rows that are gaps: no messages, without levels.

    Raises
    ------
    UsageError
        If the columns differ in length or type, or do not belong together.
    """

    ts_event: I64
    is_snapshot: NDArray[np.bool_]
    offsets: I64
    levels: Levels
    ts_recv: I64 | None = None
    first_id: I64 | None = None
    last_id: I64 | None = None
    prev_id: I64 | None = None
    checksum: I64 | None = None
    notes: Notes = field(default_factory=Notes.empty)

    def __post_init__(self) -> None:
        count = len(self.ts_event)
        self._check("is_snapshot", self.is_snapshot, np.bool_, count)
        self._check("offsets", self.offsets, np.int64, count + 1)
        for name in ("ts_event", *OPTIONAL):
            column = getattr(self, name)
            if column is not None:
                self._check(name, column, np.int64, count)
        offsets = self.offsets
        if offsets[0] != 0 or offsets[-1] != len(self.levels) or (np.diff(offsets) < 0).any():
            raise UsageError("the offsets do not divide the levels among the messages")
        rows = self.notes.row
        if not len(rows):
            return
        if rows[-1] >= count:
            raise UsageError(f"a note is about row {rows[-1]} of {count}")
        if (self.notes.kind != Kind.GAP).any():
            raise UsageError("a note in a book is a gap")
        if (offsets[rows + 1] != offsets[rows]).any() or self.is_snapshot[rows].any():
            raise UsageError("a gap has no levels and is no snapshot")

    @staticmethod
    def _check(name: str, column: NDArray[np.generic], dtype: type, count: int) -> None:
        if column.dtype != dtype or column.ndim != 1:
            raise UsageError(f"{name} must be a one-dimensional {dtype.__name__} array")
        if len(column) != count:
            raise UsageError(f"{name} has {len(column)} rows, not {count}")

    @classmethod
    def empty(cls) -> BookMessages:
        """No records."""
        none = np.zeros(0, np.int64)
        return cls(none, np.zeros(0, np.bool_), np.zeros(1, np.int64), Levels.empty())

    @classmethod
    def concat(cls, runs: Sequence[BookMessages]) -> BookMessages:
        """All records of `runs`, one after the other."""
        runs = [run for run in runs if len(run)]
        if len(runs) <= 1:
            return runs[0] if runs else cls.empty()
        starts = np.cumsum([0, *(len(run) for run in runs)]).tolist()
        lengths = np.concatenate([run.lengths() for run in runs])
        optional = {
            name: np.concatenate([run.filled(name) for run in runs])
            for name in OPTIONAL
            if any(getattr(run, name) is not None for run in runs)
        }
        return cls(
            np.concatenate([run.ts_event for run in runs]),
            np.concatenate([run.is_snapshot for run in runs]),
            offsets_of(lengths),
            Levels.concat([run.levels for run in runs]),
            **optional,
            notes=Notes.concat([run.notes for run in runs], starts[:-1]),
        )

    def __len__(self) -> int:
        return len(self.ts_event)

    def __getitem__(self, rows: Rows) -> BookMessages:
        """The rows of a slice, an index array or a boolean mask."""
        offsets, levels = self._pick_levels(rows)
        optional = {
            name: column[rows] for name in OPTIONAL if (column := getattr(self, name)) is not None
        }
        return BookMessages(
            self.ts_event[rows],
            self.is_snapshot[rows],
            offsets,
            levels,
            **optional,
            notes=self.notes.pick(rows, len(self)),
        )

    def _pick_levels(self, rows: Rows) -> tuple[I64, Levels]:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                edges = self.offsets[start : max(start, stop) + 1]
                return edges - edges[0], self.levels[int(edges[0]) : int(edges[-1])]
        index = row_indices(rows, len(self))
        lengths = self.lengths()[index]
        offsets = offsets_of(lengths)
        wanted = np.arange(offsets[-1]) + np.repeat(self.offsets[index] - offsets[:-1], lengths)
        return offsets, self.levels[wanted]

    def lengths(self) -> I64:
        """How many levels each message has."""
        return np.diff(self.offsets)

    def weights(self) -> I64:
        """What each message weighs when chunks are cut: its levels, and 1 if it has none."""
        return np.maximum(self.lengths(), 1)

    def without_notes(self) -> BookMessages:
        """The rows that are messages."""
        if not len(self.notes):
            return self
        return replace(self[self.notes.plain(len(self))], notes=Notes.empty())

    def filled(self, name: str) -> I64:
        """One of the columns that a source may not have, with absences if there is none."""
        column: I64 | None = getattr(self, name)
        return np.full(len(self), OPTIONAL[name], np.int64) if column is None else column

    def equals(self, other: BookMessages) -> bool:
        """Whether both hold the same records; a column of absences equals no column."""
        return (
            bool(np.array_equal(self.ts_event, other.ts_event))
            and bool(np.array_equal(self.is_snapshot, other.is_snapshot))
            and bool(np.array_equal(self.offsets, other.offsets))
            and self.levels.equals(other.levels)
            and all(np.array_equal(self.filled(name), other.filled(name)) for name in OPTIONAL)
            and self.notes.equals(other.notes)
        )

    def times(self) -> I64:
        """Per row the later of ``ts_event`` and its gap's ``ref_ts``: what chunks are cut by."""
        return self.notes.times(self.ts_event)

    def span(self) -> tuple[int, int]:
        """Minimum and maximum (inclusive) of ``ts_event`` and of the notes' ``ref_ts``.

        So the range of a gap finds it.

        Raises
        ------
        UsageError
            If there are no records.
        """
        return self.notes.span(self.ts_event)


def offsets_of(lengths: I64) -> I64:
    """Where each of some runs begins when they are put one after the other, and the end."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
