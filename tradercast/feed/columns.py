"""Columns that are allocated once and that many blocks are decoded into, in any order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from tradercast import decimal_form
from tradercast.chunks import ChunkHeader, TradeBuffers
from tradercast.feed.piece import Numbers, Piece
from tradercast.records import ABSENT, NO_TIME, Decimals, Ids, Trades
from tradercast.rows import I64, shifted


@dataclass(eq=False, slots=True)
class Slot:
    """Room for the records of one block.

    Attributes
    ----------
    start, room : int
        The rows ``[start, start + room)``.
    trades : Trades
        What it holds, at most `room` records.
    in_place : bool
        Whether these are at `start` already.
    numbers : list of range or int64 array
    """

    start: int
    room: int
    trades: Trades = field(default_factory=Trades.empty)
    in_place: bool = False
    numbers: Numbers = field(default_factory=list)

    def put(self, piece: Piece) -> None:
        """Fill it with records that are elsewhere, to be copied in the end."""
        self.trades, self.numbers = piece.trades, piece.numbers


class Columns:
    """Room for records.  Slots are made in the order of the result.

    Parameters
    ----------
    count : int
        Records at most.  What is never written takes no memory.
    """

    def __init__(self, count: int) -> None:
        self._ts: I64 = np.empty(count, np.int64)
        self._price: I64 = np.empty(count, np.int64)
        self._size: I64 = np.empty(count, np.int64)
        self._side = np.empty(count, np.uint8)
        self._recv: I64 | None = None
        self._ids: I64 | None = None
        self._slots: list[Slot] = []
        self._end = 0
        self._lock = threading.Lock()

    def slot(self, room: int) -> Slot:
        """The next `room` rows."""
        slot = Slot(self._end, room)
        self._end += room
        self._slots.append(slot)
        return slot

    def buffers(self, slot: Slot, header: ChunkHeader) -> TradeBuffers:
        """The rows of a slot, for a chunk of as many records."""
        self._allocate(recv=header.has_recv, ids=header.has_ids)
        rows = slice(slot.start, slot.start + header.count)
        return TradeBuffers(
            self._ts[rows],
            self._price[rows],
            self._size[rows],
            self._side[rows],
            header.price_exponent,
            header.size_exponent,
            self._recv[rows] if header.has_recv and self._recv is not None else None,
            self._ids[rows] if header.has_ids and self._ids is not None else None,
        )

    def piece(self) -> Piece:
        """Everything, without the room that was not needed.

        What is in place stays there, unless room is left before it and behind another such slot.
        """
        slots = [slot for slot in self._slots if len(slot.trades)]
        anchor = next((place for place, slot in enumerate(slots) if slot.in_place), 0)
        lengths = [len(slot.trades) for slot in slots]
        start = slots[anchor].start - sum(lengths[:anchor]) if slots else 0
        self._allocate(
            recv=any(slot.trades.ts_recv is not None for slot in slots),
            ids=any(slot.trades.trade_id is not None for slot in slots),
        )
        parts: list[tuple[int, Trades]] = []
        at = start
        for slot, length in zip(slots, lengths, strict=True):
            self._settle(slot, at)
            parts.append((at - start, slot.trades))
            at += length
        rows = slice(start, at)
        trades = Trades(
            self._ts[rows],
            _decimals(self._price[rows], [(row, part.price) for row, part in parts]),
            _decimals(self._size[rows], [(row, part.size) for row, part in parts]),
            self._side[rows],
            None if self._recv is None else self._recv[rows],
            None if self._ids is None else Ids(self._ids[rows], _texts(parts)),
        )
        return Piece(trades, [run for slot in slots for run in slot.numbers])

    def _allocate(self, *, recv: bool, ids: bool) -> None:
        with self._lock:
            if recv and self._recv is None:
                self._recv = np.empty(len(self._ts), np.int64)
            if ids and self._ids is None:
                self._ids = np.empty(len(self._ts), np.int64)

    def _settle(self, slot: Slot, at: int) -> None:
        """Copy the records of a slot to where they belong, unless they are there."""
        trades = slot.trades
        there = slot.in_place and at == slot.start
        rows = slice(at, at + len(trades))
        if not there:
            self._ts[rows] = trades.ts_event
            self._price[rows] = trades.price.mantissa
            self._size[rows] = trades.size.mantissa
            self._side[rows] = trades.side
        if self._recv is not None and not (there and trades.ts_recv is not None):
            self._recv[rows] = NO_TIME if trades.ts_recv is None else trades.ts_recv
        if self._ids is not None and not (there and trades.trade_id is not None):
            self._ids[rows] = ABSENT if trades.trade_id is None else trades.trade_id.values


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
