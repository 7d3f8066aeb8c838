"""The fill rule, fees and latency of the paper broker."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.books import ASK, BID, gap, messages_of, row
from support.candle_rows import candle, candles_of_rows
from support.strategies import BOOK, CANDLES, TRADES, Scripted, ran, shown, trades_of

from tradercast.errors import UsageError
from tradercast.market.paper_broker import PaperBroker
from tradercast.market.strategy import Strategy

SNAPSHOT = row(
    10,
    (BID, "99", "1"),
    (BID, "98", "5"),
    (ASK, "101", "1"),
    (ASK, "102", "2"),
    snapshot=True,
)


def test_without_a_book_a_market_order_is_filled_whole_at_the_next_trade() -> None:
    trades = trades_of((10, "100", "1"), (20, "101.5", "0.1"), (30, "99", "1"))
    strategy = Scripted({1: lambda s: s.buy("3")})

    result = ran(strategy, (TRADES, trades))

    assert shown(result) == [(20, "buy", "101.5", "3")]
    assert result.positions == {"binance/btcusdt": Decimal(3)}


def test_a_limit_order_waits_for_a_trade_through_its_price_and_gets_its_own() -> None:
    prices = ("100", "99", "98.9", "103", "103.1")
    trades = trades_of(*((10 * at, price, "1") for at, price in enumerate(prices)))

    def both(strategy: Strategy) -> None:
        strategy.buy("1", "99")
        strategy.sell("1", "103")

    result = ran(Scripted({1: both}), (TRADES, trades))

    assert shown(result) == [(20, "buy", "99", "1"), (40, "sell", "103", "1")]
    assert all(fill.is_maker for fill in result.fills)


def test_fees_and_cash_are_exact_and_by_who_waited() -> None:
    trades = trades_of((10, "0.1", "1"), (20, "0.1", "1"), (30, "0.3000000000000000001", "1"))
    strategy = Scripted({1: lambda s: s.buy("3"), 2: lambda s: s.sell("3", "0.3")})
    broker = PaperBroker("1", maker_fee="-0.0001", taker_fee="0.001")

    result = ran(strategy, (TRADES, trades), broker=broker)

    assert [fill.fee for fill in result.fills] == [Decimal("0.0003"), Decimal("-0.00009")]
    assert result.cash == Decimal("1") - Decimal("0.3003") + Decimal("0.90009")
    assert result.fees == Decimal("0.00021")
    assert result.pnl == Decimal("0.59979")


def test_a_market_order_takes_the_levels_of_the_book_and_no_more_than_there_are() -> None:
    change = row(20, (BID, "97", "1"))
    strategy = Scripted({1: lambda s: s.buy("2.5"), 2: lambda s: s.sell("10")})

    result = ran(strategy, (BOOK, messages_of([SNAPSHOT, change])))

    assert shown(result) == [
        (10, "buy", "101", "1"),
        (10, "buy", "102", "1.5"),
        (20, "sell", "99", "1"),
        (20, "sell", "98", "5"),
        (20, "sell", "97", "1"),
    ]
    assert not any(fill.is_maker for fill in result.fills)
    assert strategy.orders() == []


def test_a_limit_order_takes_up_to_its_price_and_the_rest_waits_for_the_book() -> None:
    orders = []
    away = row(20, (ASK, "101", "0"))
    back = row(30, (ASK, "100.5", "1"))
    strategy = Scripted({1: lambda s: orders.append(s.buy("1.5", "101"))})

    result = ran(strategy, (BOOK, messages_of([SNAPSHOT, away, back])))

    assert shown(result) == [(10, "buy", "101", "1"), (30, "buy", "101", "0.5")]
    assert [fill.is_maker for fill in result.fills] == [False, True]
    assert (orders[0].state, orders[0].remaining) == ("filled", 0)


def test_orders_and_cancellations_take_their_time() -> None:
    prices = [(at, "100", "1") for at in (10, 14, 15, 16)]
    trades = trades_of(*prices, (17, "90", "1"), (30, "80", "1"))
    orders = []

    def send(strategy: Strategy) -> None:
        strategy.buy("1")
        orders.append(strategy.buy("1", "95"))
        orders.append(strategy.buy("1", "85"))

    def cancel(strategy: Strategy) -> None:
        for order in orders:
            strategy.cancel(order)

    # sent at 10, there at 15, before what comes at 15; cancelled at 14: there at 19
    strategy = Scripted({1: send, 2: cancel})
    result = ran(strategy, (TRADES, trades), broker=PaperBroker(latency_ns=5))

    assert shown(result) == [(15, "buy", "100", "1"), (17, "buy", "95", "1")]
    assert [order.state for order in orders] == ["filled", "cancelled"]


def test_with_latency_the_book_that_an_order_meets_is_that_of_its_arrival() -> None:
    better = row(13, (ASK, "100", "1"))
    later = row(50, (ASK, "100", "0"))
    strategy = Scripted({1: lambda s: s.buy("1")})

    result = ran(
        strategy, (BOOK, messages_of([SNAPSHOT, better, later])), broker=PaperBroker(latency_ns=5)
    )

    assert shown(result) == [(15, "buy", "100", "1")]


def test_after_a_gap_the_book_fills_nothing_until_the_next_snapshot() -> None:
    rows = [SNAPSHOT, gap(20, 5, 6, 15), row(30, (ASK, "90", "1"))]
    rows.append({**SNAPSHOT, "ts_event": 40})
    strategy = Scripted({2: lambda s: s.buy("1"), 3: lambda s: s.sell("1", "99")})

    result = ran(strategy, (BOOK, messages_of(rows)))

    assert [(kind, what) for kind, _, what in strategy.seen if kind == "book"] == [
        ("book", True),
        ("book", False),
        ("book", True),
    ]
    assert shown(result) == [(40, "buy", "101", "1"), (40, "sell", "99", "1")]


def test_with_candles_alone_orders_are_filled_at_the_open_or_their_price() -> None:
    rows = [
        candle(0, "100 101 99 100", "1"),
        candle(1, "102 103 98 99", "1"),
        candle(2, "96 97 95 96", "1"),
        candle(2, "1 2 1 1", "1"),  # a replacement, which comes too late
        candle(3, "96 110 96 110", "1"),
    ]
    first = []

    def send(strategy: Strategy) -> None:
        if not first:
            first.append(strategy.buy("1"))
            strategy.buy("1", "98")
            strategy.buy("1", "97")
            strategy.sell("1", "105")

    strategy = Scripted({"candle": send})
    result = ran(strategy, (CANDLES, candles_of_rows(rows)))

    ends = [fill.ts - result.fills[0].ts for fill in result.fills]
    assert [cells[1:] for cells in shown(result)] == [
        ("buy", "102", "1"),
        ("buy", "96", "1"),
        ("buy", "96", "1"),
        ("sell", "105", "1"),
    ]
    assert ends == [0, 60 * 10**9, 60 * 10**9, 120 * 10**9]
    assert len(strategy.candles) == 4


@pytest.mark.parametrize("size", [0.1, True, "x", "NaN", 0, "-1"])
def test_what_is_no_exact_size_is_refused(size: object) -> None:
    trades = trades_of((10, "100", "1"))
    with pytest.raises(UsageError):
        ran(Scripted({1: lambda s: s.buy(size)}), (TRADES, trades))


def test_a_broker_with_impossible_terms_is_refused() -> None:
    for terms in ({"cash": 0.1}, {"taker_fee": "many"}, {"latency_ns": -1}, {"latency_ns": 0.5}):
        with pytest.raises(UsageError):
            PaperBroker(**terms)
