"""Trades as an exchange's messages say them -> columns."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from tradercast.exchanges.connector import ExchangeTrade
from tradercast.records import NO_TIME, Decimals, Ids, Trades


class RecvPrecision(StrEnum):
    """How exactly the time of arrival is kept: finer costs more bytes."""

    US = "us"
    NS = "ns"
    NONE = "none"

    def of(self, ts_recv: int) -> int | None:
        """A time of arrival (ns UTC) as it is kept."""
        if self is RecvPrecision.NONE:
            return None
        if ts_recv == NO_TIME:
            return NO_TIME
        return ts_recv if self is RecvPrecision.NS else ts_recv - ts_recv % 1_000


def columns(trades: Sequence[ExchangeTrade], precision: RecvPrecision) -> Trades:
    """The same trades, in the same order, as one run."""
    recv = None
    if precision is not RecvPrecision.NONE:
        recv = np.array([precision.of(trade.ts_recv) for trade in trades], np.int64)
    return Trades(
        np.array([trade.ts_event for trade in trades], np.int64),
        Decimals.from_strings([trade.price for trade in trades]),
        Decimals.from_strings([trade.size for trade in trades]),
        np.array([trade.side for trade in trades], np.uint8),
        recv,
        Ids.from_ints([trade.trade_id for trade in trades]),
    )
