"""Exact numbers as integers of one unit: int64 where they fit, Python's own where not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tradercast import decimal_form
from tradercast.decimals import Decimals
from tradercast.rows import I64

# int64, or objects that are Python integers: the same code runs on both, the latter slowly
Whole: TypeAlias = "NDArray[Any]"

_LARGEST = 2**63 - 1


def unit_of(values: Decimals) -> int:
    """The exponent at which every value is a whole number."""
    powers = [decimal_form.canonical(value)[1] for value in values.escapes.values()]
    return min([values.exponent, *powers])


def to_whole(values: Decimals, exponent: int) -> Whole:
    """The values as counts of ``10**exponent``, which is at most `unit_of` them."""
    whole = scale_up(values.mantissa, values.exponent - exponent)
    if values.escapes:
        whole = whole.astype(object)
        for row, value in values.escapes.items():
            number, power = decimal_form.canonical(value)
            whole[row] = number * 10 ** (power - exponent)
    return whole


def scale_up(whole: Whole, zeros: int) -> Whole:
    """``whole * 10**zeros``, whatever its size."""
    if not zeros or not len(whole):
        return whole
    if zeros > 18 or whole.dtype != np.int64 or _largest(whole) * 10**zeros > _LARGEST:
        whole = whole.astype(object)
    scaled: Whole = whole * 10**zeros
    return scaled


def to_decimals(whole: Whole, exponent: int) -> Decimals:
    """The reverse of `to_whole`."""
    if whole.dtype == np.int64:
        return Decimals(whole, exponent)
    return Decimals.from_decimals(decimal_form.exact(int(n), exponent) for n in whole)


def running_sum(whole: Whole) -> Whole:
    """Sums of the first one, two, three … values, exactly."""
    if len(whole) and _largest(whole) * len(whole) > _LARGEST:
        whole = whole.astype(object)
    return np.add.accumulate(whole)


def runs_of(rising: Whole) -> tuple[Whole, I64]:
    """Each value of a rising column once, and the row at which its run begins."""
    is_first = np.ones(len(rising), np.bool_)
    np.not_equal(rising[1:], rising[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    return rising[starts], starts


def run_sums(whole: Whole, at: I64) -> Whole:
    """The sums of the runs that begin at the rows `at`, exactly."""
    if whole.dtype == np.int64 and len(whole):
        largest = np.add.reduceat(np.abs(whole.astype(np.float64)), at).max()
        if largest > _LARGEST // 2:
            whole = whole.astype(object)
    return np.add.reduceat(whole, at)


def sums_at(wanted: Whole, keys: Whole, columns: Sequence[Whole]) -> list[Whole]:
    """For each column the sum of the values of each wanted key, exactly; 0 where it has none."""
    if not len(keys):
        return [np.zeros(len(wanted), column.dtype) for column in columns]
    order = np.argsort(keys, kind="stable")
    keys, starts = runs_of(keys[order])
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    hit = keys[at] == wanted
    return [np.where(hit, run_sums(column[order], starts)[at], 0) for column in columns]


def _largest(whole: Whole) -> int:
    return max(abs(int(whole.min())), abs(int(whole.max())))
