"""Decimal and integer text to and from integer columns, without a Python loop over plain rows.

The text is walked column by column (first characters of all rows, then second, …), in slabs
small enough for the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from tradercast.decimal_lines import read_lines
from tradercast.rows import I64, U8

TextColumn: TypeAlias = "Sequence[str] | NDArray[np.bytes_] | NDArray[np.str_]"
_Slab: TypeAlias = "tuple[I64, I64, NDArray[np.bool_], NDArray[np.bool_]]"

_SLAB = 16_384
_WIDEST = 40  # longer rows are left to the caller's careful path
_MAX_I64 = np.uint64(2**63 - 1)
_ZERO, _NINE, _DOT, _MINUS, _PLUS = 48, 57, 46, 45, 43


class Lines(Sequence[str]):
    """The rows of one text with a line break between them; cut up only where one is asked for.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.parsed: Parsed | None = None
        self._rows: list[str] | None = None

    def __len__(self) -> int:
        return self.text.count("\n") + 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if self._rows is None:
            self._rows = self.text.split("\n")
        return self._rows[row]


@dataclass(frozen=True)
class Parsed:
    """What the plain rows of a text column say.

    Attributes
    ----------
    mantissa, places : int64 arrays
        The row's value is ``mantissa * 10**-places``.
    plain : bool array
        False where the row is not plain fixed-point text: its other fields mean nothing.
    digits_only : bool array
        True where the row is a canonical non-negative integer (no sign, point or leading zero).
    """

    mantissa: I64
    places: I64
    plain: NDArray[np.bool_]
    digits_only: NDArray[np.bool_]


def parse(texts: TextColumn) -> Parsed:
    """Read every row that is plain fixed-point text such as ``-12.50`` and fits int64."""
    if isinstance(texts, Lines) and texts.parsed is not None:
        return texts.parsed
    flat, starts, lengths = _flatten(texts)
    parse_slab = _parse_slab if isinstance(texts, np.ndarray) else _parse_lines
    slabs = [
        parse_slab(flat, starts[at : at + _SLAB], lengths[at : at + _SLAB])
        for at in range(0, len(lengths), _SLAB)
    ]
    if len(slabs) == 1:
        return Parsed(*slabs[0])
    if not slabs:
        nothing, none = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return Parsed(nothing, nothing, none, none)
    return Parsed(*map(np.concatenate, zip(*slabs, strict=True)))


def parse_together(columns: Sequence[Lines]) -> None:
    """Have columns of one message parsed at once: each of numpy's steps costs most of its time."""
    parsed = parse(Lines("\n".join([column.text for column in columns])))
    start = 0
    for column in columns:
        rows = slice(start, start + len(column))
        column.parsed = Parsed(
            parsed.mantissa[rows],
            parsed.places[rows],
            parsed.plain[rows],
            parsed.digits_only[rows],
        )
        start = rows.stop


def row_text(texts: TextColumn, row: int) -> str:
    """Row `row` as `str`; bytes that are not ASCII stay visible as replacement characters."""
    value: Any = texts[row]
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _flatten(texts: Any) -> tuple[NDArray[Any], I64, I64]:
    """All characters in one array, and where each row starts and how long it is."""
    if isinstance(texts, np.ndarray) and texts.dtype.kind in "SU":
        texts = texts.astype(texts.dtype.newbyteorder("="), copy=False)
        itemsize = 1 if texts.dtype.kind == "S" else 4
        width = texts.dtype.itemsize // itemsize
        flat = np.ascontiguousarray(texts).view(np.uint8 if itemsize == 1 else np.uint32)
        lengths = np.strings.str_len(texts) if hasattr(np, "strings") else np.char.str_len(texts)
        starts = np.arange(len(texts), dtype=np.int64) * width
        return flat.reshape(-1), starts, lengths.astype(np.int64, copy=False)
    return _flatten_lines(texts.text) if isinstance(texts, Lines) else _flatten_list(texts)


def _flatten_list(texts: Sequence[str]) -> tuple[NDArray[Any], I64, I64]:
    count = len(texts)
    none = np.zeros(count, np.int64)
    if not count:
        return np.zeros(0, np.uint8), none, none
    try:
        flattened = _flatten_lines("\n".join(texts))
    except TypeError:  # a row that is not text: the careful path names it
        return np.zeros(0, np.uint8), none, none
    if len(flattened[1]) != count:  # a row holds line breaks, so it is not plain: as any other sign
        return _flatten_list([text.replace("\n", "?") for text in texts])
    return flattened


