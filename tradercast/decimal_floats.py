"""The shortest decimals that read back as given float64s, without a Python object a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tradercast.rows import I64

_PLACES = range(16)
_UNIQUE = 1e15  # at most 15 digits identify one float64, so what reads back is the shortest text
_SLAB = 16_384  # rows whose intermediate columns stay in the cache
_LONG_SLAB = 65_536  # of one intermediate column less
_SAMPLE = 64

F64 = NDArray[np.float64]


def of_one_scale(floats: F64) -> tuple[I64, int] | None:
    """`shortest` of a column that all is ``mantissa * 10**exponent``, in a third of the time.

    None of one that is not, or that is not finite.
    """
    places = _most_places(floats[:: len(floats) // _SAMPLE + 1])
    power, most = 10.0**places, _UNIQUE / 10.0**places
    if not (-most < float(floats.min()) and float(floats.max()) < most):  # not of a NaN either
        return None
    mantissa = np.empty(len(floats), np.int64)
    scaled, back = np.empty((2, min(_LONG_SLAB, len(floats))))
    for start in range(0, len(floats), _LONG_SLAB):
        slab = floats[start : start + _LONG_SLAB]
        whole, again = scaled[: len(slab)], back[: len(slab)]
        np.rint(np.multiply(slab, power, out=whole), out=whole)
        if not np.array_equal(np.divide(whole, power, out=again), slab):
            return None
        mantissa[start : start + _LONG_SLAB] = whole
    return mantissa, -places


def shortest(floats: F64) -> tuple[I64, I64, I64]:
    """Find ``mantissa * 10**exponents`` of finite numbers.

    Returns
    -------
    mantissa, exponents : int64 arrays
        A mantissa may end with zeros.
    left : int64 array
        The rows that take more than 15 digits; their mantissa is 0.
    """
    mantissa = np.empty(len(floats), np.int64)
    exponents = np.empty(len(floats), np.int64)
    left = [np.zeros(0, np.int64)]
    likely = _most_places(floats[:: len(floats) // _SAMPLE + 1])
    with np.errstate(over="ignore"):
        for start in range(0, len(floats), _SLAB):
            rows = slice(start, start + _SLAB)
            left.append(start + _fill(floats[rows], likely, mantissa[rows], exponents[rows]))
    return mantissa, exponents, np.concatenate(left)


def _most_places(sample: F64) -> int:
    """The number of places that most columns have throughout, which a few rows show."""
    most = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for places in _PLACES:
            _, hit = _scaled(sample, places)
            if hit.any():
                most = places
                sample = sample[~hit]
            if not len(sample):
                break
    return most


def _fill(floats: F64, likely: int, mantissa: I64, exponents: I64) -> I64:
    """Fill what can be filled, and return the rows that can not."""
    scaled, hit = _scaled(floats, likely)
    if hit.all():
        mantissa[:], exponents[:] = scaled, -likely
        return np.zeros(0, np.int64)
    mantissa[:], exponents[:] = np.where(hit, scaled, 0), -likely
    left = np.flatnonzero(~hit)
    for places in _PLACES:
        scaled, hit = _scaled(floats[left], places)
        rows = left[hit]
        mantissa[rows], exponents[rows] = scaled[hit], -places
        left = left[~hit]
        if not len(left):
            break
    return left


def _scaled(floats: F64, places: int) -> tuple[F64, NDArray[np.bool_]]:
    """``floats * 10**places`` as whole numbers, and which of them stand for the float exactly."""
    power = 10.0**places
    scaled = np.rint(floats * power)
    return scaled, (np.abs(scaled) < _UNIQUE) & (scaled / power == floats)
