"""Trades of raw captures of Binance; pure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from tradercast.errors import InputError
from tradercast.exchanges.connector import ExchangeTrade
from tradercast.pipeline.files.binance_lines import (
    LINE_HINT,
    Captures,
    messages_of,
    natural,
    time_ns,
)
from tradercast.pipeline.files.trade_rows import BATCH, TradeRows
from tradercast.records import Side, Trades

_log = logging.getLogger(__name__)


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
    rows, last, again = TradeRows(), None, 0
    for name, trade in messages_of(captures, (b'"trade"',), _parse, "trade", symbol):
        if last is not None and trade.trade_id <= last.trade_id:
            again += 1
            continue
        if len(rows) and (len(rows) >= BATCH or rows.name != name):
            yield rows.flush()
        rows.name = name
        if last is not None and trade.trade_id > last.trade_id + 1:
            rows.add_gap(last.trade_id + 1, trade.trade_id - 1, last.ts_event, trade.ts_event)
        last = trade
        rows.add(trade)
    if last is None:
        raise InputError("there is no trade of Binance", hint=LINE_HINT)
    yield rows.flush()
    if again:
        _log.warning("%d trades were left out whose ids came before", again)


def _parse(received: int, body: dict[str, Any]) -> tuple[str | None, ExchangeTrade | None]:
    data = body.get("data", body)
    if data.get("e") != "trade":
        return None, None
    if type(data["m"]) is not bool or {type(data["p"]), type(data["q"])} != {str}:
        raise TypeError("a price, a size or the maker's side is not as Binance sends it")
    side = Side.SELL if data["m"] else Side.BUY  # m: the buyer was the maker
    number, time = natural(data["t"]), time_ns(data["T"])
    return data["s"], ExchangeTrade(number, time, received, side, data["p"], data["q"])
