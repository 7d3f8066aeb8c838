"""Groups of columns that chunks of several channels have in common: writing them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradercast import decimal_form
from tradercast.chunks.block import MAX_RECORDS
from tradercast.chunks.columns import ColumnWriter
from tradercast.chunks.header import CHAIN_BYTES, MAX_SCALE, MAX_SEQ
from tradercast.chunks.texts import write_texts
from tradercast.chunks.units import time_unit
from tradercast.decimals import Decimals
from tradercast.errors import EncodeError
from tradercast.feeds import FeedId
from tradercast.notes import NO_TIME, Notes
from tradercast.rows import I64

_N = MAX_RECORDS
MAX_TEXT = 255  # of a decimal that stands aside
NOTE_COLUMNS = (
    ("note_row", _N),
    ("note_kind", _N),
    ("note_seq", _N),
    ("note_end", _N),
    ("note_ts", _N),
)


def aside_columns(name: str) -> list[tuple[str, int]]:
    """The columns of the decimals that stand aside, with their largest counts."""
    return [(f"{name}_row", _N), (f"{name}_len", _N), (f"{name}_text", _N * MAX_TEXT)]


def check_frame(feed: FeedId, channel: str, count: int, first_seq: int, chain: bytes) -> None:
    """Refuse what no chunk of `channel` can say.

    Raises
    ------
    EncodeError
        Says what is wrong, and with which record.
    """
    if feed.channel != channel:
        raise EncodeError(f"{feed} is no feed of {channel}")
    if not 1 <= count <= MAX_RECORDS:
        raise EncodeError(f"a chunk holds 1 to {MAX_RECORDS} records, not {count}")
    if not 0 <= first_seq <= MAX_SEQ - count:
        raise EncodeError(f"the first seq is {first_seq}, not from 0 to 2**62")
    if len(chain) not in (0, CHAIN_BYTES):
        raise EncodeError(f"a chain hash has {CHAIN_BYTES} bytes, not {len(chain)}")


def check_running(running_max_ns: int, highest_ns: int) -> None:
    """Refuse a running maximum that is none.

    Raises
    ------
    EncodeError
        If it is below the chunk's own maximum.
    """
    if running_max_ns < highest_ns:
        raise EncodeError(f"the running maximum {running_max_ns} is before the chunk's own maximum")


def refuse(bad: NDArray[Any], what: str, first_seq: int) -> None:
    """Raise an `EncodeError` that names the first bad record, if there is one."""
    if bad.any():
        raise EncodeError(f"record {first_seq + int(np.argmax(bad))} {what}")


def canonical(values: Decimals, name: str, record_of: Callable[[int], int]) -> Decimals:
    """The one form of a decimal column, checked to be storable; errors name a row's record.

    Raises
    ------
    EncodeError
        If a value or the exponent is out of range.
    """
    for row, value in values.escapes.items():
        if not isinstance(value, Decimal) or not decimal_form.is_storable(value):
            raise EncodeError(f"record {record_of(row)} has {value!s:.40} as {name}")
    form = values.normalised()
    if abs(form.exponent) > MAX_SCALE:
        raise EncodeError(f"record {record_of(0)}: the exponent {form.exponent} is out of range")
    return form


def add_aside(writer: ColumnWriter, name: str, form: Decimals) -> None:
    """The values that fit no int64 at the column's exponent, as texts."""
    if form.escapes:
        writer.add(f"{name}_row", np.array(list(form.escapes), np.int64), delta=1)
        texts = [decimal_form.plain_text(value).encode("ascii") for value in form.escapes.values()]
        write_texts(writer, name, texts, by_position=False)


def add_present(
    writer: ColumnWriter, name: str, values: I64, has: NDArray[np.bool_], *, delta: int
) -> None:
    """A column of the rows that have a value, and which these are unless all do."""
    if not has.any():
        return
    if not has.all():
        writer.add(f"{name}_has", has.astype(np.uint8), delta=1)
        values = values[has]
    writer.add(name, values, delta=delta)


def add_recv(writer: ColumnWriter, ts_recv: I64 | None, ts_event: I64) -> int:
    """Receive times as differences to event times (modulo 2**64); returns their unit."""
    if ts_recv is None:
        return 0
    has = ts_recv != NO_TIME
    difference = ts_recv - ts_event
    unit = time_unit(difference[has])
    add_present(writer, "recv", difference // 10**unit, has, delta=1)
    return unit


def add_notes(writer: ColumnWriter, notes: Notes) -> None:
    """The rows that are no plain records."""
    writer.add("note_row", notes.row, delta=1)
    writer.add("note_kind", notes.kind)
    writer.add("note_seq", notes.ref_seq, delta=1)
    writer.add("note_end", notes.ref_end, delta=1)
    writer.add("note_ts", notes.ref_ts, delta=1)
