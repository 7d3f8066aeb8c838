"""One side of an order book: levels in sorted arrays, changed by many at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tradercast.market.exact import Whole, scale_up
from tradercast.rows import I64


@dataclass(slots=True)
class SideLevels:
    """The levels of one side; every change puts new arrays in place of the old ones.

    Parameters
    ----------
    price : whole numbers
        Rising, each once.
    size : whole numbers
        None is 0.
    count : int64 array
        Orders at the level, `ABSENT` where unknown.
    """

    price: Whole
    size: Whole
    count: I64

    @classmethod
    def empty(cls) -> SideLevels:
        """No levels."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none)

    def __len__(self) -> int:
        return len(self.price)

    def rescale(self, price_zeros: int, size_zeros: int) -> None:
        """Count prices and sizes in units with that many more decimals."""
        self.price = scale_up(self.price, price_zeros)
        self.size = scale_up(self.size, size_zeros)

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
        self.price = _interleaved(is_new, old, price)
        self.size = _interleaved(is_new, self.size[stays], size)
        self.count = _interleaved(is_new, self.count[stays], count)


def _interleaved(is_new: Whole, old: Whole, new: Whole) -> Whole:
    out = np.empty(len(is_new), np.result_type(old, new))
    out[is_new] = new
    out[~is_new] = old
    return out
