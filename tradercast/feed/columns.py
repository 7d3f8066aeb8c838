"""Columns that are allocated once and that many blocks are decoded into, in any order."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple, TypeVar

import numpy as np

from tradercast import decimal_form
from tradercast.chunks import OpenChunk, TradeBuffers, decode_neighbours
from tradercast.feed.piece import Piece
from tradercast.records import ABSENT, NO_TIME, Decimals, Ids, Trades
from tradercast.rows import I64, shifted

V = TypeVar("V")


class Form(NamedTuple):
    """How the records of a chunk lie in the columns."""

    price_exponent: int
    size_exponent: int
    recv: bool
    ids: bool


@dataclass(eq=False, slots=True)
class Slot:
    """Room for the records of one block.

    Attributes
    ----------
    start, room : int
        The rows ``[start, start + room)``.
    form : Form or None
        Of the records that were decoded in place, as many as there is room for.
    trades : Trades or None
        Records that are elsewhere, at most `room`.
    numbers : list of range or int64 array
    """

    start: int
    room: int
    form: Form | None = None
    trades: Trades | None = None
    numbers: list[range | I64] = field(default_factory=list)

    def __len__(self) -> int:
        return self.room if self.form else len(self.trades or ())

    @property
    def end(self) -> int:
        """The row after the last one that there is room for."""
        return self.start + self.room

    def put(self, piece: Piece) -> None:
        """Fill it with records that are elsewhere, to be copied in the end."""
        self.trades, self.numbers = piece.trades, list(piece.numbers)


class Columns:
    """Room for records.  Slots are made in the order of the result.

    Parameters
    ----------
    count : int
        Records at most.  What is never written takes no memory.
    """

    def __init__(self, count: int) -> None:
        self._all = TradeBuffers.allocate(
            count, price_exponent=0, size_exponent=0, with_recv=False, with_ids=False
        )
        self._slots: list[Slot] = []
        self._end = 0
        self._lock = threading.Lock()

    def slot(self, room: int) -> Slot:
        """The next `room` rows."""
        slot = Slot(self._end, room)
        self._end += room
        self._slots.append(slot)
        return slot

    def decode(self, slots: Sequence[Slot], chunks: Sequence[OpenChunk]) -> None:
        """Decode chunks of plain trades, as many as there is room for, into slots in their order.

        Raises
        ------
        FormatError
            If their bytes are broken.
        """
        forms = [_form(chunk) for chunk in chunks]
        self._allocate(recv=any(f.recv for f in forms), ids=any(f.ids for f in forms))
        begin = 0
        for end in range(1, len(slots) + 1):
            if end == len(slots) or slots[end].start != slots[end - 1].end:
                decode_neighbours(chunks[begin:end], self._all, slots[begin].start)
                begin = end
        for slot, form, chunk in zip(slots, forms, chunks, strict=True):
            slot.form = form
            slot.numbers = [range(chunk.header.first_seq, chunk.header.end_seq)]

    def piece(self) -> Piece:
        """Everything, without the room that was not needed.

        What is in place stays there, unless room is left before it and behind another such slot.
        """
        runs = self._runs()
        anchor = next((place for place, run in enumerate(runs) if run.form), 0)
        start = runs[anchor].start - sum(map(len, runs[:anchor])) if runs else 0
        held = [self._trades(run) for run in runs]
        self._allocate(
            recv=any(trades.ts_recv is not None for trades in held),
            ids=any(trades.trade_id is not None for trades in held),
        )
        parts: list[tuple[int, Trades]] = []
        at = start
        for run, trades in zip(runs, held, strict=True):
            self._settle(trades, at, there=run.form is not None and at == run.start)
            parts.append((at - start, trades))
            at += len(trades)
        rows, every = slice(start, at), self._all
        trades = Trades(
            every.ts_event[rows],
            _decimals(every.price[rows], [(row, part.price) for row, part in parts]),
            _decimals(every.size[rows], [(row, part.size) for row, part in parts]),
            every.side[rows],
            None if every.ts_recv is None else every.ts_recv[rows],
            None if every.trade_id is None else Ids(every.trade_id[rows], _texts(parts)),
        )
        return Piece(trades, [numbers for run in runs for numbers in run.numbers])

    def _runs(self) -> list[Slot]:
        """The slots that hold something; neighbours of one form are one."""
        runs: list[Slot] = []
        for slot in self._slots:
            last = runs[-1] if runs else None
            if slot.form and last and last.form == slot.form and last.end == slot.start:
                last.room += slot.room
                last.numbers += slot.numbers
            elif len(slot):
                runs.append(replace(slot, numbers=[*slot.numbers]))
        return runs

    def _trades(self, run: Slot) -> Trades:
        """What a run holds, wherever that is."""
        if run.form is None:
            return run.trades or Trades.empty()
        every, form = self._all, run.form
        rows = slice(run.start, run.end)
        recv = every.ts_recv[rows] if form.recv and every.ts_recv is not None else None
        ids = every.trade_id[rows] if form.ids and every.trade_id is not None else None
        return Trades(
            every.ts_event[rows],
            Decimals(every.price[rows], form.price_exponent, _within(every.price_escapes, run)),
            Decimals(every.size[rows], form.size_exponent, _within(every.size_escapes, run)),
            every.side[rows],
            recv,
            None if ids is None else Ids(ids, _within(every.id_escapes, run)),
        )

    def _allocate(self, *, recv: bool, ids: bool) -> None:
        every = self._all
        with self._lock:
            if recv and every.ts_recv is None:
                every.ts_recv = np.empty(len(every), np.int64)
            if ids and every.trade_id is None:
                every.trade_id = np.empty(len(every), np.int64)

    def _settle(self, trades: Trades, at: int, *, there: bool) -> None:
        """Copy records to where they belong, unless they are there."""
        every = self._all
        rows = slice(at, at + len(trades))
        if not there:
            every.ts_event[rows] = trades.ts_event
            every.price[rows] = trades.price.mantissa
            every.size[rows] = trades.size.mantissa
            every.side[rows] = trades.side
        if every.ts_recv is not None and not (there and trades.ts_recv is not None):
            every.ts_recv[rows] = NO_TIME if trades.ts_recv is None else trades.ts_recv
        if every.trade_id is not None and not (there and trades.trade_id is not None):
            every.trade_id[rows] = ABSENT if trades.trade_id is None else trades.trade_id.values


def _form(chunk: OpenChunk) -> Form:
    header = chunk.header
    return Form(header.price_exponent, header.size_exponent, header.has_recv, header.has_ids)


def _within(escapes: Mapping[int, V], run: Slot) -> dict[int, V]:
    """The entries of a run's rows, counted from its first."""
    rows = range(run.start, run.end)
    return {row - run.start: value for row, value in escapes.items() if row in rows}


