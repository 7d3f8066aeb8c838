"""The one form of a decimal column: which exponent, and which values stay outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tradercast.rows import I64

MAX_DIGITS = 128  # of the plain text, on both sides of the point together
MAX_EXPONENT = 100
_LIMIT = 2**63 - 1  # symmetric, so that a sign never decides whether a value fits
_LOWEST = -(2**63)
_SAMPLE = 64
_POWERS = np.array([10**k for k in range(19)], np.int64)
_ROOM = _LIMIT // _POWERS  # the largest magnitude that can take k more zeros

Form = tuple[I64, int, dict[int, Decimal]]


def common(mantissa: I64, exponents: I64, others: Mapping[int, Decimal]) -> Form:
    """Bring ``mantissa * 10**exponents`` (rows in `others`: that value) to the common form.

    Returns
    -------
    mantissa : int64 array
    exponent : int
    escapes : dict of int to Decimal
        The rows that fit no int64 at `exponent`, in the order of rows.
    """
    if not others:
        quick = _common_quick(mantissa, exponents)
        if quick:
            return quick
    others = dict(others)
    for row in np.flatnonzero(mantissa == _LOWEST).tolist():
        others.setdefault(row, exact(_LOWEST, int(exponents[row])))
    mantissa, exponents = _stripped(mantissa, exponents)
    outside: dict[int, Decimal] = {}
    for row, value in others.items():
        number, power = canonical(value)
        if abs(number) > _LIMIT:
            outside[row] = value
            number, power = 0, 0
        mantissa[row], exponents[row] = number, power
    exponent = _fewest_escapes(mantissa, exponents)
    scaled, fits = rescale(mantissa, exponents, exponent)
    for row in np.flatnonzero(~fits).tolist():
        outside[row] = others.get(row) or exact(int(mantissa[row]), int(exponents[row]))
    scaled[~fits] = 0
    return scaled, exponent, {row: outside[row] for row in sorted(outside)}


def common_at(mantissa: I64, exponent: int, others: Mapping[int, Decimal]) -> Form:
    """`common` of rows that all have one exponent."""
    if not others and _has_last_digit(mantissa) and int(mantissa.min()) != _LOWEST:
        return mantissa, exponent, {}
    return common(mantissa, np.full(len(mantissa), exponent, np.int64), others)


def _common_quick(mantissa: I64, exponents: I64) -> Form | None:
    """The form if no value needs to stay outside at the smallest exponent as given."""
    if not len(mantissa):
        return mantissa, 0, {}
    exponent = int(exponents.min())
    scaled, fits = rescale(mantissa, exponents, exponent)
    if not fits.all():
        return None
    if not scaled.any():
        return scaled, 0, {}
    while not _has_last_digit(scaled):
        scaled = scaled // 10
        exponent += 1
    return scaled, exponent, {}


def _stripped(mantissa: I64, exponents: I64) -> tuple[I64, I64]:
    """Without the trailing zeros of each row; copies."""
    mantissa, exponents = mantissa.copy(), exponents.copy()
    left = np.flatnonzero(mantissa)
    while len(left):
        left = left[mantissa[left] % 10 == 0]
        mantissa[left] //= 10
        exponents[left] += 1
    return mantissa, exponents


def _fewest_escapes(mantissa: I64, exponents: I64) -> int:
    """The exponent of the form, from rows without trailing zeros."""
    some = mantissa != 0
    magnitude, highest = np.abs(mantissa[some]), exponents[some]
    candidates = np.unique(highest)
    if not len(candidates):
        return 0
    # a row fits at every exponent from (its own - room for zeros) to its own
    room = 18 - np.searchsorted(_ROOM[::-1], magnitude)
    lowest = np.sort(highest - room)
    highest = np.sort(highest)
    fits = np.searchsorted(lowest, candidates, "right") - np.searchsorted(
        highest, candidates, "left"
    )
    return int(candidates[np.argmax(fits)])


def rescale(mantissa: I64, exponents: I64, exponent: int) -> tuple[I64, NDArray[np.bool_]]:
    """``mantissa * 10**exponents`` as counts of ``10**exponent``, and where that is exact."""
    shift = exponents - exponent
    if len(shift) and not shift.any():
        return mantissa, mantissa != _LOWEST
    up = np.clip(shift, 0, 18)
    down = np.clip(-shift, 0, 18)
    fits = (np.abs(mantissa) <= _ROOM[up]) & (mantissa != _LOWEST) & (shift <= 18)
    scaled = np.where(fits, mantissa, 0) * _POWERS[up]
    if down.any():
        whole = scaled // _POWERS[down]
        fits &= (whole * _POWERS[down] == scaled) & (shift >= -18)
        scaled = whole
    zero = mantissa == 0
    return np.where(fits & ~zero, scaled, 0), fits | zero


def rescale_at(mantissa: I64, old: int, new: int) -> tuple[I64, NDArray[np.bool_]]:
    """`rescale` of rows that all have one exponent."""
    if 0 < old - new <= 18 and _has_room(mantissa, old - new):
        return mantissa * _POWERS[old - new], np.ones(len(mantissa), np.bool_)
    return rescale(mantissa, np.full(len(mantissa), old, np.int64), new)


def rescale_in_place(mantissa: I64, old: int, new: int) -> dict[int, Decimal]:
    """Turn counts of ``10**old`` into counts of ``10**new``; what does not fit becomes 0.

    Returns
    -------
    dict of int to Decimal
        The rows that did not fit, and their values.
    """
    if 0 <= old - new <= 18 and _has_room(mantissa, old - new):
        np.multiply(mantissa, _POWERS[old - new], out=mantissa)
        return {}
    scaled, fits = rescale_at(mantissa, old, new)
    outside = {row: exact(int(mantissa[row]), old) for row in np.flatnonzero(~fits).tolist()}
    mantissa[:] = scaled
    return outside


def count_outside(mantissa: I64, old: int, new: int) -> int:
    """How many values `rescale_in_place` would not hold."""
    if old == new:
        return 0
    _, fits = rescale_at(mantissa, old, new)
    return int(len(fits) - np.count_nonzero(fits))


def rescale_one(number: int, power: int, exponent: int) -> tuple[int, bool]:
    """`rescale` for one value of any size."""
    if power < exponent or power - exponent > MAX_DIGITS * 2:
        return 0, number == 0
    scaled = number * 10 ** (power - exponent)
    return (scaled, True) if abs(scaled) <= _LIMIT else (0, False)


def canonical(value: Decimal) -> tuple[int, int]:
    """(number, exponent) with no zero at the number's end; zero is (0, 0)."""
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    if not text.strip("0"):
        return 0, 0
    number = int(text)
    assert isinstance(exponent, int)
    return (-number if sign else number), exponent + len(digits) - len(text)


