"""Trades as lines of CSV or JSON: integer ns, exact decimals.

CSV has the columns ``ts_event,ts_recv,trade_id,side,price,size``, empty where absent.  A JSON
line is an object with the same members, null where absent; price and size are text, so that
no reader makes floats of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from tradercast.client import ascii_cells as cells
from tradercast.client.batches import split
from tradercast.errors import UsageError
from tradercast.ids import Ids
from tradercast.records import NO_TIME, Trades
from tradercast.rows import U8

CSV_HEADER = b"ts_event,ts_recv,trade_id,side,price,size\n"
TARDIS_HEADER = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
SIDES = (b"unknown", b"buy", b"sell")

_SLAB = 16_384  # rows whose text fits the processor's cache


def csv_rows(trades: Trades) -> bytes:
    """One line a trade, without a header.

    Raises
    ------
    UsageError
        If there are corrections or gaps among the trades.
    EncodeError
        If an id holds a NUL character.
    """
    return _lines(trades, _csv_slab)


def jsonl_rows(trades: Trades) -> bytes:
    """One object a trade; raises as `csv_rows`."""
    return _lines(trades, _jsonl_slab)


def tardis_rows(trades: Trades, exchange: str, symbol: str) -> bytes:
    """Lines as tardis.dev's CSV of trades has them, times in µs; raises as `csv_rows`."""
    names = f"{exchange},{symbol},".encode()
    return _lines(trades, lambda run: _tardis_slab(run, names))


def _lines(trades: Trades, slab: Callable[[Trades], bytes]) -> bytes:
    if len(trades.notes):
        raise UsageError(
            "corrections and gaps have no line of their own", hint="use corrections.apply first"
        )
    return b"".join(slab(run) for run, _ in split(trades, None, _SLAB))


def _csv_slab(run: Trades) -> bytes:
    return cells.join(
        len(run),
        [
            cells.times(run.ts_event, b""),
            b",",
            _recv(run, b""),
            b",",
            *_csv_trade(run),
        ],
    )


def _tardis_slab(run: Trades, names: bytes) -> bytes:
    recv = run.ts_recv
    if recv is not None:
        recv = np.where(recv == NO_TIME, recv, recv // 1000)
    return cells.join(
        len(run),
        [
            names,
            cells.integers(run.ts_event // 1000),
            b",",
            b"" if recv is None else cells.times(recv, b""),
            b",",
            *_csv_trade(run),
        ],
    )


def _csv_trade(run: Trades) -> list[U8 | bytes]:
    """The cells that all kinds of CSV end with: id, side, price, size."""
    return [
        _ids(run, b"", b"", _csv_id),
        b",",
        cells.words(run.side, SIDES),
        b",",
        cells.decimals(run.price),
        b",",
        cells.decimals(run.size),
        b"\n",
    ]


def _jsonl_slab(run: Trades) -> bytes:
    return cells.join(
        len(run),
        [
            b'{"ts_event":',
            cells.times(run.ts_event, b""),
            b',"ts_recv":',
            _recv(run, b"null"),
            b',"trade_id":',
            _ids(run, b'"', b"null", _json_id),
            b',"side":"',
            cells.words(run.side, SIDES),
            b'","price":"',
            cells.decimals(run.price),
            b'","size":"',
            cells.decimals(run.size),
            b'"}\n',
        ],
    )


def _recv(run: Trades, absent: bytes) -> U8 | bytes:
    if run.ts_recv is None or bool((run.ts_recv == NO_TIME).all()):
        return absent
    return cells.times(run.ts_recv, absent)


def _ids(run: Trades, quote: bytes, absent: bytes, text: Callable[[str | None], str]) -> U8 | bytes:
    ids: Ids | None = run.trade_id
    if ids is None or not ids.any():
        return absent
    if ids.escapes:
        return cells.texts([text(value) for value in ids.to_strings()])
    return cells.ids(ids, quote, absent)


def _csv_id(value: str | None) -> str:
    if value is None or not any(char in value for char in '",\r\n'):
        return value or ""
    return '"' + value.replace('"', '""') + '"'


def _json_id(value: str | None) -> str:
    return json.dumps(value, ensure_ascii=False)
