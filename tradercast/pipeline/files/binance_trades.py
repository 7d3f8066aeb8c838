"""Trades of raw captures of Binance; pure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradercast.errors import InputError, UsageError
from tradercast.ids import ABSENT
from tradercast.pipeline.files.binance_lines import (
    LINE_HINT,
    Captures,
    messages_of,
    natural,
    time_ns,
)
from tradercast.records import NO_TIME, Decimals, Ids, Kind, Notes, Side, Trades

BATCH = 65_536
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Trade:
    received: int
    time: int
    id: int
    price: str
    size: str
    side: Side


def read_capture_trades(captures: Captures, symbol: str | None = None) -> Iterator[Trades]:
    """The trades of captures, in the order of their ids.

    An id that is left out is a gap; one that came before is left out here, as after a
    reconnection.

    Parameters
    ----------
    captures : iterable of (name, lines)
        Of their lines those are read that are `trade` messages, alone or in combined streams, of
        spot or futures.  Others are passed over.
    symbol : str, optional
        What the captures must be of, as `normalise_symbol` spells it; else any one symbol.

    Yields
    ------
    Trades
        Batches of 65,536.

    Raises
    ------
    InputError
        If a line is broken or of another symbol, or there is no trade.
    """
    rows, last, again = _Rows(), None, 0
    for name, trade in messages_of(captures, (b'"trade"',), _parse, "trade", symbol):
        if last is not None and trade.id <= last.id:
            again += 1
            continue
        if len(rows) and (len(rows) >= BATCH or rows.name != name):
            yield rows.flush()
        rows.name = name
        if last is not None and trade.id > last.id + 1:
            rows.add_gap(last, trade)
        last = trade
        rows.add(trade)
    if last is None:
        raise InputError("there is no trade of Binance", hint=LINE_HINT)
    yield rows.flush()
    if again:
        _log.warning("%d trades were left out whose ids came before", again)


def _parse(received: int, body: dict[str, Any]) -> tuple[str | None, _Trade | None]:
    data = body.get("data", body)
    if data.get("e") != "trade":
        return None, None
    if type(data["m"]) is not bool or {type(data["p"]), type(data["q"])} != {str}:
        raise TypeError("a price, a size or the maker's side is not as Binance sends it")
    side = Side.SELL if data["m"] else Side.BUY  # m: the buyer was the maker
    trade = _Trade(received, time_ns(data["T"]), natural(data["t"]), data["p"], data["q"], side)
    return data["s"], trade


class _Rows:
    """Collects trades; `flush` gives them as columns."""

    def __init__(self) -> None:
        self.name = ""
        self._clear()

    def _clear(self) -> None:
        self._trades: list[_Trade] = []
        self._notes: list[tuple[int, Kind, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._trades)

    def add(self, trade: _Trade) -> None:
        self._trades.append(trade)

    def add_gap(self, before: _Trade, after: _Trade) -> None:
        note = (len(self), Kind.GAP, before.id + 1, after.id - 1, before.time)
        self._notes.append(note)
        self.add(_Trade(NO_TIME, after.time, ABSENT, "0", "0", Side.UNKNOWN))

    def flush(self) -> Trades:
        trades = self._trades
        try:
            made = Trades(
                np.array([trade.time for trade in trades], np.int64),
                Decimals.from_strings([trade.price for trade in trades]),
                Decimals.from_strings([trade.size for trade in trades]),
                np.array([trade.side for trade in trades], np.uint8),
                np.array([trade.received for trade in trades], np.int64),
                Ids.from_ints([trade.id for trade in trades]),
                Notes.of(self._notes),
            )
            if (made.size.to_float() < 0).any():
                raise InputError("a size is negative")
        except (InputError, UsageError) as error:
            raise InputError(f"{self.name}: a trade can not be read: {error.message}") from None
        self._clear()
        return made