def is_storable(value: Decimal) -> bool:
    """Whether the value is finite and its plain text has at most `MAX_DIGITS` digits."""
    if not value.is_finite():
        return False
    if not value:
        return True
    # a bound before any text is made of 1e999999999
    return -MAX_DIGITS <= value.adjusted() < MAX_DIGITS and _plain_digits(value) <= MAX_DIGITS


def plain_text(value: Decimal) -> str:
    """Canonical text: no exponent notation, no trailing zeros, no ``-0``."""
    number, exponent = canonical(value)
    if exponent >= 0:
        return str(number * 10**exponent)
    digits = str(abs(number)).rjust(1 - exponent, "0")
    return f"{'-' if number < 0 else ''}{digits[:exponent]}.{digits[exponent:]}"


def _plain_digits(value: Decimal) -> int:
    digits = value.as_tuple().digits
    if len(digits) > 2 * MAX_DIGITS:
        return len(digits)
    number, exponent = canonical(value)
    length = len(str(abs(number)))
    return length + exponent if exponent >= 0 else max(length, 1 - exponent)


def exact(number: int, exponent: int) -> Decimal:
    """``number * 10**exponent``, whatever the context's precision."""
    return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), exponent))


def _has_last_digit(mantissa: I64) -> bool:
    """Whether not every value ends with a zero; mostly the first rows tell."""
    return bool((mantissa[:_SAMPLE] % 10).any() or (mantissa[_SAMPLE:] % 10).any())


def _has_room(mantissa: I64, zeros: int) -> bool:
    """Whether every value can take that many more zeros."""
    room = int(_ROOM[zeros])
    return not len(mantissa) or (-room <= int(mantissa.min()) and int(mantissa.max()) <= room)