def _flatten_lines(text: str) -> tuple[NDArray[Any], I64, I64]:
    flat = np.frombuffer((text + "\n").encode("ascii", "replace"), np.uint8)
    ends = np.flatnonzero(flat == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    return flat, starts, ends - starts


def _parse_lines(flat: U8, starts: I64, lengths: I64) -> _Slab:
    """The same as `_parse_slab` of rows with line breaks between them, several times as fast."""
    first, end = int(starts[0]), int(starts[-1] + lengths[-1])
    mantissa, places, plain, digits_only = read_lines(
        flat[first : end + 1], starts - first, lengths
    )
    odd = np.flatnonzero(~plain)
    if len(odd):
        found = _parse_slab(flat, starts[odd], lengths[odd])
        mantissa[odd], places[odd], plain[odd], digits_only[odd] = found
    return mantissa, places, plain, digits_only


def _parse_slab(flat: NDArray[Any], starts: I64, lengths: I64) -> _Slab:
    count = len(starts)
    plain = (lengths > 0) & (lengths <= _WIDEST)
    width = int(lengths[plain].max()) if plain.any() else 0
    value = np.zeros(count, np.uint64)
    digits = np.zeros(count, np.int8)
    significant = np.zeros(count, np.int8)
    places = np.zeros(count, np.int8)
    after_point = np.zeros(count, np.bool_)
    leading_zero = np.zeros(count, np.bool_)
    negative = signed = np.zeros(count, np.bool_)
    last = max(len(flat) - 1, 0)
    for j in range(width):
        inside = lengths > j
        char = flat[np.minimum(starts + j, last)]
        digit = char - np.array(_ZERO, char.dtype)
        is_digit = (digit < 10) & inside
        is_point = (char == _DOT) & inside & ~after_point
        is_known = is_digit | is_point | ~inside
        if j == 0:
            negative = char == _MINUS
            signed = negative | (char == _PLUS)
            is_known |= signed
            leading_zero = (char == _ZERO) & (lengths > 1)
        plain &= is_known
        value = np.where(is_digit, value * np.uint64(10) + digit, value)
        digits += is_digit
        significant += is_digit & ((significant > 0) | (digit != 0))
        places += is_digit & after_point
        after_point |= is_point
    plain &= (digits > 0) & (significant <= 19) & (value <= _MAX_I64)
    digits_only = plain & ~signed & ~after_point & ~leading_zero
    signed_value = value.astype(np.int64)
    return (
        np.where(negative, -signed_value, signed_value),
        places.astype(np.int64),
        plain,
        digits_only,
    )


def format_fixed(mantissa: I64, exponent: int) -> list[str]:
    """Plain text of ``mantissa * 10**exponent`` (exponent ≤ 0) without trailing zeros."""
    return format_lines(mantissa, exponent).split("\n") if len(mantissa) else []


def format_lines(mantissa: I64, exponent: int) -> str:
    """The same as one text, with a line break between the rows."""
    slabs = range(0, len(mantissa), _SLAB)
    return b"".join(_format_slab(mantissa[at : at + _SLAB], -exponent) for at in slabs)[:-1].decode(
        "ascii"
    )


def _format_slab(mantissa: I64, places: int) -> bytes:
    negative = mantissa < 0
    rest = np.where(negative, -mantissa, mantissa).view(np.uint64)
    width = max(len(str(int(rest.max()))), places + 1)
    point = 1 if places else 0
    # columns: sign, integer digits, point, fraction, line break
    text = np.full((width + point + 2, len(rest)), 10, np.uint8)
    keep = np.ones(text.shape, np.bool_)
    text[0], keep[0] = _MINUS, negative
    seen = np.zeros(len(rest), np.bool_)  # a digit that matters stands to the right
    column = width + point
    for j in range(width):
        if j == places:
            if point:
                text[column], keep[column] = _DOT, seen
                column -= 1
            seen = np.ones(len(rest), np.bool_)
        quotient = rest // np.uint64(10)
        digit = (rest - quotient * np.uint64(10)).astype(np.uint8)
        text[column] = digit + _ZERO
        seen = seen | (digit != 0) if j < places else seen
        keep[column] = seen if j <= places else rest != 0
        rest = quotient
        column -= 1
    return text.T[keep.T].tobytes()
