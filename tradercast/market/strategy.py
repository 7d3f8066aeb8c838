"""What a strategy is: reactions to records, and orders."""

from __future__ import annotations

from decimal import Decimal

from tradercast.errors import UsageError
from tradercast.market.book import Book
from tradercast.market.desk import Desk
from tradercast.market.orders import Fill, Number, Order
from tradercast.market.replay_events import ReplayCandle, ReplayTrade
from tradercast.notes import Gap


class Strategy:
    """Reacts to records one by one, in history as live; write a subclass.

    Time is that of the records: `now` never asks a clock.  So one strategy does the same, with
    the same fills, over history and over the same records as they arrive.  What it keeps of its
    own is best set in `on_start`, so that an object can run again.

    Attributes
    ----------
    interval : str or None
        Of the candles for `on_candle`: ``1m``, ``1h`` …  They are made of trades, or where a
        market has none of its minute candles; each is given once, when it has ended.

    Examples
    --------
    >>> class Dip(Strategy):
    ...     interval = "1h"
    ...
    ...     def on_candle(self, candle):
    ...         if candle.close < candle.open and not self.position():
    ...             self.buy("0.1")
    """

    interval: str | None = None
    _desk: Desk | None = None
    _is_stopped = False

    def on_start(self) -> None:
        """A run begins."""

    def on_trade(self, trade: ReplayTrade) -> None:
        """A trade of `market`."""

    def on_book(self, book: Book) -> None:
        """The book of `market` after a message; look at `Book.valid`."""

    def on_candle(self, candle: ReplayCandle) -> None:
        """A candle of `market` has ended."""

    def on_gap(self, gap: Gap) -> None:
        """Records of `market` are missing: of a book nothing is known until the next snapshot."""

    def on_fill(self, fill: Fill) -> None:
        """One of its orders was filled, in part or wholly."""

    @property
    def now(self) -> int:
        """Time of the record that is handled, ns UTC."""
        return self._at_desk().now

    @property
    def market(self) -> str:
        """The market that the record is of: ``binance/btcusdt``; orders go there by default."""
        return self._at_desk().market

    @property
    def cash(self) -> Decimal:
        """What is there, in the currency of the prices."""
        return self._at_desk().cash

    @property
    def fills(self) -> list[Fill]:
        """All fills so far."""
        return self._at_desk().fills

    def position(self, market: str | None = None) -> Decimal:
        """What is held of a market; negative if it was sold short."""
        return self._at_desk().positions[market or self.market]

    def book(self, market: str | None = None) -> Book:
        """The book of a market as it is known by now."""
        return self._at_desk().markets[market or self.market].book

    def last_price(self, market: str | None = None) -> Decimal | None:
        """Price of a market's last trade or candle."""
        return self._at_desk().markets[market or self.market].last

    def orders(self, market: str | None = None) -> list[Order]:
        """Orders of a market that are neither filled nor cancelled."""
        return self._at_desk().open_orders(market or self.market)

    def buy(self, size: Number, price: Number | None = None, *, market: str | None = None) -> Order:
        """Send an order to buy.

        Parameters
        ----------
        size : Decimal, int or str
            In units of the base currency.
        price : Decimal, int or str, optional
            The limit; without one it is a market order.
        market : str, optional
            By default that of the record that is handled.

        Raises
        ------
        UsageError
            If a number is not exact, or the size not more than 0.
        """
        return self._at_desk().send("buy", size, price, market or self.market)

    def sell(
        self, size: Number, price: Number | None = None, *, market: str | None = None
    ) -> Order:
        """Send an order to sell.

        Parameters
        ----------
        size, price, market
            As of `buy`.
        """
        return self._at_desk().send("sell", size, price, market or self.market)

    def cancel(self, order: Order | None = None) -> None:
        """Cancel an order, by default all of `market`; what was filled meanwhile stays so."""
        for each in self.orders() if order is None else [order]:
            self._at_desk().cancel(each)

    def stop(self) -> None:
        """End the run: this record is the last."""
        self._is_stopped = True

    def _at_desk(self) -> Desk:
        if self._desk is None:
            raise UsageError(
                "the strategy does not run", hint="give it to tradercast.backtest or live"
            )
        return self._desk
