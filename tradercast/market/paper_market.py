"""One market of a paper broker: the orders there, and what fills them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TypeAlias

from tradercast.book_levels import BookSide
from tradercast.market.book import Book
from tradercast.market.orders import EXACT, Order
from tradercast.market.replay_events import ReplayBook, ReplayCandle

Match: TypeAlias = "tuple[Order, Decimal, Decimal, bool]"
"""An order, the price and size of a fill, and whether the order had waited."""

_HALF = Decimal("0.5")
_AT_ONCE = 16  # levels looked at first


class PaperMarket:
    """What is known of a market by now; the rule is that of `PaperBroker`.

    Attributes
    ----------
    book : Book
        Not valid before the first snapshot, and from a gap to the next one.
    last : Decimal or None
        Price of the last trade, or the last candle's close.
    orders : list of Order
        Those that wait, in the order in which they arrived.
    """

    def __init__(self) -> None:
        self.book = Book()
        self.last: Decimal | None = None
        self.orders: list[Order] = []

    def mark(self) -> Decimal | None:
        """What a position is worth: the middle of a valid book, else the last price."""
        if self.book.valid:
            bid, ask = self.book.best(BookSide.BID), self.book.best(BookSide.ASK)
            if bid is not None and ask is not None:
                return EXACT.multiply(EXACT.add(bid[0], ask[0]), _HALF)
        return self.last

    def arrive(self, order: Order) -> Iterator[Match]:
        """An order reaches the market."""
        order.state = "open"
        if self.book.valid:
            left = order.remaining
            for price, size in self._opposite(order):
                if not left or not order.takes(price):
                    break
                part = min(left, size)
                left = EXACT.subtract(left, part)
                yield order, price, part, False
            if order.price is None:
                order.state = "cancelled" if left else order.state
                return
        if order.remaining:
            self.orders.append(order)

    def cancel(self, order: Order) -> None:
        """A cancellation reaches the market."""
        if order in self.orders:
            self.orders.remove(order)
            order.state = "cancelled"

    def traded(self, price: Decimal) -> Iterator[Match]:
        """Somebody traded."""
        self.last = price
        for order in self._leaving(lambda order: order.price is None or _is_through(order, price)):
            at = price if order.price is None else order.price
            yield order, at, order.remaining, order.price is not None

    def changed(self, message: ReplayBook) -> Iterator[Match]:
        """The book changed."""
        message.apply_to(self.book)
        if not self.orders or not self.book.valid:
            return
        for order in self._leaving(lambda order: order.price is None):
            yield from self.arrive(order)
        best = {side: self.book.best(side) for side in BookSide}

        def is_reached(order: Order) -> bool:
            level = best[_other_side(order)]
            return level is not None and order.takes(level[0])

        for order in self._leaving(is_reached):
            assert order.price is not None
            yield order, order.price, order.remaining, True

    def passed(self, candle: ReplayCandle) -> Iterator[Match]:
        """A candle, where nothing else is known."""
        self.last = candle.close
        for order in self._leaving(
            lambda order: order.price is None or _is_through(order, candle.low, candle.high)
        ):
            price = order.price
            if price is None or order.takes(candle.open):
                yield order, candle.open, order.remaining, price is not None
            else:
                yield order, price, order.remaining, True

    def _leaving(self, goes: Callable[[Order], bool]) -> list[Order]:
        """The waiting orders for which this holds; they wait no more."""
        if not self.orders:
            return []
        leaving = [order for order in self.orders if goes(order)]
        if leaving:
            self.orders = [order for order in self.orders if order not in leaving]
        return leaving

    def _opposite(self, order: Order) -> Iterator[tuple[Decimal, Decimal]]:
        """The levels that an order may take, best first; few of them are made at a time."""
        side, depth, done = _other_side(order), _AT_ONCE, 0
        while True:
            levels = self.book.top(side, depth)
            yield from levels[done:]
            if len(levels) < depth:
                return
            done, depth = depth, depth * 4


def _other_side(order: Order) -> BookSide:
    return BookSide.ASK if order.is_buy else BookSide.BID


def _is_through(order: Order, low: Decimal, high: Decimal | None = None) -> bool:
    assert order.price is not None
    return low < order.price if order.is_buy else (high or low) > order.price
