"""ISO 8601 text in columns to ns UTC."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tradercast.errors import InputError, UsageError
from tradercast.pipeline.files.zones import local_to_utc
from tradercast.rows import I64
from tradercast.timerange import NS_PER_DAY, NS_PER_S, parse_time_ns

_SLAB = 16_384
_FIXED = 19  # YYYY-MM-DDTHH:MM:SS
_MIN_YEAR, _MAX_YEAR = 1678, 2261  # whole years within int64 ns
_POWERS = np.array([10**k for k in range(10)], np.int64)
# what may be left to the standard library, which silently drops digits and odd characters
_SPELLING = re.compile(
    r"[0-9W-]{7,10}([T ][0-9:]{2,8}(\.[0-9]{1,9})?(Z|[+-][0-9:]{2,6})?)?", re.ASCII
)
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


def parse_iso(texts: NDArray[np.bytes_], zone: ZoneInfo | None) -> I64:
    """``2023-09-05T16:00:01.281719Z`` and its like; without an offset `zone`, by default UTC.

    Raises
    ------
    InputError
        If a row is not a time.
    """
    times = np.zeros(len(texts), np.int64)
    naive = np.zeros(len(texts), np.bool_)
    for at in range(0, len(texts), _SLAB):
        rows = slice(at, at + _SLAB)
        times[rows], naive[rows] = _parse_slab(texts[rows])
    if zone is not None and naive.any():
        times[naive] = local_to_utc(times[naive], zone)
    return times


def _parse_slab(texts: NDArray[np.bytes_]) -> tuple[I64, NDArray[np.bool_]]:
    count, width = len(texts), texts.dtype.itemsize
    chars = np.zeros((max(width, _FIXED) + 7, count), np.uint8)
    chars[:width] = np.ascontiguousarray(texts).view(np.uint8).reshape(count, width).T
    plain = np.ones(count, np.bool_)
    for at, known in ((4, b"-"), (7, b"-"), (13, b":"), (16, b":")):
        plain &= chars[at] == known[0]
    plain &= (chars[10] == ord("T")) | (chars[10] == ord(" "))
    year, month, day = (_number(chars, a, b, plain) for a, b in ((0, 4), (5, 7), (8, 10)))
    hour, minute, second = (_number(chars, a, a + 2, plain) for a in (11, 14, 17))
    plain &= (year >= _MIN_YEAR) & (year <= _MAX_YEAR) & (month >= 1) & (month <= 12)
    plain &= (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    month = np.where(plain, month, 1)
    leap = (month == 2) & (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    plain &= day <= _MONTH_DAYS[month] + leap
    fraction, tail = _fraction(chars, plain)
    offset, naive = _offset(chars, tail, plain)
    months = (year - 1970) * 12 + month - 1
    days = months.astype("M8[M]").astype("M8[D]").astype(np.int64) + day - 1
    seconds = hour * 3600 + minute * 60 + second - offset
    times = np.where(plain, days, 0) * NS_PER_DAY + seconds * NS_PER_S + fraction
    for row in np.flatnonzero(~plain).tolist():
        times[row], naive[row] = _slow(bytes(texts[row]))
    return times, naive


def _number(chars: NDArray[np.uint8], start: int, stop: int, plain: NDArray[np.bool_]) -> I64:
    value = np.zeros(chars.shape[1], np.int64)
    for at in range(start, stop):
        digit = chars[at] - np.uint8(48)
        plain &= digit < 10
        value = value * 10 + digit
    return value


def _fraction(chars: NDArray[np.uint8], plain: NDArray[np.bool_]) -> tuple[I64, I64]:
    """Nanoseconds after the point, and where the text goes on after them."""
    inside = chars[_FIXED] == ord(".")
    tail = _FIXED + inside.astype(np.int64)
    digits = np.zeros(len(plain), np.int64)
    value = np.zeros(len(plain), np.int64)
    pointed = inside.copy()
    for at in range(_FIXED + 1, min(_FIXED + 10, len(chars))):
        digit = chars[at] - np.uint8(48)
        inside = inside & (digit < 10)
        if not inside.any():
            break
        value = np.where(inside, value * 10 + digit, value)
        digits += inside
    plain &= ~pointed | (digits > 0)
    return value * _POWERS[9 - digits], tail + digits


def _offset(
    chars: NDArray[np.uint8], tail: I64, plain: NDArray[np.bool_]
) -> tuple[I64, NDArray[np.bool_]]:
    """Seconds east of UTC from ``Z``, ``+HH:MM`` or nothing, and where it was nothing."""
    columns = np.arange(chars.shape[1])
    last = len(chars) - 1
    after = [chars[np.minimum(tail + k, last), columns] for k in range(7)]
    naive = after[0] == 0
    zulu = (after[0] == ord("Z")) & (after[1] == 0)
    offset = np.zeros(len(plain), np.int64)
    rest = plain & ~naive & ~zulu
    if rest.any():
        sign = np.where(after[0] == ord("-"), -1, 1)
        numeric = (after[0] == ord("+")) | (after[0] == ord("-"))
        numeric &= (after[3] == ord(":")) & (after[6] == 0)
        digits = [after[k].astype(np.int64) - 48 for k in (1, 2, 4, 5)]
        for digit in digits:
            numeric &= (digit >= 0) & (digit < 10)
        hours, minutes = digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]
        numeric &= (hours < 24) & (minutes < 60)
        offset = np.where(numeric, sign * (hours * 3600 + minutes * 60), 0)
        plain &= naive | zulu | numeric
    return offset, naive


def _slow(raw: bytes) -> tuple[int, bool]:
    """Any other spelling that the standard library knows."""
    text = raw.decode("ascii", "replace").strip()
    if not _SPELLING.fullmatch(text):
        raise InputError("not an ISO time")
    try:
        time = parse_time_ns(text)
    except UsageError as error:
        raise InputError(error.message, hint=error.hint) from None
    try:
        return parse_time_ns(text + "Z"), True
    except UsageError:
        return time, ":" not in text and "T" not in text  # a date alone
