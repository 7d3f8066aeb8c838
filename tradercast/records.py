"""Trades in columns, with the corrections and gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

import numpy as np

from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.ids import ABSENT, Ids
from tradercast.notes import NO_TIME, Gap, Kind, Notes
from tradercast.rows import I64, U8, Rows

__all__ = ["ABSENT", "NO_TIME", "Decimals", "Gap", "Ids", "Kind", "Notes", "Side", "Trades"]


class Side(IntEnum):
    """The side of the taker."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


@dataclass(frozen=True, eq=False)
class Trades:
    """Records of a trade feed, a row each; arrays are read-only by convention.

    Parameters
    ----------
    ts_event : int64 array, shape (n,)
        ns UTC, in the order of arrival: times may be equal or go back.
    price, size : Decimals
    side : uint8 array
        Values of `Side`.
    ts_recv : int64 array or None
        ns UTC, `NO_TIME` where absent.
    trade_id : Ids or None
    notes : Notes
        The rows that are no plain trades.

    Raises
    ------
    UsageError
        If the columns differ in length or type.
    """

    ts_event: I64
    price: Decimals
    size: Decimals
    side: U8
    ts_recv: I64 | None = None
    trade_id: Ids | None = None
    notes: Notes = field(default_factory=Notes.empty)

    def __post_init__(self) -> None:
        count = len(self.ts_event)
        for name in ("price", "size", "side", "ts_recv", "trade_id"):
            column = getattr(self, name)
            if column is not None and len(column) != count:
                raise UsageError(f"{name} has {len(column)} rows, ts_event has {count}")
        for name, array, dtype in (
            ("ts_event", self.ts_event, np.int64),
            ("side", self.side, np.uint8),
            ("ts_recv", self.ts_recv, np.int64),
            ("price.mantissa", self.price.mantissa, np.int64),
            ("size.mantissa", self.size.mantissa, np.int64),
            ("trade_id.values", None if self.trade_id is None else self.trade_id.values, np.int64),
        ):
            if array is not None and (array.dtype != dtype or array.ndim != 1):
                raise UsageError(f"{name} must be a one-dimensional {dtype.__name__} array")
        if len(self.notes) and self.notes.row[-1] >= count:
            raise UsageError(f"a note is about row {self.notes.row[-1]} of {count}")

    @classmethod
    def empty(cls) -> Trades:
        """No records."""
        none = np.zeros(0, np.int64)
        return cls(none, Decimals(none), Decimals(none), np.zeros(0, np.uint8))

    @classmethod
    def concat(cls, runs: Sequence[Trades]) -> Trades:
        """All records of `runs`, one after the other."""
        runs = [run for run in runs if len(run)]
        if len(runs) <= 1:
            return runs[0] if runs else cls.empty()
        starts = np.cumsum([0, *(len(run) for run in runs)]).tolist()
        return cls(
            np.concatenate([run.ts_event for run in runs]),
            Decimals.concat([run.price for run in runs]),
            Decimals.concat([run.size for run in runs]),
            np.concatenate([run.side for run in runs]),
            _concat_recv(runs),
            _concat_ids(runs),
            Notes.concat([run.notes for run in runs], starts[:-1]),
        )

    def __len__(self) -> int:
        return len(self.ts_event)

    def __getitem__(self, rows: Rows) -> Trades:
        """The rows of a slice, an index array or a boolean mask."""
        return Trades(
            self.ts_event[rows],
            self.price[rows],
            self.size[rows],
            self.side[rows],
            None if self.ts_recv is None else self.ts_recv[rows],
            None if self.trade_id is None else self.trade_id[rows],
            self.notes.pick(rows, len(self)),
        )

    def equals(self, other: Trades) -> bool:
        """Whether both hold the same records; a column of absences equals no column."""
        return (
            bool(np.array_equal(self.ts_event, other.ts_event))
            and self.price.equals(other.price)
            and self.size.equals(other.size)
            and bool(np.array_equal(self.side, other.side))
            and bool(np.array_equal(_recv(self), _recv(other)))
            and _ids(self).equals(_ids(other))
            and self.notes.equals(other.notes)
        )

    def times(self) -> I64:
        """Per row the later of ``ts_event`` and its note's ``ref_ts``: what chunks are cut by."""
        return self.notes.times(self.ts_event)

    def weights(self) -> None:
        """What each trade weighs when chunks are cut: 1."""

    def without_notes(self) -> Trades:
        """The rows that are plain trades."""
        if not len(self.notes):
            return self
        return replace(self[self.notes.plain(len(self))], notes=Notes.empty())

    def span(self) -> tuple[int, int]:
        """Minimum and maximum (inclusive) of ``ts_event`` and of the notes' ``ref_ts``.

        So the range of a corrected trade's time, or of a gap, finds its correction or gap.

        Raises
        ------
        UsageError
            If there are no records.
        """
        return self._span

    @cached_property
    def _span(self) -> tuple[int, int]:
        return self.notes.span(self.ts_event)


def _recv(run: Trades) -> I64:
    return np.full(len(run), NO_TIME, np.int64) if run.ts_recv is None else run.ts_recv


def _ids(run: Trades) -> Ids:
    return Ids.absent(len(run)) if run.trade_id is None else run.trade_id


def _concat_recv(runs: Sequence[Trades]) -> I64 | None:
    if all(run.ts_recv is None for run in runs):
        return None
    return np.concatenate([_recv(run) for run in runs])


def _concat_ids(runs: Sequence[Trades]) -> Ids | None:
    if all(run.trade_id is None for run in runs):
        return None
    return Ids.concat([_ids(run) for run in runs])
