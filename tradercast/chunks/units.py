"""The largest power of ten that divides a time column, so that ms cost as ms even in ns."""

from __future__ import annotations

import numpy as np

from tradercast.rows import I64

MAX_UNIT = 9
_SAMPLE = 64


def in_unit(values: I64) -> tuple[int, I64]:
    """The largest k of 0 to 9 for which ``10**k`` divides every value, and these divided by it."""
    if not len(values):
        return 0, values
    guess = MAX_UNIT
    common = int(np.gcd.reduce(values[:_SAMPLE]))
    while common % 10**guess:
        guess -= 1
    while guess:
        divided = values // 10**guess
        if np.array_equal(divided * 10**guess, values):
            return guess, divided
        guess -= 1
    return 0, values


def time_unit(values: I64) -> int:
    """The largest k of 0 to 9 for which ``10**k`` divides every value."""
    return in_unit(values)[0]
