"""Picking rows: one rule for what a column may be indexed by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from tradercast.errors import UsageError

I64: TypeAlias = NDArray[np.int64]
U8: TypeAlias = NDArray[np.uint8]
Rows: TypeAlias = "slice | NDArray[Any] | list[int] | list[bool]"

V = TypeVar("V")


def row_indices(key: Rows, count: int) -> I64:
    """The row numbers, each in ``[0, count)``, that `key` names.

    Raises
    ------
    UsageError
        If `key` is not a slice, an integer array or a boolean mask of `count` rows, or if it
        names a row that is not there.
    """
    if isinstance(key, slice):
        return np.arange(*key.indices(count), dtype=np.int64)
    array = np.asarray(key)
    if array.ndim == 1 and array.dtype == np.bool_ and len(array) == count:
        return np.flatnonzero(array).astype(np.int64, copy=False)
    if array.ndim == 1 and array.size == 0 and array.dtype != np.bool_:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UsageError(
            f"{count} rows can not be indexed by {type(key).__name__} {np.shape(array)}",
            hint="use a slice, an array of row numbers, or a boolean mask of the same length",
        )
    index = array.astype(np.int64)
    index = np.where(index < 0, index + count, index)
    if ((index < 0) | (index >= count)).any():
        raise UsageError(f"a row number is outside the {count} rows of the column")
    return index


def pick(sparse: Mapping[int, V], key: Rows, count: int) -> dict[int, V]:
    """The entries of a row -> value mapping that `key` keeps, under their new row numbers."""
    if not sparse:
        return {}
    index = row_indices(key, count)
    wanted = np.fromiter(sparse.keys(), np.int64, len(sparse))
    flags = np.zeros(count, np.bool_)
    flags[wanted] = True
    at = np.flatnonzero(flags[index])
    return {int(new): sparse[int(old)] for new, old in zip(at, index[at], strict=True)}


def shifted(sparse: Mapping[int, V], by: int) -> dict[int, V]:
    """The same entries `by` rows further down."""
    return {row + by: value for row, value in sparse.items()}


def as_i64(values: Any, what: str) -> I64:
    """`values` as a one-dimensional int64 array, without a copy if it is one.

    Raises
    ------
    UsageError
        If they are not integers, or one is outside int64.
    """
    try:
        array = np.asarray(values)
        if array.size == 0 and array.dtype.kind in "fO":
            array = array.astype(np.int64)
        exact = array.dtype.kind in "iu" and array.ndim == 1
        if exact and array.dtype == np.uint64 and array.size and int(array.max()) > 2**63 - 1:
            exact = False
    except (OverflowError, ValueError):
        exact = False
    if not exact:
        raise UsageError(f"{what} must be a one-dimensional column of 64-bit integers")
    return array.astype(np.int64, copy=False)
