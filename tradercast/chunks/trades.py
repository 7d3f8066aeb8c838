"""Chunks of trades: encoding."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tradercast.chunks.block import (
    MAX_RECORDS,
    require_room,
)
from tradercast.chunks.columns import ColumnWriter, Layout, layout_of
from tradercast.chunks.fields import (
    NOTE_COLUMNS,
    add_aside,
    add_notes,
    add_recv,
    aside_columns,
    canonical,
    refuse,
)
from tradercast.chunks.frame import Frame, begin_chunk, finish_chunk
from tradercast.chunks.texts import text_columns, write_texts
from tradercast.errors import EncodeError
from tradercast.ids import MAX_ID_BYTES
from tradercast.records import ABSENT, Decimals, Ids, Side, Trades

CHANNEL = "trades"
ID_INT, ID_ABSENT, ID_TEXT = 0, 1, 2

_LAST_SIDE = max(Side)
_N = MAX_RECORDS
LAYOUT: Layout = layout_of(
    ("ts", _N),
    ("px", _N),
    *aside_columns("px"),
    ("sz", _N),
    *aside_columns("sz"),
    ("side", _N),
    ("recv_has", _N),
    ("recv", _N),
    ("id_kind", _N),
    ("id", _N),
    *text_columns("id", _N, MAX_ID_BYTES),
    *NOTE_COLUMNS,
)


def encode_trades(trades: Trades, **frame: Unpack[Frame]) -> bytes:
    """One block that holds `trades`: the same records always give the same bytes.

    Parameters
    ----------
    trades : Trades
        1 to 65,536 records.
    **frame
        See `Frame`; the feed is one of the channel ``trades``.

    Raises
    ------
    EncodeError
        If a record can not be held exactly (names it), the block would be over 1 MiB, or the
        installed pcodec is not the one of the format.
    """
    block = encode_any_size(trades, **frame)
    require_room(block, frame["first_seq"], len(trades))
    return block


def encode_any_size(trades: Trades, **frame: Unpack[Frame]) -> bytes:
    """`encode_trades` without the limit of 1 MiB."""
    writer, unit = begin_chunk(trades, CHANNEL, frame)
    first_seq = frame["first_seq"]
    _check(trades, first_seq)
    price_exponent = _add_decimals(writer, "px", trades.price, 1, first_seq)
    size_exponent = _add_decimals(writer, "sz", trades.size, 0, first_seq)
    if trades.side[0] or trades.side.any():
        writer.add("side", trades.side, delta=1)
    recv_unit = add_recv(writer, trades.ts_recv, trades.ts_event)
    _add_ids(writer, trades.trade_id)
    add_notes(writer, trades.notes)
    return finish_chunk(
        writer,
        trades,
        frame,
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        time_unit=unit,
        recv_unit=recv_unit,
    )


def _check(trades: Trades, first_seq: int) -> None:
    if trades.side.max() > _LAST_SIDE:
        refuse(trades.side > _LAST_SIDE, "has a side other than 0, 1, 2", first_seq)
    ids = trades.trade_id
    if ids is not None:
        refuse(ids.values < ABSENT, "has a negative id", first_seq)
        for row, text in ids.escapes.items():
            if not 0 <= row < len(trades) or not 1 <= len(_utf8(text)) <= MAX_ID_BYTES:
                raise EncodeError(f"record {first_seq + row} has an id that is too long or no text")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeError:
        return b""


def _add_decimals(
    writer: ColumnWriter, name: str, values: Decimals, delta: int, first_seq: int
) -> int:
    form = canonical(values, name, lambda row: first_seq + row)
    writer.add(name, form.mantissa, delta=delta)
    add_aside(writer, name, form)
    return form.exponent


def _add_ids(writer: ColumnWriter, ids: Ids | None) -> None:
    if ids is None or not ids.any():
        return
    kind = np.where(ids.values == ABSENT, ID_ABSENT, ID_INT).astype(np.uint8)
    rows = sorted(ids.escapes)
    kind[rows] = ID_TEXT
    writer.add("id_kind", kind, delta=1)
    writer.add("id", ids.values[kind == ID_INT], delta=1)
    if rows:
        write_texts(writer, "id", [ids.escapes[row].encode("utf-8") for row in rows])
