"""Groups of columns that chunks of several channels have in common: reading them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tradercast.chunks.columns import ColumnReader
from tradercast.chunks.fields import MAX_TEXT
from tradercast.chunks.header import ChunkHeader
from tradercast.chunks.texts import read_texts
from tradercast.decimals import Decimals
from tradercast.errors import FormatError, InputError, UsageError
from tradercast.notes import NO_TIME, Notes
from tradercast.rows import I64
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS


def read_times(header: ChunkHeader, reader: ColumnReader, out: I64, notes: Notes) -> None:
    """Event times in ns, which must span what the header says.

    Raises
    ------
    FormatError
        If they do not, or one is outside int64.
    """
    reader.into("ts", out)
    unit = 10**header.time_unit
    low, high = int(out.min()) * unit, int(out.max()) * unit
    if low < MIN_TIME_NS or high > MAX_TIME_NS:
        raise FormatError("a time is outside int64")
    if unit > 1:
        np.multiply(out, unit, out=out)
    if len(notes) and len(refs := notes.ref_ts[notes.ref_ts != NO_TIME]):
        low, high = min(low, int(refs.min())), max(high, int(refs.max()))
    if (low, high) != (header.min_ns, header.max_ns):
        raise FormatError("the header's times are not those of the records")


def settle_times(headers: Sequence[ChunkHeader], out: I64) -> None:
    """Bring the times of neighbouring chunks without notes, as they were coded, to ns.

    Raises
    ------
    FormatError
        If those of one do not span what its header says, or one is outside int64.
    """
    counts = np.array([header.count for header in headers])
    starts = np.cumsum(counts) - counts
    lows, highs = np.minimum.reduceat(out, starts), np.maximum.reduceat(out, starts)
    units = [10**header.time_unit for header in headers]
    for header, unit, low, high in zip(headers, units, lows.tolist(), highs.tolist(), strict=True):
        if low * unit < MIN_TIME_NS or high * unit > MAX_TIME_NS:
            raise FormatError("a time is outside int64")
        if (low * unit, high * unit) != (header.min_ns, header.max_ns):
            raise FormatError("the header's times are not those of the records")
    if len(set(units)) == 1:
        np.multiply(out, units[0], out=out)
    else:
        np.multiply(out, np.repeat(units, counts), out=out)


def read_aside(reader: ColumnReader, name: str, count: int) -> dict[int, Decimal]:
    """The values that stand aside, by their rows of `count`.

    Raises
    ------
    FormatError
        If rows and values do not agree, or a value is no number.
    """
    if reader.columns.keys().isdisjoint((f"{name}_row", f"{name}_len")):
        return {}
    rows = reader.read(f"{name}_row", np.int64)
    texts = read_texts(reader, name, MAX_TEXT)
    if len(rows) != len(texts):
        raise FormatError(f"{len(texts)} values of {name!r} stand aside for {len(rows)} rows")
    if not len(rows):
        return {}
    check_rows(rows, count, name)
    try:
        values = Decimals.from_strings(texts).to_decimals()
    except InputError as error:
        raise FormatError(f"a value of {name!r} is no number: {error.message:.80}") from None
    return dict(zip(rows.tolist(), values, strict=True))


def read_present(reader: ColumnReader, name: str, count: int) -> NDArray[np.bool_] | None:
    """Which of `count` rows have a value in a column; `None` if all have.

    Raises
    ------
    FormatError
        If these are not as many as the column's values.
    """
    if not reader.count(f"{name}_has"):
        return None
    has = np.empty(count, np.uint8)
    reader.into(f"{name}_has", has)
    present: NDArray[np.bool_] = has == 1
    if has.max() > 1 or int(present.sum()) != reader.count(name):
        raise FormatError(f"the values of {name!r} are not as many as the rows that have one")
    return present


def read_recv(header: ChunkHeader, reader: ColumnReader, times: I64, out: I64) -> None:
    """Receive times in ns, `NO_TIME` where absent."""
    if not reader.count("recv"):
        out[:] = NO_TIME
        return
    unit = 10**header.recv_unit
    present = read_present(reader, "recv", len(out))
    if present is None:
        reader.into("recv", out)
        np.multiply(out, unit, out=out)
        np.add(out, times, out=out)
        return
    out[:] = NO_TIME
    out[present] = reader.read("recv", np.int64) * unit + times[present]


def read_notes(reader: ColumnReader, count: int) -> Notes:
    """The notes about `count` records.

    Raises
    ------
    FormatError
        If they are about other rows, or of an unknown kind.
    """
    if "note_row" not in reader.columns:
        return Notes.empty()
    rows = reader.read("note_row", np.int64)
    check_rows(rows, count, "note")
    columns = [
        reader.read("note_kind", np.uint8),
        reader.read("note_seq", np.int64),
        reader.read("note_end", np.int64),
        reader.read("note_ts", np.int64),
    ]
    try:
        return Notes(rows, *columns)
    except UsageError as error:
        raise FormatError(error.message) from None


def check_rows(rows: I64, count: int, name: str) -> None:
    """Refuse row numbers that do not increase within ``[0, count)``."""
    if rows[0] < 0 or rows[-1] >= count or (rows[1:] <= rows[:-1]).any():
        raise FormatError(f"the rows of {name!r} do not increase within the chunk")
