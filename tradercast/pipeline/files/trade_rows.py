"""Trades one by one, collected into columns."""

from __future__ import annotations

import numpy as np

from tradercast.errors import InputError, UsageError
from tradercast.exchanges.connector import ExchangeTrade
from tradercast.ids import ABSENT
from tradercast.records import NO_TIME, Decimals, Ids, Kind, Notes, Side, Trades

BATCH = 65_536


class TradeRows:
    """Collects trades and gaps; `flush` gives them as columns.

    Attributes
    ----------
    name : str
        Of the source, for errors.
    """

    def __init__(self) -> None:
        self.name = ""
        self._clear()

    def _clear(self) -> None:
        self._trades: list[ExchangeTrade] = []
        self._notes: list[tuple[int, Kind, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._trades)

    def add(self, trade: ExchangeTrade) -> None:
        """One more trade."""
        self._trades.append(trade)

    def add_gap(self, first: int, last: int, before_ns: int, after_ns: int) -> None:
        """The source's messages `first` to `last` are missing between two times (ns UTC)."""
        self._notes.append((len(self), Kind.GAP, first, last, before_ns))
        self.add(ExchangeTrade(ABSENT, after_ns, NO_TIME, Side.UNKNOWN, "0", "0"))

    def flush(self) -> Trades:
        """The columns of everything added since the last time.

        Raises
        ------
        InputError
            If a price or size is no number, or a size is negative.
        """
        trades = self._trades
        try:
            made = Trades(
                np.array([trade.ts_event for trade in trades], np.int64),
                Decimals.from_strings([trade.price for trade in trades]),
                Decimals.from_strings([trade.size for trade in trades]),
                np.array([trade.side for trade in trades], np.uint8),
                np.array([trade.ts_recv for trade in trades], np.int64),
                Ids.from_ints([trade.trade_id for trade in trades]),
                Notes.of(self._notes),
            )
            if (made.size.to_float() < 0).any():
                raise InputError("a size is negative")
        except (InputError, UsageError) as error:
            raise InputError(f"{self.name}: a trade can not be read: {error.message}") from None
        self._clear()
        return made
