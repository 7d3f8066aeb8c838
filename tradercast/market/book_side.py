"""One side of an order book: sorted arrays for many changes at once, plain integers for a few."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from tradercast.market.exact import Whole, scale_up
from tradercast.rows import I64


class SideLevels:
    """The levels of one side, in two forms of which at least one is up to date.

    Changes of many levels, and who wants columns, need arrays; every change puts new ones in
    place of the old ones.  A few changes at a time go to a dictionary and a sorted list, until
    somebody asks for columns again.

    Attributes
    ----------
    was_read : bool
        Whether somebody asked for columns.
    """

    __slots__ = ("_columns", "_levels", "_prices", "was_read")

    def __init__(self) -> None:
        none = np.zeros(0, np.int64)
        self._columns: tuple[Whole, Whole, I64] | None = (none, none, none)
        self._prices: list[int] | None = None
        self._levels: dict[int, tuple[int, int]] = {}
        self.was_read = False

    def __len__(self) -> int:
        return len(self._arrays()[0]) if self._prices is None else len(self._prices)

    @property
    def price(self) -> Whole:
        """Rising, each once."""
        self.was_read = True
        return self._arrays()[0]

    @property
    def size(self) -> Whole:
        """None is 0."""
        self.was_read = True
        return self._arrays()[1]

    @property
    def count(self) -> I64:
        """Orders at the level, `ABSENT` where unknown."""
        self.was_read = True
        return self._arrays()[2]

    def top(self, depth: int, *, rising: bool) -> list[tuple[int, int]]:
        """Prices and sizes of so many levels at the end where the best are."""
        count = len(self)
        rows = slice(0, depth) if rising else slice(max(0, count - depth), count)
        if self._prices is None:
            price, size, _ = self._arrays()
            found = list(zip(price[rows].tolist(), size[rows].tolist(), strict=True))
        else:
            found = [(price, self._levels[price][0]) for price in self._prices[rows]]
        return found if rising else found[::-1]

    def rescale(self, price_zeros: int, size_zeros: int) -> None:
        """Count prices and sizes in units with that many more decimals."""
        price, size, count = self._arrays()
        self._columns = scale_up(price, price_zeros), scale_up(size, size_zeros), count
        self._prices = None

    def loosen(self) -> None:
        """Get ready for `set`."""
        if self._prices is None:
            price, size, count = (column.tolist() for column in self._arrays())
            self._levels = dict(zip(price, zip(size, count, strict=True), strict=True))
            self._prices = price
        self._columns = None

    def set(self, price: int, size: int, count: int) -> None:
        """Change one level, after `loosen`; size 0 removes it."""
        assert self._prices is not None
        if not size:
            if self._levels.pop(price, None) is not None:
                del self._prices[bisect_left(self._prices, price)]
            return
        if price not in self._levels:
            insort(self._prices, price)
        self._levels[price] = size, count

    def _arrays(self) -> tuple[Whole, Whole, I64]:
        if self._columns is None:
            assert self._prices is not None
            levels = [self._levels[price] for price in self._prices]
            sizes = _whole([size for size, _ in levels])
            counts = np.array([count for _, count in levels], np.int64)
            self._columns = _whole(self._prices), sizes, counts
        return self._columns

    def change(self, price: Whole, size: Whole, count: I64) -> None:
        """Apply changes in their order: the last one of a price counts, size 0 removes it."""
        if not len(price):
            return
        order = np.argsort(price, kind="stable")
        price = price[order]
        is_last = np.ones(len(price), np.bool_)
        np.not_equal(price[1:], price[:-1], out=is_last[:-1])
        order, price = order[is_last], price[is_last]
        size, count = size[order], count[order]
        stays = self._untouched(price)
        lives = size != 0
        if not lives.all():
            price, size, count = price[lives], size[lives], count[lives]
        self._merge(stays, price, size, count)

    def _untouched(self, price: Whole) -> I64:
        """The rows whose price is none of those given, which are sorted."""
        if not len(self):
            return np.zeros(0, np.int64)
        at = np.searchsorted(self.price, price)
        at[at == len(self)] = 0
        touched = at[self.price[at] == price]
        stays = np.ones(len(self), np.bool_)
        stays[touched] = False
        return np.flatnonzero(stays)

    def _merge(self, stays: I64, price: Whole, size: Whole, count: I64) -> None:
        """Keep the rows `stays`, and put the given levels, which are sorted, among them."""
        old = self.price[stays]
        total = len(old) + len(price)
        into = np.searchsorted(old, price) + np.arange(len(price))
        is_new = np.zeros(total, np.bool_)
        is_new[into] = True
        self._columns = (
            _interleaved(is_new, old, price),
            _interleaved(is_new, self.size[stays], size),
            _interleaved(is_new, self.count[stays], count),
        )
        self._prices, self.was_read = None, False


def _interleaved(is_new: Whole, old: Whole, new: Whole) -> Whole:
    out = np.empty(len(is_new), np.result_type(old, new))
    out[is_new] = new
    out[~is_new] = old
    return out


def _whole(values: list[int]) -> Whole:
    try:
        return np.fromiter(values, np.int64, len(values))
    except OverflowError:
        return np.array(values, object)
