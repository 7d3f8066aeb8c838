"""One Arrow column to one column of trades, by its type and its rule."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradercast.decimals import Decimals
from tradercast.ids import ABSENT, Ids
from tradercast.pipeline.files import values
from tradercast.pipeline.files.bad_rows import RowError
from tradercast.pipeline.files.cells import Cells
from tradercast.pipeline.files.columns import ColumnSpec, TimeRule
from tradercast.pipeline.files.convert import (
    CELL_LIMIT,
    TIME_LIMIT,
    checked,
    not_a_time,
    number,
    text_field,
)
from tradercast.pipeline.files.zones import load_zone, local_to_utc
from tradercast.records import NO_TIME
from tradercast.rows import I64, U8

_SCALES = (8, 2, 4, 6, 5, 3, 10, 12, 0, 1, 7, 9, 14, 16, 18)  # likely ones first


def convert_field(field: str, array: Any, spec: ColumnSpec) -> Any:
    """A field's values from an Arrow array.

    Raises
    ------
    RowError
        About the first row that is null where it may not be, or that its rule refuses.
    """
    types = importlib.import_module("pyarrow").types
    kind = array.type
    if types.is_dictionary(kind) and field != "side":
        array = array.dictionary_decode()
        kind = array.type
    if field == "side" and spec.side().how != "sign":
        return _sides(array, spec)
    if field in ("ts_recv", "trade_id"):
        return _optional(field, array, spec)
    _refuse_nulls(field, array)
    if _is_text(kind):
        return text_field(field, _texts(field, array), spec)
    if field == "ts_event":
        return _times(field, array, spec.time(field))
    plain = _numbers(field, array)
    return values.signs(plain) if field == "side" else number(field, plain, spec)


def _optional(field: str, array: Any, spec: ColumnSpec) -> I64 | Ids:
    """``ts_recv`` or ``trade_id``, absent where null."""
    if _is_text(array.type):
        converted: I64 | Ids = text_field(field, _texts(field, array), spec)
        return converted
    there = ~_is_null(array)
    some = array.filter(array.is_valid()) if array.null_count else array
    if field == "ts_recv":
        times = np.full(len(array), NO_TIME, np.int64)
        times[there] = _at(there, lambda: _times(field, some, spec.time(field)))
        return times
    ids = np.full(len(array), ABSENT, np.int64)
    ids[there] = _at(there, lambda: _whole(field, some))
    return Ids.from_ints(ids)


def _at(there: Any, convert: Any) -> I64:
    """Let a `RowError` about the rows that are there name the row of all."""
    try:
        result: I64 = convert()
    except RowError as error:
        raise RowError(int(np.flatnonzero(there)[error.row]), error.what) from None
    return result


def _times(field: str, array: Any, rule: TimeRule) -> I64:
    pyarrow = importlib.import_module("pyarrow")
    if not pyarrow.types.is_timestamp(array.type):
        plain = _numbers(field, array)
        return checked(field, plain, lambda p: values.times_from_numbers(p, rule), not_a_time(rule))
    # the type knows its unit better than the rule does
    typed = TimeRule(array.type.unit)
    counts = Decimals.from_ints(_plain(array.view(pyarrow.int64())))
    times = checked(field, counts, lambda c: values.times_from_numbers(c, typed), not_a_time(typed))
    if rule.zone is None or array.type.tz is not None:
        return times
    zone = load_zone(rule.zone)
    return checked(field, times, lambda t: local_to_utc(t, zone), not_a_time(typed))


def _whole(field: str, array: Any) -> I64:
    plain = _numbers(field, array)
    ids: I64 = checked(field, plain, lambda p: p.to_scaled(0), "is not a whole number")
    negative = np.flatnonzero(ids < 0)
    if len(negative):
        raise RowError(int(negative[0]), f"{field} {ids[negative[0]]} is negative")
    return ids


def _numbers(field: str, array: Any) -> Decimals:
    pyarrow = importlib.import_module("pyarrow")
    types, kind = pyarrow.types, array.type
    if types.is_uint64(kind):
        array = array.cast(pyarrow.decimal128(20, 0))
        kind = array.type
    if types.is_integer(kind):
        return Decimals.from_ints(_plain(array).astype(np.int64, copy=False))
    if types.is_float64(kind):
        return checked(field, _plain(array), Decimals.from_floats, "is not a number")
    if types.is_floating(kind):  # the shortest text of its own width
        texts = _plain(array).astype(np.str_).astype(np.bytes_)
        return checked(field, texts, Decimals.from_strings, "is not a number")
    if types.is_decimal(kind):
        return _decimals(field, array)
    raise RowError(0, f"{field} has the type {kind}, which is no number")


def _decimals(field: str, array: Any) -> Decimals:
    """Exact decimals of any width; int64 mantissas without a Python object a row if they fit."""
    pyarrow = importlib.import_module("pyarrow")
    scale = array.type.scale
    for wanted in dict.fromkeys((scale, *(s for s in _SCALES if s < scale))):
        try:
            narrow = array.cast(pyarrow.decimal128(38, wanted))
        except pyarrow.ArrowInvalid:
            continue  # more decimals or digits than that
        words = np.frombuffer(narrow.buffers()[1], np.int64).reshape(-1, 2)
        words = words[narrow.offset : narrow.offset + len(narrow)]
        low, high = words[:, 0], words[:, 1]
        if np.array_equal(high, low >> 63):
            return Decimals.from_ints(low.copy(), -wanted)
    return checked(field, array.to_pylist(), Decimals.from_decimals, "has too many digits")


def _sides(array: Any, spec: ColumnSpec) -> U8:
    """Sides by looking at each distinct value once."""
    pyarrow = importlib.import_module("pyarrow")
    try:
        plain = not pyarrow.types.is_dictionary(array.type)
        encoded = array.dictionary_encode() if plain else array
        words = encoded.dictionary.cast(pyarrow.string())
    except pyarrow.ArrowException:
        raise RowError(0, f"side has the type {array.type}") from None
    place = _plain(encoded.indices.fill_null(-1)).astype(np.int64)
    texts = _texts("side", words)
    codes = np.zeros(len(texts) + 1, np.uint8)  # the last is for null: unknown
    try:
        codes[:-1] = text_field("side", texts, spec)
    except RowError as error:
        raise RowError(int(np.flatnonzero(place == error.row)[0]), error.what) from None
    sides: U8 = codes[place]
    return sides


def _is_text(kind: Any) -> bool:
    types = importlib.import_module("pyarrow").types
    return any(
        check(kind)
        for check in (
            types.is_string,
            types.is_large_string,
            types.is_binary,
            types.is_large_binary,
        )
    )


def _texts(field: str, array: Any) -> values.Bytes:
    """Text by its place in the Arrow buffers; null is empty."""
    pyarrow = importlib.import_module("pyarrow")
    array = array.cast(pyarrow.large_binary())
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    buffer = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    start, stop = at[:-1], at[1:].copy()
    null = _is_null(array)
    stop[null] = start[null]
    # numpy drops zero bytes at the end of a text, so a text that has any is refused
    nul = np.flatnonzero(buffer[at[0] : at[-1]] == 0)
    if len(nul):
        row = int(np.searchsorted(at[1:], at[0] + nul[0], "right"))
        raise RowError(row, f"{field} holds a NUL character")
    return Cells(buffer, start, stop).texts(field, CELL_LIMIT.get(field, TIME_LIMIT))


def _refuse_nulls(field: str, array: Any) -> None:
    if array.null_count:
        row = int(np.flatnonzero(_is_null(array))[0])
        raise RowError(row, f"{field} is empty")


def _plain(array: Any) -> NDArray[Any]:
    """The numbers of an array without nulls; its own `to_numpy` loads pandas, which takes long."""
    numbers: NDArray[Any] = np.from_dlpack(array)
    return numbers


def _is_null(array: Any) -> NDArray[np.bool_]:
    pyarrow = importlib.import_module("pyarrow")
    return _plain(array.is_null().cast(pyarrow.uint8())).view(np.bool_)
