"""Trades and book messages as an exchange says them -> columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np

from tradercast.book_messages import BookMessages
from tradercast.exchanges.book_entries import Entry
from tradercast.exchanges.connector import ExchangeTrade
from tradercast.pipeline.files.book_rows import BookRows
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


def book_columns(entries: Sequence[Entry], precision: RecvPrecision) -> BookMessages:
    """The same book messages and holes, in the same order, as one run."""
    rows = BookRows()
    for entry in entries:
        rows.add(entry)
    run = rows.flush()
    recv = run.ts_recv
    if recv is None or precision is RecvPrecision.NONE:
        return replace(run, ts_recv=None)
    if precision is RecvPrecision.US:
        recv = np.where(recv == NO_TIME, recv, recv - recv % 1_000)
    return replace(run, ts_recv=recv)
