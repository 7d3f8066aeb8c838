"""Columns allocated once for many chunks, so that a bulk read copies nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from tradercast.records import Decimals, Ids, Notes, Trades
from tradercast.rows import I64, U8


@dataclass(eq=False)
class TradeBuffers:
    """Where `decode_trades_into` puts records.

    Parameters
    ----------
    ts_event, price, size : int64 arrays, shape (n,)
        Prices and sizes count units of the exponents below.
    side : uint8 array, shape (n,)
    price_exponent, size_exponent : int
        Common to all rows; values that do not fit go to the escapes.
    ts_recv : int64 array or None
        `None` leaves receive times undecoded.
    trade_id : int64 array or None
        `None` leaves ids undecoded.
    price_escapes, size_escapes, id_escapes : dict
        Row -> value of what the arrays can not hold.
    notes : list of (int, Notes)
        The notes of each chunk and the row that it was put at.
    """

    ts_event: I64
    price: I64
    size: I64
    side: U8
    price_exponent: int = 0
    size_exponent: int = 0
    ts_recv: I64 | None = None
    trade_id: I64 | None = None
    price_escapes: dict[int, Decimal] = field(default_factory=dict)
    size_escapes: dict[int, Decimal] = field(default_factory=dict)
    id_escapes: dict[int, str] = field(default_factory=dict)
    notes: list[tuple[int, Notes]] = field(default_factory=list)

    @classmethod
    def allocate(
        cls,
        count: int,
        *,
        price_exponent: int,
        size_exponent: int,
        with_recv: bool = True,
        with_ids: bool = True,
    ) -> TradeBuffers:
        """Buffers for `count` records."""
        return cls(
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.uint8),
            price_exponent,
            size_exponent,
            np.empty(count, np.int64) if with_recv else None,
            np.empty(count, np.int64) if with_ids else None,
        )

    def __len__(self) -> int:
        return len(self.ts_event)

    def trades(self) -> Trades:
        """All rows as `Trades` that share these arrays."""
        ids = None if self.trade_id is None else Ids(self.trade_id, self.id_escapes)
        ordered = sorted(self.notes, key=lambda entry: entry[0])
        return Trades(
            self.ts_event,
            Decimals(self.price, self.price_exponent, self.price_escapes),
            Decimals(self.size, self.size_exponent, self.size_escapes),
            self.side,
            self.ts_recv,
            ids,
            Notes.concat([notes for _, notes in ordered], [at for at, _ in ordered]),
        )
