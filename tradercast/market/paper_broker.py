"""A paper broker: what its orders cost, and by which rule they are filled."""

from __future__ import annotations

from dataclasses import dataclass

from tradercast.errors import UsageError
from tradercast.market.orders import Number, exact


@dataclass(frozen=True, slots=True)
class PaperBroker:
    """Fills orders by what the records show; nothing that it does moves the market.

    An order, or a cancellation, sent while a record is handled is at the market `latency_ns`
    later.  It meets what is known there at that time:

    * A market order takes the levels of the other side of the book, best first, as far as the book
      goes; what is left is cancelled.  Without a valid book it waits, and is filled whole at the
      price of the next trade, or by the book when there is a valid one.
    * A limit order takes such levels up to its price; the rest, or all of it where there is no
      valid book, waits at its price.
    * A waiting order is last in the queue at its price, whatever comes: it is filled, whole and at
      its own price, by the first trade *through* that price (lower than a buy's, higher than a
      sell's), or when the best level of the other side reaches its price.  A trade at its
      price fills nothing.
    * With candles alone, a market order is filled at the next candle's open.  A limit order is
      filled when a candle goes through its price: there, or at the open if that is better.

    Taking pays `taker_fee`, waiting `maker_fee`, as parts of price times size.  Positions may be
    short, and cash below 0: what a broker would lend is for the strategy to mind.  Cash is in the
    currency of the prices, and all markets of a run are taken to have the same.

    Parameters
    ----------
    cash : Decimal, int or str
        What there is at the beginning.
    maker_fee, taker_fee : Decimal, int or str
        ``"0.001"`` is a tenth of a percent; negative if the exchange pays.
    latency_ns : int
        From the strategy to the market, by the time of the records.

    Raises
    ------
    UsageError
        If a number is not exact, or the latency negative.
    """

    cash: Number = 0
    maker_fee: Number = 0
    taker_fee: Number = 0
    latency_ns: int = 0

    def __post_init__(self) -> None:
        for name in ("cash", "maker_fee", "taker_fee"):
            object.__setattr__(self, name, exact(getattr(self, name), name))
        if isinstance(self.latency_ns, bool) or not isinstance(self.latency_ns, int):
            raise UsageError("the latency must be a whole number of ns")
        if self.latency_ns < 0:
            raise UsageError(f"the latency can not be {self.latency_ns} ns")
