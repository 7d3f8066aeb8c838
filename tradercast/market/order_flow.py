"""What came to the levels of a book and what left them, between two looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tradercast.book_levels import BookSide, Levels
from tradercast.book_messages import BookMessages
from tradercast.decimals import Decimals
from tradercast.market.book import Book
from tradercast.market.exact import (
    Whole,
    run_sums,
    runs_of,
    scale_up,
    sums_at,
    to_decimals,
    to_whole,
    unit_of,
)


@dataclass(slots=True)
class _Part:
    """Sums by price of some messages, in units of their own."""

    units: tuple[int, int]
    price: Whole
    added: Whole
    removed: Whole


@dataclass(slots=True)
class OrderFlow:
    """Sums up, for each price, what every change added to its size or took from it.

    Attributes
    ----------
    is_known : bool
        Whether every change since the last look was seen: false at first, after a gap, and
        over a snapshot, which does not say what happened before it.
    """

    is_known: bool = False
    _parts: dict[BookSide, list[_Part]] = field(
        default_factory=lambda: {side: [] for side in BookSide}
    )

    def take(self, book: Book, messages: BookMessages) -> None:
        """The next messages, before the book has taken them."""
        if len(messages.notes) or messages.is_snapshot.any():
            self.is_known = False
        if not self.is_known or not len(messages.levels):
            return
        units = book.refine(messages.levels)
        price = to_whole(messages.levels.price, units[0])
        size = to_whole(messages.levels.size, units[1])
        for side, parts in self._parts.items():
            rows = messages.levels.side == side
            if rows.any():
                parts.append(_summed(book, side, units, price[rows], size[rows]))

    def of(self, side: BookSide, levels: Levels) -> tuple[Decimals, Decimals]:
        """What was added and removed at the prices of some levels."""
        parts = self._parts[side]
        if not parts or not len(levels):
            none = Decimals(np.zeros(len(levels), np.int64))
            return none, none
        price_unit = min(unit_of(levels.price), *(part.units[0] for part in parts))
        size_unit = min(part.units[1] for part in parts)
        price = np.concatenate([scale_up(part.price, part.units[0] - price_unit) for part in parts])
        sizes = (
            np.concatenate(
                [scale_up(getattr(part, name), part.units[1] - size_unit) for part in parts]
            )
            for name in ("added", "removed")
        )
        added, removed = sums_at(to_whole(levels.price, price_unit), price, list(sizes))
        return to_decimals(added, size_unit), to_decimals(removed, size_unit)

    def begin(self, *, is_known: bool) -> None:
        """Forget everything: the next messages are the first of another step."""
        self.is_known = is_known
        for parts in self._parts.values():
            parts.clear()


def _summed(book: Book, side: BookSide, units: tuple[int, int], price: Whole, size: Whole) -> _Part:
    order = np.argsort(price, kind="stable")
    price, size = price[order], size[order]
    prices, starts = runs_of(price)
    before = np.empty_like(size, dtype=np.result_type(size, held := book.sizes_at(side, prices)))
    before[1:] = size[:-1]
    before[starts] = held
    change = size - before
    added = run_sums(np.where(change > 0, change, 0), starts)
    removed = run_sums(np.where(change < 0, -change, 0), starts)
    return _Part(units, prices, added, removed)
