"""Orders of a strategy and their fills, in exact numbers."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from typing import NamedTuple, TypeAlias

from tradercast.errors import UsageError

Number: TypeAlias = "Decimal | int | str"

# Sums and products of what an exchange writes; were one not exact, it would be an error.
EXACT = Context(prec=10_000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])
ZERO = Decimal(0)


class Order:
    """An order to a paper broker.

    Attributes
    ----------
    number : int
        Counted from 1, in the order of sending.
    market : str
        ``binance/btcusdt``.
    side : str
        ``buy`` or ``sell``.
    size : Decimal
    price : Decimal or None
        The limit; without one it is a market order.
    sent_ns : int
        Time of the record at which it was sent, ns UTC.
    remaining : Decimal
        What is not filled yet.
    state : str
        ``sent``, ``open`` once it is at the market, ``filled`` or ``cancelled``.
    """

    __slots__ = ("market", "number", "price", "remaining", "sent_ns", "side", "size", "state")

    def __init__(
        self, number: int, market: str, side: str, size: Number, price: Number | None, sent_ns: int
    ) -> None:
        self.number = number
        self.market = market
        self.side = side
        self.size = exact(size, "a size")
        self.price = None if price is None else exact(price, "a price")
        self.sent_ns = sent_ns
        self.remaining = self.size
        self.state = "sent"
        if self.size <= 0:
            raise UsageError(f"an order's size must be more than 0, not {size}")

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("filled", "cancelled")

    def takes(self, price: Decimal) -> bool:
        """Whether it may trade at a price."""
        if self.price is None:
            return True
        return price <= self.price if self.is_buy else price >= self.price

    def __repr__(self) -> str:
        at = "the market" if self.price is None else self.price
        return f"<{self.side} {self.remaining} of {self.size} {self.market} at {at}, {self.state}>"


class Fill(NamedTuple):
    """A trade of a paper broker.

    Attributes
    ----------
    ts : int
        When, ns UTC: a time of records, never of a clock.
    market : str
    order : int
        The order's number.
    side : str
        ``buy`` or ``sell``.
    price, size : Decimal
    fee : Decimal
        What it cost; negative if the broker paid.
    is_maker : bool
        Whether the order had waited in the book.
    position : Decimal
        What is held of the market after it.
    """

    ts: int
    market: str
    order: int
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    is_maker: bool
    position: Decimal


def exact(value: Number, what: str = "a number") -> Decimal:
    """A number as it is written; binary fractions are refused.

    Raises
    ------
    UsageError
        If it is a float, or no finite number.
    """
    if not isinstance(value, Decimal | int | str) or isinstance(value, bool):
        raise UsageError(
            f"{what} must be exact, not {type(value).__name__} {value!r}",
            hint="write '0.1' or Decimal('0.1'); round a float yourself: str(round(x, 2))",
        )
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise UsageError(f"{value!r} is not a number", hint="write '0.1'") from None
    if not number.is_finite():
        raise UsageError(f"{what} must be finite, not {value}")
    return number
