"""Candles in columns, with the gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.ids import ABSENT
from tradercast.notes import Kind, Notes
from tradercast.rows import I64, Rows

PRICES = ("open", "high", "low", "close")
DECIMALS = (*PRICES, "volume", "quote_volume")


@dataclass(frozen=True, eq=False)
class Candles:
    """Candles of one interval, a row each; arrays are read-only by convention.

    Parameters
    ----------
    ts_open : int64 array, shape (n,)
        ns UTC at which the interval begins.
    open, high, low, close : Decimals
    volume : Decimals
        The sum of the trades' sizes.
    quote_volume : Decimals or None
        The sum of price times size; None where a source does not say.
    trades : int64 array or None
        How many there were, `ABSENT` or None where a source does not say.
    notes : Notes
        The rows that are gaps: no candles, all numbers 0.

    Raises
    ------
    UsageError
        If the columns differ in length or type, or a note is none about a gap.
    """

    ts_open: I64
    open: Decimals
    high: Decimals
    low: Decimals
    close: Decimals
    volume: Decimals
    quote_volume: Decimals | None = None
    trades: I64 | None = None
    notes: Notes = field(default_factory=Notes.empty)

    def __post_init__(self) -> None:
        count = len(self.ts_open)
        columns = {name: getattr(self, name) for name in DECIMALS}
        arrays = {name: column.mantissa for name, column in columns.items() if column is not None}
        arrays["ts_open"] = self.ts_open
        if self.trades is not None:
            arrays["trades"] = self.trades
        for name, array in arrays.items():
            if array.dtype != np.int64 or array.ndim != 1:
                raise UsageError(f"{name} must be a one-dimensional int64 array")
            if len(array) != count:
                raise UsageError(f"{name} has {len(array)} rows, ts_open has {count}")
        if not len(self.notes):
            return
        if self.notes.row[-1] >= count:
            raise UsageError(f"a note is about row {self.notes.row[-1]} of {count}")
        if (self.notes.kind != Kind.GAP).any():
            raise UsageError("a note among candles is a gap")

    @property
    def ts_event(self) -> I64:
        """The time of each record: that of its opening."""
        return self.ts_open

    @classmethod
    def empty(cls) -> Candles:
        """No candles."""
        none = Decimals(np.zeros(0, np.int64))
        return cls(none.mantissa, none, none, none, none, none, none, none.mantissa)

    @classmethod
    def concat(cls, runs: Sequence[Candles]) -> Candles:
        """All candles of `runs`, one after the other."""
        runs = [run for run in runs if len(run)]
        if len(runs) <= 1:
            return runs[0] if runs else cls.empty()
        if len({run.quote_volume is None for run in runs}) > 1:
            raise UsageError("some of the candles have a quote volume and some have none")
        starts = np.cumsum([0, *(len(run) for run in runs)]).tolist()
        parts = {
            name: Decimals.concat([getattr(run, name) for run in runs])
            for name in DECIMALS
            if getattr(runs[0], name) is not None
        }
        counted = any(run.trades is not None for run in runs)
        return cls(
            np.concatenate([run.ts_open for run in runs]),
            **parts,
            trades=np.concatenate([run.counts() for run in runs]) if counted else None,
            notes=Notes.concat([run.notes for run in runs], starts[:-1]),
        )

    def __len__(self) -> int:
        return len(self.ts_open)

    def __getitem__(self, rows: Rows) -> Candles:
        """The rows of a slice, an index array or a boolean mask."""
        return Candles(
            self.ts_open[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            None if self.quote_volume is None else self.quote_volume[rows],
            None if self.trades is None else self.trades[rows],
            self.notes.pick(rows, len(self)),
        )

    def counts(self) -> I64:
        """The number of trades of each candle, `ABSENT` where it is not known."""
        return np.full(len(self), ABSENT, np.int64) if self.trades is None else self.trades

    def equals(self, other: Candles) -> bool:
        """Whether both hold the same candles; a column of absences equals no column."""
        return (
            bool(np.array_equal(self.ts_open, other.ts_open))
            and all(
                _same(getattr(self, name), getattr(other, name), len(self)) for name in DECIMALS
            )
            and bool(np.array_equal(self.counts(), other.counts()))
            and self.notes.equals(other.notes)
        )

    def times(self) -> I64:
        """Per row the later of ``ts_open`` and its gap's ``ref_ts``: what chunks are cut by."""
        return self.notes.times(self.ts_open)

    def weights(self) -> None:
        """What each candle weighs when chunks are cut: 1."""

    def without_notes(self) -> Candles:
        """The rows that are candles."""
        if not len(self.notes):
            return self
        return replace(self[self.notes.plain(len(self))], notes=Notes.empty())

    def span(self) -> tuple[int, int]:
        """Minimum and maximum (inclusive) of ``ts_open`` and of the gaps' ``ref_ts``.

        Raises
        ------
        UsageError
            If there are no records.
        """
        return self.notes.span(self.ts_open)


def _same(one: Decimals | None, two: Decimals | None, count: int) -> bool:
    if one is None or two is None:
        return (one is two) or not count
    return one.equals(two)
