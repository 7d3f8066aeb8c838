"""Chunks of trades: encoding."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from tradercast import decimal_form
from tradercast.chunks.block import CHUNK, MAX_BLOCK, MAX_RECORDS, pack_block, require_encoder
from tradercast.chunks.columns import ColumnWriter, Layout, layout_of
from tradercast.chunks.header import CHAIN_BYTES, MAX_SCALE, MAX_SEQ, ChunkHeader, TailInfo
from tradercast.chunks.texts import text_columns, write_texts
from tradercast.chunks.units import time_unit
from tradercast.errors import EncodeError
from tradercast.feeds import FeedId
from tradercast.ids import MAX_ID_BYTES
from tradercast.records import ABSENT, NO_TIME, Decimals, Ids, Side, Trades
from tradercast.rows import I64

CHANNEL = "trades"
ID_INT, ID_ABSENT, ID_TEXT = 0, 1, 2
MAX_TEXT = 255  # of an escaped decimal

_N = MAX_RECORDS
LAYOUT: Layout = layout_of(
    ("ts", _N),
    ("px", _N),
    ("px_row", _N),
    ("px_len", _N),
    ("px_text", _N * MAX_TEXT),
    ("sz", _N),
    ("sz_row", _N),
    ("sz_len", _N),
    ("sz_text", _N * MAX_TEXT),
    ("side", _N),
    ("recv_has", _N),
    ("recv", _N),
    ("id_kind", _N),
    ("id", _N),
    *text_columns("id", _N, MAX_ID_BYTES),
    ("note_row", _N),
    ("note_kind", _N),
    ("note_seq", _N),
    ("note_end", _N),
    ("note_ts", _N),
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
    if len(block) > MAX_BLOCK:
        raise EncodeError(
            f"records {first_seq} to {first_seq + len(trades) - 1} take {len(block)} bytes, "
            f"over {MAX_BLOCK}",
            hint="encode fewer records at once",
        )
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
    recv_unit = _add_recv(writer, trades)
    _add_ids(writer, trades.trade_id)
    notes = trades.notes
    writer.add("note_row", notes.row, delta=1)
    writer.add("note_kind", notes.kind)
    writer.add("note_seq", notes.ref_seq, delta=1)
    writer.add("note_end", notes.ref_end, delta=1)
    writer.add("note_ts", notes.ref_ts, delta=1)
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
    count = len(trades)
    if feed.channel != CHANNEL:
        raise EncodeError(f"{feed} is no feed of trades")
    if not 1 <= count <= MAX_RECORDS:
        raise EncodeError(f"a chunk holds 1 to {MAX_RECORDS} records, not {count}")
    if not 0 <= first_seq <= MAX_SEQ - count:
        raise EncodeError(f"the first seq is {first_seq}, not from 0 to 2**62")
    if len(chain) not in (0, CHAIN_BYTES):
        raise EncodeError(f"a chain hash has {CHAIN_BYTES} bytes, not {len(chain)}")
    _refuse(trades.ts_event == NO_TIME, "has no ts_event in int64", first_seq)
    _refuse(trades.side > max(Side), "has a side other than 0, 1, 2", first_seq)
    if running_max_ns < trades.span()[1]:
        raise EncodeError(f"the running maximum {running_max_ns} is before the chunk's own maximum")
    ids = trades.trade_id
    if ids is not None:
        _refuse(ids.values < ABSENT, "has a negative id", first_seq)
        for row, text in ids.escapes.items():
            if not 0 <= row < count or not 1 <= len(_utf8(text)) <= MAX_ID_BYTES:
                raise EncodeError(f"record {first_seq + row} has an id that is too long or no text")


def _refuse(bad: Any, what: str, first_seq: int) -> None:
    if bad.any():
        raise EncodeError(f"record {first_seq + int(np.argmax(bad))} {what}")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeError:
        return b""


def _add_decimals(
    writer: ColumnWriter, name: str, values: Decimals, delta: int, first_seq: int
) -> int:
    for row, value in values.escapes.items():
        if not isinstance(value, Decimal) or not decimal_form.is_storable(value):
            raise EncodeError(f"record {first_seq + row} has {value!s:.40} as {name}")
    form = values.normalised()
    if abs(form.exponent) > MAX_SCALE:
        raise EncodeError(f"record {first_seq}: the exponent {form.exponent} is out of range")
    writer.add(name, form.mantissa, delta=delta)
    if form.escapes:
        writer.add(f"{name}_row", np.array(list(form.escapes), np.int64), delta=1)
        texts = [decimal_form.plain_text(value).encode("ascii") for value in form.escapes.values()]
        write_texts(writer, name, texts, by_position=False)
    return form.exponent


def _add_recv(writer: ColumnWriter, trades: Trades) -> int:
    """Receive times as differences to event times (modulo 2**64), of the rows that have one."""
    if trades.ts_recv is None:
        return 0
    has = trades.ts_recv != NO_TIME
    if not has.any():
        return 0
    difference: I64 = trades.ts_recv - trades.ts_event
    if not has.all():
        writer.add("recv_has", has.astype(np.uint8), delta=1)
        difference = difference[has]
    unit = time_unit(difference)
    writer.add("recv", difference // 10**unit, delta=1)
    return unit


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
