"""Chunks of trades: encoding."""

from __future__ import annotations

import numpy as np

from tradercast.chunks.block import (
    CHUNK,
    MAX_RECORDS,
    pack_block,
    require_encoder,
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
    check_frame,
    check_running,
    refuse,
)
from tradercast.chunks.header import ChunkHeader, TailInfo
from tradercast.chunks.texts import text_columns, write_texts
from tradercast.chunks.units import time_unit
from tradercast.errors import EncodeError
from tradercast.feeds import FeedId
from tradercast.ids import MAX_ID_BYTES
from tradercast.records import ABSENT, Decimals, Ids, Side, Trades

CHANNEL = "trades"
ID_INT, ID_ABSENT, ID_TEXT = 0, 1, 2

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


def encode_trades(
    trades: Trades,
    *,
    feed: FeedId,
    first_seq: int,
    running_max_ns: int,
    chain: bytes = b"",
    tail: TailInfo | None = None,
    message: int | None = None,
) -> bytes:
    """One block that holds `trades`: the same records always give the same bytes.

    Parameters
    ----------
    trades : Trades
        1 to 65,536 records.
    feed : FeedId
        A feed of the channel ``trades``.
    first_seq : int
        The number of the first record.
    running_max_ns : int
        The largest time (see `Trades.times`) of the segment, these records included.
    chain : bytes
        The hash of all records up to the end of these, or empty.
    tail : TailInfo, optional
        In tail blocks only.
    message : int, optional
        The number of the source's message that these records came in.

    Raises
    ------
    EncodeError
        If a record can not be held exactly (names it), the block would be over 1 MiB, or the
        installed pcodec is not the one of the format.
    """
    block = encode_any_size(
        trades,
        feed=feed,
        first_seq=first_seq,
        running_max_ns=running_max_ns,
        chain=chain,
        tail=tail,
        message=message,
    )
    require_room(block, first_seq, len(trades))
    return block


def encode_any_size(
    trades: Trades,
    *,
    feed: FeedId,
    first_seq: int,
    running_max_ns: int,
    chain: bytes = b"",
    tail: TailInfo | None = None,
    message: int | None = None,
) -> bytes:
    """`encode_trades` without the limit of 1 MiB."""
    require_encoder()
    _check(trades, feed, first_seq, running_max_ns, chain)
    writer = ColumnWriter()
    unit = time_unit(trades.ts_event)
    writer.add("ts", trades.ts_event // 10**unit, delta=1)
    price_exponent = _add_decimals(writer, "px", trades.price, 1, first_seq)
    size_exponent = _add_decimals(writer, "sz", trades.size, 0, first_seq)
    if trades.side.any():
        writer.add("side", trades.side, delta=1)
    recv_unit = add_recv(writer, trades.ts_recv, trades.ts_event)
    _add_ids(writer, trades.trade_id)
    add_notes(writer, trades.notes)
    low, high = trades.span()
    header = ChunkHeader(
        feed=feed,
        count=len(trades),
        first_seq=first_seq,
        min_ns=low,
        max_ns=high,
        running_max_ns=running_max_ns,
        chain=chain,
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        tail=tail,
        message=message,
        time_unit=unit,
        recv_unit=recv_unit,
    )
    return pack_block(CHUNK, header.to_map(writer.entries), writer.sections)


def _check(trades: Trades, feed: FeedId, first_seq: int, running_max_ns: int, chain: bytes) -> None:
    check_frame(feed, CHANNEL, len(trades), first_seq, chain, trades.ts_event)
    refuse(trades.side > max(Side), "has a side other than 0, 1, 2", first_seq)
    check_running(running_max_ns, trades.span()[1])
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
