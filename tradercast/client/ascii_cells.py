"""Numbers as text, a column at a time.

A column of text is a matrix of bytes, a row each; zero bytes are padding wherever they stand
and vanish when the rows are joined, so no Python object is made for a value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradercast.decimals import Decimals
from tradercast.errors import EncodeError
from tradercast.ids import ABSENT, Ids
from tradercast.records import NO_TIME
from tradercast.rows import I64, U8

_GROUP = 4
_MAX_DIGITS = 18  # of places that are cut off by an int64 power of ten
_LOWEST = -(2**63)
_ZERO, _MINUS, _POINT = 48, 45, 46
_POWERS = np.array([10**k for k in range(19)], np.int64)
# the text of 0000 … 9999
_DIGITS = np.stack([np.arange(10**_GROUP) // 10**k % 10 for k in (3, 2, 1, 0)], axis=1)
_DIGITS = (_DIGITS + _ZERO).astype(np.uint8).view(np.uint32).reshape(-1)


def times(values: I64, absent: bytes) -> U8:
    """Integers, with `absent` for `NO_TIME`."""
    return _or(integers(np.where(values == NO_TIME, 0, values)), values == NO_TIME, absent)


def integers(values: I64) -> U8:
    """Any int64 but the lowest."""
    cells = _without_zeros(np.abs(values))
    negative = values < 0
    return _signed(cells, negative) if negative.any() else cells


def decimals(values: Decimals) -> U8:
    """Exact plain numbers: no exponent notation, no trailing zeros."""
    mantissa, places = values.mantissa, -values.exponent
    if (
        values.escapes
        or not 0 <= places <= _MAX_DIGITS
        or (len(mantissa) and int(mantissa.min()) == _LOWEST)
    ):
        return texts(values.to_strings())
    magnitude = np.abs(mantissa)
    whole = magnitude // _POWERS[places]
    parts = [_without_zeros(whole)]
    if places:
        digits = _padded(magnitude - whole * _POWERS[places], places)
        seen = np.zeros(len(mantissa), np.bool_)
        for at in range(places - 1, -1, -1):  # trailing zeros become padding
            seen |= digits[:, at] != _ZERO
            digits[:, at] *= seen
        parts += [(seen * np.uint8(_POINT))[:, None], digits]
    cells = np.concatenate(parts, axis=1)
    negative = mantissa < 0
    return _signed(cells, negative) if negative.any() else cells


def ids(values: Ids, quote: bytes, absent: bytes) -> U8:
    """Ids that are all integers or absent."""
    missing = values.values == ABSENT
    cells = integers(np.where(missing, 0, values.values))
    if quote:
        mark = np.full((len(cells), 1), quote[0], np.uint8)
        cells = np.concatenate((mark, cells, mark), axis=1)
    return _or(cells, missing, absent)


def texts(items: Sequence[str]) -> U8:
    """Any text.

    Raises
    ------
    EncodeError
        If a row holds a NUL character, which stands for padding here.
    """
    raw = [item.encode("utf-8") for item in items]
    for row, item in enumerate(raw):
        if b"\0" in item:
            raise EncodeError(f"record {row}: {item[:40]!r} holds a NUL character")
    column = np.array(raw or [b""], np.bytes_)
    return column.view(np.uint8).reshape(len(column), -1)[: len(raw)]


def words(codes: U8, names: Sequence[bytes]) -> U8:
    """``names[code]`` a row."""
    return texts([name.decode() for name in names])[codes]


def join(count: int, parts: Sequence[U8 | bytes]) -> bytes:
    """The rows of all parts, a `bytes` part being the same in every row."""
    blocks = [
        np.broadcast_to(np.frombuffer(part, np.uint8), (count, len(part)))
        if isinstance(part, bytes)
        else part
        for part in parts
    ]
    flat = np.concatenate(blocks, axis=1).reshape(-1)
    kept: U8 = flat[flat != 0]
    return kept.tobytes()


def _padded(values: I64, width: int) -> U8:
    """Digits of non-negative integers, filled with zeros to `width`."""
    groups = -(-width // _GROUP)
    out = np.empty((len(values), groups), np.uint32)
    rest = values.view(np.uint64)
    for at in range(groups - 1, 0, -1):
        quotient = rest // np.uint64(10**_GROUP)
        out[:, at] = _DIGITS[rest - quotient * np.uint64(10**_GROUP)]
        rest = quotient
    out[:, 0] = _DIGITS[rest]
    return out.view(np.uint8)[:, groups * _GROUP - width :]


def _without_zeros(values: I64) -> U8:
    """Digits of non-negative integers; zeros in front are padding."""
    if not len(values):
        return np.zeros((0, 1), np.uint8)
    low, high = len(str(int(values.min()))), len(str(int(values.max())))
    cells = _padded(values, high)
    for at in range(high - low):
        cells[:, at] *= values >= 10 ** (high - 1 - at)
    return cells


def _signed(cells: U8, negative: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> U8:
    return np.concatenate(((negative * np.uint8(_MINUS))[:, None], cells), axis=1)


def _or(cells: U8, missing: np.ndarray[tuple[int], np.dtype[np.bool_]], absent: bytes) -> U8:
    """`cells`, with `absent` where something is missing."""
    if not missing.any():
        return cells
    short = len(absent) - cells.shape[1]
    if short > 0:
        cells = np.concatenate((cells, np.zeros((len(cells), short), np.uint8)), axis=1)
    cells[missing] = 0
    cells[missing, : len(absent)] = np.frombuffer(absent, np.uint8)
    return cells
