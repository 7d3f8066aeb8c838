"""Prices of book messages as steps: from level to level, and from message to message.

A message lists prices of one side, then of the other, each in an order of its own.  From list to
list is a long way, but a side's list begins near where its last one began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide
from tradercast.rows import I64, U8

STEPS = {BookSide.BID: "px_bid", BookSide.ASK: "px_ask"}


@dataclass(frozen=True, eq=False)
class PriceLists:
    """Which prices begin a list; made by `of`.

    Attributes
    ----------
    begins : int64 array
        The rows that begin a list, increasing: the first of a message, or of a change of side.
    side : uint8 array
        The side of each row.
    """

    begins: I64
    side: U8

    @classmethod
    def of(cls, side: U8, offsets: I64) -> PriceLists:
        """The lists of levels on these sides, and of messages that begin at these offsets."""
        is_first = np.ones(len(side), np.bool_)
        np.not_equal(side[1:], side[:-1], out=is_first[1:])
        is_first[offsets[:-1][offsets[:-1] < offsets[1:]]] = True
        return cls(np.flatnonzero(is_first), side)

    def firsts(self, side: BookSide) -> NDArray[np.bool_]:
        """Which of the lists are of a side."""
        mine: NDArray[np.bool_] = self.side[self.begins] == side
        return mine

    def inner(self, side: BookSide) -> I64:
        """The rows of a side that begin no list."""
        mine = self.side == side
        mine[self.begins] = False
        return np.flatnonzero(mine)

    def split(self, price: I64) -> dict[str, I64]:
        """The columns of a price each; all differences are modulo 2**64."""
        first = price[self.begins]
        for side in BookSide:
            mine = self.firsts(side)
            first[mine] = np.diff(first[mine], prepend=0)
        step = np.diff(price, prepend=0)
        return {"px": first, **{name: step[self.inner(side)] for side, name in STEPS.items()}}

    def join(self, columns: dict[str, I64]) -> I64:
        """The reverse of `split`."""
        first = columns["px"].copy()
        for side in BookSide:
            mine = self.firsts(side)
            first[mine] = np.cumsum(first[mine])
        step = np.zeros(len(self.side), np.int64)
        for side, name in STEPS.items():
            step[self.inner(side)] = columns[name]
        along = np.cumsum(step)
        lengths = np.diff(self.begins, append=len(step))
        return along + np.repeat(first - along[self.begins], lengths)
