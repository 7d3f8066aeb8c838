"""Records of a range and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from tradercast.errors import UsageError
from tradercast.records import Trades
from tradercast.rows import I64
from tradercast.runs import Records

Numbers: TypeAlias = "Sequence[range | I64]"
"""Runs of consecutive numbers, some of them written out."""


class Piece:
    """Some records of a range.

    Parameters
    ----------
    records : Trades or BookMessages
        What a read returns of trades are plain ones: corrections are applied, gaps are taken out.
    seq : int64 array, or list of ranges and arrays
        The records' numbers in the segment.
    """

    __slots__ = ("numbers", "records")

    def __init__(self, records: Records, seq: I64 | Numbers) -> None:
        self.records = records
        self.numbers: Numbers = [seq] if isinstance(seq, np.ndarray) else seq
        count = sum(map(len, self.numbers))
        if count != len(records):
            raise UsageError(f"{len(records)} records have {count} numbers")

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, rows: slice) -> Piece:
        return Piece(self.records[rows], self.seq[rows])

    @property
    def run(self) -> range | I64:
        """The numbers, as a range where they are one."""
        return self.numbers[0] if len(self.numbers) == 1 else self.seq

    @property
    def trades(self) -> Trades:
        """The records of a feed of trades."""
        if not isinstance(self.records, Trades):
            raise UsageError("these records are no trades", hint="they are in `records`")
        return self.records

    @property
    def seq(self) -> I64:
        """The numbers as one int64 array, which is made of ranges when it is first asked for."""
        first = self.numbers[0] if len(self.numbers) == 1 else None
        if isinstance(first, np.ndarray):
            return first
        runs = [
            np.arange(run.start, run.stop, dtype=np.int64) if isinstance(run, range) else run
            for run in self.numbers
        ]
        seq = np.concatenate([np.zeros(0, np.int64), *runs])
        self.numbers = [seq]
        return seq

    @classmethod
    def joined(cls, pieces: Sequence[Piece]) -> Piece:
        """All records of several pieces, one after the other."""
        if len(pieces) == 1:
            return pieces[0]
        numbers = [run for piece in pieces for run in piece.numbers]
        kind = type(pieces[0].records) if pieces else Trades
        return cls(kind.concat([piece.records for piece in pieces]), numbers)