def _decimals(column: I64, parts: Sequence[tuple[int, Decimals]]) -> Decimals:
    """Rows that were decoded at the exponents of their parts, brought to one."""
    exponent = _common_exponent(column, parts)
    escapes: dict[int, Decimal] = {}
    for row, part in parts:
        if part.exponent != exponent:
            rows = column[row : row + len(part)]
            outside = decimal_form.rescale_in_place(rows, part.exponent, exponent)
            escapes.update(shifted(outside, row))
        escapes.update(shifted(part.escapes, row))
    return Decimals(column, exponent, escapes)


def _common_exponent(column: I64, parts: Sequence[tuple[int, Decimals]]) -> int:
    """The finest exponent of the parts, or that which leaves the fewest values outside."""
    candidates = sorted({part.exponent for _, part in parts}) or [0]

    def outside(exponent: int) -> int:
        return sum(
            decimal_form.count_outside(column[row : row + len(part)], part.exponent, exponent)
            for row, part in parts
        )

    return candidates[0] if len(candidates) == 1 else min(candidates, key=outside)


def _texts(parts: Sequence[tuple[int, Trades]]) -> dict[int, str]:
    escapes: dict[int, str] = {}
    for row, part in parts:
        if part.trade_id is not None:
            escapes.update(shifted(part.trade_id.escapes, row))
    return escapes
