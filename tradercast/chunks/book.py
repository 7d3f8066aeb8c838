"""Chunks of book messages: encoding."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide, Keyframe, Levels
from tradercast.book_messages import NO_CHECKSUM, BookMessages
from tradercast.chunks.block import (
    MAX_RECORDS,
    require_room,
)
from tradercast.chunks.columns import ColumnWriter, Layout, layout_of
from tradercast.chunks.fields import (
    NOTE_COLUMNS,
    add_aside,
    add_notes,
    add_present,
    add_recv,
    aside_columns,
    canonical,
)
from tradercast.chunks.frame import Frame, begin_chunk, finish_chunk
from tradercast.chunks.header import MAX_KEYFRAME, KeyInfo
from tradercast.chunks.price_lists import PriceLists
from tradercast.decimals import Decimals
from tradercast.errors import EncodeError
from tradercast.ids import ABSENT
from tradercast.rows import I64

CHANNEL = "book"
MAX_LEVELS = 1 << 18  # of the messages of a chunk; chunks are cut long before

_N = MAX_RECORDS
_M = MAX_LEVELS
LAYOUT: Layout = layout_of(
    ("ts", _N),
    ("snap", _N),
    ("recv_has", _N),
    ("recv", _N),
    ("last_has", _N),
    ("last", _N),
    ("first_has", _N),
    ("first", _N),
    ("prev_has", _N),
    ("prev", _N),
    ("sum_has", _N),
    ("sum", _N),
    ("len", _N),
    ("side", _M),
    ("px", _M),
    ("px_bid", _M),
    ("px_ask", _M),
    ("gone", _M),
    ("sz", _M),
    ("cnt_has", _M),
    ("cnt", _M),
    ("k_px", MAX_KEYFRAME),
    ("k_sz", MAX_KEYFRAME),
    ("k_cnt_has", MAX_KEYFRAME),
    ("k_cnt", MAX_KEYFRAME),
    *aside_columns("px"),
    *aside_columns("sz"),
    *NOTE_COLUMNS,
)


def encode_book(
    messages: BookMessages, *, keyframe: Keyframe | None = None, **frame: Unpack[Frame]
) -> bytes:
    """One block that holds `messages`: the same records always give the same bytes.

    Parameters
    ----------
    messages : BookMessages
        1 to 65,536 records with at most 262,144 levels.
    keyframe : Keyframe, optional
        The book before the first record; in archive chunks, never in tail blocks.
    **frame
        See `Frame`; the feed is one of the channel ``book``.

    Raises
    ------
    EncodeError
        If a record can not be held exactly (names it), the block would be over 1 MiB, or the
        installed pcodec is not the one of the format.
    """
    block = encode_book_any_size(messages, keyframe=keyframe, **frame)
    require_room(block, frame["first_seq"], len(messages))
    return block


def encode_book_any_size(
    messages: BookMessages, *, keyframe: Keyframe | None = None, **frame: Unpack[Frame]
) -> bytes:
    """`encode_book` without the limit of 1 MiB."""
    writer, unit = begin_chunk(messages, CHANNEL, frame)
    _check_levels(messages, keyframe, frame["first_seq"])
    if messages.is_snapshot.any():
        writer.add("snap", messages.is_snapshot.astype(np.uint8))
    recv_unit = add_recv(writer, messages.ts_recv, messages.ts_event)
    _add_numbers(writer, messages)
    writer.add("len", messages.lengths())
    exponents = _add_levels(writer, messages, keyframe, frame["first_seq"])
    add_notes(writer, messages.notes)
    return finish_chunk(
        writer,
        messages,
        frame,
        price_exponent=exponents[0],
        size_exponent=exponents[1],
        key=None if keyframe is None else _key_info(keyframe),
        time_unit=unit,
        recv_unit=recv_unit,
    )


def id_bases(last_id: I64) -> I64:
    """Per row the newest `last_id` of the rows before it, 0 where none has one."""
    rows = np.where(last_id != ABSENT, np.arange(1, len(last_id) + 1), 0)
    newest = np.maximum.accumulate(np.concatenate(([0], rows[:-1])))
    return np.concatenate(([0], last_id))[newest]


def _check_levels(messages: BookMessages, keyframe: Keyframe | None, first_seq: int) -> None:
    if len(messages.levels) > MAX_LEVELS:
        last = first_seq + len(messages) - 1
        raise EncodeError(
            f"records {first_seq} to {last} have {len(messages.levels)} levels, over {MAX_LEVELS}",
            hint="encode fewer records at once",
        )
    if keyframe is None:
        return
    if len(keyframe.levels) > MAX_KEYFRAME:
        raise EncodeError(f"a book of {len(keyframe.levels)} levels is over {MAX_KEYFRAME}")
    if (np.diff(keyframe.levels.side.astype(np.int64)) < 0).any():
        raise EncodeError("the keyframe's bids are not before its asks")


def _key_info(keyframe: Keyframe) -> KeyInfo:
    bids = int(np.count_nonzero(keyframe.levels.side == BookSide.BID))
    return KeyInfo(keyframe.valid, bids, len(keyframe.levels) - bids)


def _add_numbers(writer: ColumnWriter, messages: BookMessages) -> None:
    """The source's own numbers; most of them follow from the message before."""
    last = messages.filled("last_id")
    add_present(writer, "last", last, last != ABSENT, delta=1)
    bases = id_bases(last)
    for name, column in (("first", messages.first_id), ("prev", messages.prev_id)):
        if column is not None:
            add_present(writer, name, column - bases, column != ABSENT, delta=0)
    if messages.checksum is not None:
        has = messages.checksum != NO_CHECKSUM
        add_present(writer, "sum", messages.checksum, has, delta=0)


