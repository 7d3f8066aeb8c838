"""Plain numbers in lines of text: all digits of a row at once, eight to a machine word."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradercast.rows import I64, U8

MOST = 19
"""Characters of a row at most: as many digits always fit into a uint64."""

_U64 = NDArray[np.uint64]
_WORD = 8
_FRONT = 3 * _WORD  # before the first row, for what is left of a short one
_ZERO, _DOT, _BREAK = 48, 46, 10
_MAX_I64 = np.uint64(2**63 - 1)
_POWERS = np.array([10**k for k in range(20)], np.uint64)
_OWN = np.array([(2**64 - 1) >> 8 * (8 - k) << 8 * (8 - k) for k in range(9)], np.uint64)
"""The bytes of so many characters at a word's end."""
# Neighbouring digits, then pairs, then fours become one number.
_STEPS = tuple(
    (np.uint64(mask), np.uint64(factor), np.uint64(shift))
    for mask, factor, shift in (
        (0x0F0F0F0F0F0F0F0F, 10 << 8 | 1, 8),
        (0x00FF00FF00FF00FF, 100 << 16 | 1, 16),
        (0x0000FFFF0000FFFF, 10_000 << 32 | 1, 32),
    )
)


class PlainRows(NamedTuple):
    """What the rows say that are nothing but digits with at most one point among them.

    Attributes
    ----------
    value, places : int64 arrays
        The row's number is ``value * 10**-places``.
    good : bool array
        Where it is so; elsewhere the other fields mean nothing.
    is_integer : bool array
        Where the row is a canonical integer: no point, no zero in front.
    """

    value: I64
    places: I64
    good: NDArray[np.bool_]
    is_integer: NDArray[np.bool_]


def read_lines(flat: U8, starts: I64, lengths: I64) -> PlainRows:
    """Read rows of ASCII.

    Parameters
    ----------
    flat : uint8 array
        The rows, with one line break behind each and nothing else between them.
    starts, lengths : int64 arrays
        Where each begins, and how many characters it has.
    """
    digits = np.zeros(_FRONT + len(flat), np.uint8)
    row_digits = digits[_FRONT:]
    np.subtract(flat, np.uint8(_ZERO), out=row_digits)
    is_digit = row_digits < 10
    row_digits *= is_digit
    odd = np.flatnonzero(~is_digit)
    signs = flat[odd]
    breaks = np.flatnonzero(signs == _BREAK)
    among = np.diff(breaks, prepend=-1) - 1  # what is no digit in each row
    last = np.maximum(breaks - 1, 0)
    short = lengths <= MOST
    has_point = (among == 1) & (signs[last] == _DOT) & short
    ends = starts + lengths
    places = np.where(has_point, ends - 1 - odd[last], 0)
    good = ((among == 0) | has_point) & (lengths > has_point) & short
    number = _numbers(digits, ends + _FRONT, np.where(good, lengths, 0))
    if has_point.any():
        number = _without_point(number, places, has_point)
    good &= number <= _MAX_I64
    is_integer = good & ~has_point & ((digits[starts + _FRONT] != 0) | (lengths == 1))
    return PlainRows(number.view(np.int64), places, good, is_integer)


def _numbers(digits: U8, ends: I64, lengths: I64) -> _U64:
    """The numbers that the digits before `ends` are."""
    words = np.ndarray((len(digits) - _WORD + 1,), "<u8", digits, strides=(1,))
    longest = int(lengths.max())
    number = _word(words, ends, lengths)
    for at in range(_WORD, longest, _WORD):
        number += _word(words, ends - at, lengths - at) * _POWERS[at]
    return number


def _word(words: _U64, ends: I64, lengths: I64) -> _U64:
    """The number of up to eight digits before `ends`."""
    word = words[ends - _WORD]
    if (lengths < _WORD).any():  # what is left of the row belongs to others
        word &= _OWN[np.clip(lengths, 0, _WORD)]
    for mask, factor, shift in _STEPS:
        word &= mask
        word *= factor
        word >>= shift
    return word


def _without_point(number: _U64, places: I64, has_point: NDArray[np.bool_]) -> _U64:
    """The numbers whose point was read as a zero, without that."""
    power = _POWERS[places + 1]
    whole = number // power
    whole *= power
    fraction = number - whole
    whole //= np.uint64(10)
    return np.where(has_point, whole + fraction, number)
