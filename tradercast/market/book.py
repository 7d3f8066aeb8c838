"""An order book that is built from messages, exactly."""

from __future__ import annotations

from decimal import Decimal
from itertools import repeat

import numpy as np

from tradercast import decimal_form
from tradercast.book_levels import BookSide, Keyframe, Levels
from tradercast.book_messages import BookMessages
from tradercast.ids import ABSENT
from tradercast.market.book_side import SideLevels
from tradercast.market.exact import Whole, running_sum, to_decimals, to_whole, unit_of

_FEW = 1_024  # levels: so few are changed one by one


class Book:
    """The levels of both sides after all messages so far.

    Prices and sizes are whole numbers of one unit each, which becomes finer when a value needs
    it.  Many messages are applied at once: only the last change of each price since the last
    snapshot costs anything beyond a sort.

    Attributes
    ----------
    valid : bool
        Whether this is the exchange's book: false before the first snapshot, and after a gap
        until the next one.  Changes are applied all the same.
    ts_event : int or None
        Of the last record applied (ns UTC).
    """

    def __init__(self) -> None:
        self.valid = False
        self.ts_event: int | None = None
        self._price_exponent = 0
        self._size_exponent = 0
        self._sides = {side: SideLevels() for side in BookSide}

    @classmethod
    def from_keyframe(cls, keyframe: Keyframe) -> Book:
        """The book that a chunk begins with."""
        book = cls()
        book._change(keyframe.levels)
        book.valid = keyframe.valid
        return book

    def apply(self, messages: BookMessages) -> None:
        """Take in the next records: snapshots, changes and gaps, in their order."""
        if not len(messages):
            return
        self.ts_event = int(messages.ts_event[-1])
        snapshots = np.flatnonzero(messages.is_snapshot)
        gaps = messages.notes.row
        levels = messages.levels
        if len(snapshots):
            last = int(snapshots[-1])
            self.valid = True
            self._sides = {side: SideLevels() for side in BookSide}
            gaps = gaps[gaps > last]
            levels = levels[int(messages.offsets[last]) :]
        if len(gaps):
            self.valid = False
        self._change(levels)

    def apply_row(self, messages: BookMessages, row: int) -> None:
        """`apply` of one record of a run, which costs less than to cut it out."""
        start, end = messages.offsets[row : row + 2].tolist()
        price, size = messages.levels.price, messages.levels.size
        many = end - start > _FEW or messages.is_snapshot[row] or len(messages.notes)
        if many or price.escapes or size.escapes:
            self.apply(messages[row : row + 1])
        elif not self._change_few(messages.levels, start, end):
            self._change_many(messages.levels[start:end])
        self.ts_event = int(messages.ts_event[row])

    def best(self, side: BookSide) -> tuple[Decimal, Decimal] | None:
        """Price and size of the best level of a side; `None` if it has none."""
        return next(iter(self.top(side, 1)), None)

    def top(self, side: BookSide, depth: int) -> list[tuple[Decimal, Decimal]]:
        """Prices and sizes of the best levels, best first: quicker than `levels` for a few."""
        return [
            (
                decimal_form.exact(price, self._price_exponent),
                decimal_form.exact(size, self._size_exponent),
            )
            for price, size in self._sides[side].top(max(0, depth), rising=side == BookSide.ASK)
        ]

    def levels(self, side: BookSide, depth: int | None = None) -> Levels:
        """The best levels of a side, best first; all of them without a `depth`."""
        held, rows = self._sides[side], self._rows(side, depth)
        return Levels(
            np.full(len(held.price[rows]), side, np.uint8),
            to_decimals(held.price[rows], self._price_exponent),
            to_decimals(held.size[rows], self._size_exponent),
            held.count[rows],
        )

    def cumulative(self, side: BookSide, depth: int | None = None) -> Whole:
        """Sizes summed up from the best level outward, in units of ``10**size_exponent``.

        One sum a level of `levels`; exact, so an object array where int64 is too small.
        """
        return running_sum(self._sides[side].size[self._rows(side, depth)])

    def volume(self, side: BookSide, limit: Decimal) -> Decimal:
        """The size that waits on a side at `limit` or better."""
        held = self._sides[side]
        number, power = decimal_form.canonical(limit)
        up, down = (
            10 ** max(0, power - self._price_exponent),
            10 ** max(0, self._price_exponent - power),
        )
        if side == BookSide.BID:
            lowest = -(-number * up // down)
            size = held.size[int(np.searchsorted(held.price, lowest)) :]
        else:
            highest = number * up // down
            size = held.size[: int(np.searchsorted(held.price, highest, "right"))]
        if not len(size):
            return Decimal(0)
        return to_decimals(running_sum(size)[-1:], self._size_exponent).to_decimals()[0]

    @property
    def price_exponent(self) -> int:
        """Prices are counted in units of ten to this power."""
        return self._price_exponent

    @property
    def size_exponent(self) -> int:
        """Sizes are counted in units of ten to this power."""
        return self._size_exponent

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is not below the best ask: no book of an exchange at rest is."""
        bid = self._sides[BookSide.BID].top(1, rising=False)
        ask = self._sides[BookSide.ASK].top(1, rising=True)
        return bool(bid and ask and bid[0][0] >= ask[0][0])

    def refine(self, levels: Levels) -> tuple[int, int]:
        """Make the units fine enough for changes to come; returns their exponents."""
        self._refine(unit_of(levels.price), unit_of(levels.size))
        return self._price_exponent, self._size_exponent

    def sizes_at(self, side: BookSide, price: Whole) -> Whole:
        """Sizes at prices, 0 where nothing waits, all in the book's units."""
        held = self._sides[side]
        if not len(held):
            return np.zeros(len(price), np.int64)
        at = np.minimum(np.searchsorted(held.price, price), len(held) - 1)
        found: Whole = np.where(held.price[at] == price, held.size[at], 0)
        return found

    def keyframe(self) -> Keyframe:
        """The whole book, to begin a chunk with."""
        rising = [self.levels(BookSide.BID)[::-1], self.levels(BookSide.ASK)]
        return Keyframe(Levels.concat(rising), self.valid)

    def snapshot(self, ts_event: int) -> BookMessages:
        """The whole book as a message of this time, best levels first."""
        levels = Levels.concat([self.levels(side) for side in BookSide])
        offsets = np.array([0, len(levels)], np.int64)
        return BookMessages(np.array([ts_event], np.int64), np.array([True]), offsets, levels)

    def _rows(self, side: BookSide, depth: int | None) -> slice:
        if depth is not None and depth < 0:
            depth = 0
        if side == BookSide.ASK:
            return slice(0, depth)
        count = len(self._sides[side])
        first = 0 if depth is None else max(0, count - depth)
        return slice(count - 1, first - 1 if first else None, -1) if count else slice(0, 0)

    def _change(self, levels: Levels) -> None:
        if not len(levels):
            return
        plain = not levels.price.escapes and not levels.size.escapes
        few = plain and len(levels) <= _FEW
        if not (few and self._change_few(levels, 0, len(levels))):
            self._change_many(levels)

    def _change_many(self, levels: Levels) -> None:
        self._refine(unit_of(levels.price), unit_of(levels.size))
        price = to_whole(levels.price, self._price_exponent)
        size = to_whole(levels.size, self._size_exponent)
        count = levels.counts()
        for side, held in self._sides.items():
            rows = levels.side == side
            held.change(price[rows], size[rows], count[rows])

    def _change_few(self, levels: Levels, start: int, end: int) -> bool:
        """The same for a few rows without escapes; false if it is better done with arrays."""
        sides = self._sides
        if start == end:
            return True
        self._refine(levels.price.exponent, levels.size.exponent)
        read = [held.was_read for held in sides.values()]
        for held in sides.values():
            held.was_read = False
        if any(read):  # and will be again: to make columns anew each time would take longer
            return False
        for held in sides.values():
            held.loosen()
        price_step = 10 ** (levels.price.exponent - self._price_exponent)
        size_step = 10 ** (levels.size.exponent - self._size_exponent)
        rows = slice(start, end)
        counts = repeat(ABSENT) if levels.count is None else levels.count[rows].tolist()
        columns = (levels.side, levels.price.mantissa, levels.size.mantissa)
        lists = [column[rows].tolist() for column in columns]
        for side, price, size, count in zip(*lists, counts, strict=False):
            sides[side].set(price * price_step, size * size_step, count)
        return True

    def _refine(self, price_exponent: int, size_exponent: int) -> None:
        """Make the units fine enough; those of an empty book are taken as they come."""
        if not any(len(held) for held in self._sides.values()):
            self._price_exponent, self._size_exponent = price_exponent, size_exponent
            return
        price_zeros = max(0, self._price_exponent - price_exponent)
        size_zeros = max(0, self._size_exponent - size_exponent)
        if price_zeros or size_zeros:
            for held in self._sides.values():
                held.rescale(price_zeros, size_zeros)
            self._price_exponent -= price_zeros
            self._size_exponent -= size_zeros