def _add_levels(
    writer: ColumnWriter, messages: BookMessages, keyframe: Keyframe | None, first_seq: int
) -> tuple[int, int]:
    """Levels and keyframe at common exponents; rows of the keyframe count before the others."""
    key = Levels.empty() if keyframe is None else keyframe.levels
    levels, start = messages.levels, len(key)

    def record_of(row: int) -> int:
        after = np.searchsorted(messages.offsets, row - start, "right")
        return first_seq + max(0, int(after) - 1)

    price = canonical(Decimals.concat([key.price, levels.price]), "px", record_of)
    size = canonical(Decimals.concat([key.size, levels.size]), "sz", record_of)
    writer.add("side", levels.side, delta=1)
    lists = PriceLists.of(levels.side, messages.offsets)
    for name, column in lists.split(price.mantissa[start:]).items():
        writer.add(name, column)
    gone = _is_zero(size)
    if gone[:start].any():
        raise EncodeError("a level of the keyframe has no size")
    if gone.any():
        writer.add("gone", gone[start:].astype(np.uint8))
    writer.add("sz", size.mantissa[start:][~gone[start:]])
    _add_counts(writer, "cnt", levels)
    writer.add("k_px", price.mantissa[:start], delta=1)
    writer.add("k_sz", size.mantissa[:start])
    _add_counts(writer, "k_cnt", key)
    for name, form in (("px", price), ("sz", size)):
        if len(form.escapes) > MAX_RECORDS:
            raise EncodeError(
                f"{len(form.escapes)} values of {name!r} fit no int64 at one exponent",
                hint="encode fewer records at once",
            )
        add_aside(writer, name, form)
    return price.exponent, size.exponent


def _is_zero(size: Decimals) -> NDArray[np.bool_]:
    zero: NDArray[np.bool_] = size.mantissa == 0
    zero[list(size.escapes)] = False
    return zero


def _add_counts(writer: ColumnWriter, name: str, levels: Levels) -> None:
    if levels.count is not None:
        add_present(writer, name, levels.count, levels.count != ABSENT, delta=0)
