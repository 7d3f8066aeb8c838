"""The state of a paper account: orders on their way, fills, positions, cash."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal

from tradercast.errors import UsageError
from tradercast.market.orders import EXACT, ZERO, Fill, Number, Order, exact
from tradercast.market.paper_broker import PaperBroker
from tradercast.market.paper_market import Match, PaperMarket


class Desk:
    """Sends a strategy's orders to a paper broker, and keeps the account.

    Attributes
    ----------
    now : int
        ns UTC of the record that is handled.
    market : str
        The market that it is of.
    cash : Decimal
    fees : Decimal
        Paid so far.
    positions : dict of str to Decimal
        By market.
    fills : list of Fill
    on_way : deque of (int, Order, bool)
        What is sent: when it arrives (ns UTC), the order, whether it is cancelled.
    """

    def __init__(self, broker: PaperBroker, on_fill: Callable[[Fill], None]) -> None:
        self.now = 0
        self.market = ""
        self.cash = exact(broker.cash)
        self.fees = ZERO
        self.positions: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.fills: list[Fill] = []
        self.markets: defaultdict[str, PaperMarket] = defaultdict(PaperMarket)
        self._latency_ns = broker.latency_ns
        self._maker_fee, self._taker_fee = exact(broker.maker_fee), exact(broker.taker_fee)
        self._on_fill = on_fill
        self._sent = 0
        self.on_way: deque[tuple[int, Order, bool]] = deque()

    def send(self, side: str, size: Number, price: Number | None, market: str) -> Order:
        """An order goes off; raises `UsageError` if a number is not exact."""
        if not market:
            raise UsageError("no market is known yet", hint="send orders while a record is handled")
        order = Order(self._sent + 1, market, side, size, price, self.now)
        self._sent += 1
        self.on_way.append((self.now + self._latency_ns, order, False))
        return order

    def cancel(self, order: Order) -> None:
        """A cancellation goes off."""
        if not order.is_done:
            self.on_way.append((self.now + self._latency_ns, order, True))

    def open_orders(self, market: str) -> list[Order]:
        """Orders of a market that are not done: those at the market, then those on their way."""
        sent = [order for _, order, cancels in self.on_way if not cancels]
        return [*self.markets[market].orders, *(order for order in sent if order.market == market)]

    def deliver(self) -> None:
        """What arrives by now reaches the market; what is sent meanwhile does later."""
        for _ in range(len(self.on_way)):
            at, order, cancels = self.on_way[0]
            if at > self.now:
                return
            self.on_way.popleft()
            market = self.markets[order.market]
            if cancels:
                market.cancel(order)
            elif not order.is_done:
                self.book(market.arrive(order), at)

    def book(self, matches: Iterable[Match], ts: int) -> None:
        """Fills are entered, and the strategy is told of each."""
        for order, price, size, is_maker in matches:
            order.remaining = EXACT.subtract(order.remaining, size)
            if not order.remaining:
                order.state = "filled"
            value = EXACT.multiply(price, size)
            fee = EXACT.multiply(value, self._maker_fee if is_maker else self._taker_fee)
            sign = EXACT.plus if order.is_buy else EXACT.minus
            signed, paid = sign(size), sign(value)
            held = EXACT.add(self.positions[order.market], signed)
            self.positions[order.market] = held
            self.cash = EXACT.subtract(EXACT.subtract(self.cash, paid), fee)
            self.fees = EXACT.add(self.fees, fee)
            fill = Fill(
                ts, order.market, order.number, order.side, price, size, fee, is_maker, held
            )
            self.fills.append(fill)
            self._on_fill(fill)

    def equity(self) -> Decimal:
        """Cash and what the positions are worth."""
        total = self.cash
        for name, held in self.positions.items():
            mark = self.markets[name].mark() if held else None
            if mark is not None:
                total = EXACT.add(total, EXACT.multiply(held, mark))
        return total
