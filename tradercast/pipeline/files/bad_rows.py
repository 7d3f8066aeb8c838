"""Finding and naming the first row of a batch that can not be taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradercast.errors import TradercastError


class RowError(Exception):
    """Row `row` of a batch (from 0) is broken; readers turn it into an error with the file."""

    def __init__(self, row: int, what: str) -> None:
        super().__init__(what)
        self.row = row
        self.what = what


def first_bad(count: int, convert: Callable[[slice], Any]) -> int:
    """The first of `count` rows at which `convert`, which fails on all of them, fails.

    Converters work on whole columns; after a failure this halves the rows until one is left.
    """
    low, high = 0, count  # rows before `low` are good, one before `high` is bad
    while high - low > 1:
        middle = (low + high) // 2
        if fails(convert, slice(low, middle)):
            high = middle
        else:
            low = middle
    return low


def fails(convert: Callable[[slice], Any], rows: slice) -> bool:
    """Whether `convert` refuses these rows."""
    try:
        convert(rows)
    except TradercastError:
        return True
    return False
