"""Frames for other engines: what they document, and the engines themselves where they are.

``pip install -e '.[engines]'`` installs hftbacktest (MIT) and nautilus_trader (LGPL).
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import captures
from support.captures import first_lines
from support.feeds import market

from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.client import engines
from tradercast.client.bbo import BboResult
from tradercast.client.book_snapshots import BookSnapshots
from tradercast.client.candle_results import CandlesResult
from tradercast.client.engines import CLEAR, DEPTH, EXCH, LOCAL, SNAPSHOT, TRADE
from tradercast.client.results import TradesResult
from tradercast.feeds import FeedId
from tradercast.market.bbo import BestPrices
from tradercast.market.book import Book
from tradercast.market.book_steps import BookSteps
from tradercast.market.candles import candles_of
from tradercast.market.interval import Interval
from tradercast.pipeline.files.binance_raw import read_book
from tradercast.pipeline.files.binance_trades import read_capture_trades
from tradercast.records import Trades

NO_ENGINES = "no engines, which take 1.5 GB: pip install -e '.[engines]'"
HFTBACKTEST = Path(captures.__file__).with_name("hftbacktest_run.py")


@pytest.fixture(scope="module")
def capture() -> tuple[Trades, BookMessages]:
    """Trades and book of the first minutes of a real capture."""
    lines = first_lines(4_000)
    trades = Trades.concat(list(read_capture_trades([("capture", lines)])))
    return trades, BookMessages.concat(list(read_book([("capture", lines)])))


@pytest.fixture(scope="module")
def events(capture: tuple[Trades, BookMessages]) -> Any:
    return engines.hftbacktest_events(capture)


@pytest.fixture(scope="module")
def book(capture: tuple[Trades, BookMessages]) -> Book:
    """The book after all messages."""
    made = Book()
    made.apply(capture[1])
    return made


@pytest.fixture(scope="module")
def hour() -> CandlesResult:
    return CandlesResult(candles_of(market(9_000, per_hour=9_000), Interval.parse("5m")), "5m")


def levels_after(events: Any) -> dict[str, dict[float, float]]:
    """The plainest reading of events: both sides of the book behind them."""
    sides: dict[str, dict[float, float]] = {"bid": {}, "ask": {}}
    for ev, price, size in zip(events["ev"].tolist(), events["px"], events["qty"], strict=True):
        name = "bid" if ev & engines.BUY else "ask"
        side = sides[name]
        if ev & 0xFF == CLEAR:
            reached = [p for p in side if (p >= price if name == "bid" else p <= price)]
            for each in reached:
                del side[each]
        elif ev & 0xFF in (DEPTH, SNAPSHOT):
            if size:
                side[float(price)] = float(size)
            else:
                side.pop(float(price), None)
    return sides


@pytest.mark.parametrize("flag", [LOCAL, EXCH])
def test_events_give_the_book_and_the_trades_on_both_sides(
    flag: int, events: Any, book: Book, capture: tuple[Trades, BookMessages]
) -> None:
    seen = events[events["ev"] & np.uint64(flag) != 0]
    times = seen["local_ts" if flag == LOCAL else "exch_ts"]
    trades = seen[seen["ev"] & np.uint64(0xFF) == TRADE]

    assert (np.diff(times) >= 0).all()
    assert trades["px"].tolist() == capture[0].price.to_float().tolist()
    assert trades["qty"].tolist() == capture[0].size.to_float().tolist()
    for side, name in ((BookSide.BID, "bid"), (BookSide.ASK, "ask")):
        held = book.levels(side)
        expected = dict(zip(held.price.to_float(), held.size.to_float(), strict=True))
        assert levels_after(seen)[name] == expected


def test_local_times_are_never_before_those_of_the_exchange(events: Any) -> None:
    assert (events["local_ts"] >= events["exch_ts"]).all()
    trades = market(1_000, jitter_s=0)
    plain = engines.hftbacktest_events([trades], base_latency_ns=7)
    assert plain["exch_ts"].tolist() == trades.ts_event.tolist()
    assert (plain["local_ts"] - plain["exch_ts"] == 7).all()
    assert (plain["ev"] & np.uint64(LOCAL | EXCH) == LOCAL | EXCH).all()


def test_what_arrives_out_of_the_exchange_s_order_is_put_twice() -> None:
    one, two = market(4, jitter_s=0), market(4, jitter_s=0)
    # the second feed takes 0.3 s longer, and a trade comes each 0.12 s
    slow = Trades(two.ts_event, two.price, two.size, two.side, ts_recv=two.ts_event + 300_000_000)
    fast = Trades(one.ts_event, one.price, one.size, one.side, ts_recv=one.ts_event + 1)
    events = engines.hftbacktest_events([fast, slow])

    for flag, column in ((EXCH, "exch_ts"), (LOCAL, "local_ts")):
        times = events[column][events["ev"] & np.uint64(flag) != 0]
        assert len(times) == 8
        assert (np.diff(times) >= 0).all()
    assert len(events) > 8


def test_hftbacktest_itself_sees_the_same_book(events: Any, book: Book, tmp_path: Path) -> None:
    if importlib.util.find_spec("hftbacktest") is None:
        pytest.skip(NO_ENGINES)
    file = tmp_path / "events.npz"
    np.savez_compressed(file, data=events)
    run = subprocess.run([sys.executable, HFTBACKTEST, file], stdout=subprocess.PIPE, check=True)
    told = json.loads(run.stdout)

    bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
    assert bid is not None
    assert ask is not None
    assert (told["bid"], told["ask"]) == pytest.approx((float(bid[0]), float(ask[0])))
    seen = {int(tick): size for tick, size in told["asks"].items() if size}
    expected = {round(p * 100): float(size) for p, size in book.top(BookSide.ASK, len(seen))}
    assert len(seen) > 20
    assert seen == pytest.approx(expected)


def test_candles_for_backtesting_py(hour: CandlesResult) -> None:
    frame = engines.ohlcv(hour)

    assert frame.columns.tolist() == ["Open", "High", "Low", "Close", "Volume"]
    assert frame.index.is_monotonic_increasing
    assert not frame.isna().any(axis=None)
    assert frame["Close"].tolist() == hour.to_numpy()["close"].tolist()


def test_bars_are_indexed_by_their_end(hour: CandlesResult) -> None:
    frame = engines.nautilus_bars(hour)
    month = CandlesResult(candles_of(market(100), Interval.parse("1M")), "1M")

    assert frame.columns.tolist() == ["open", "high", "low", "close", "volume"]
    ends = hour.candles.ts_open + 300 * 10**9
    assert frame.index.view(np.int64).tolist() == ends.tolist()
    assert str(engines.nautilus_bars(month).index[0]) == "2024-02-01 00:00:00+00:00"


def test_nautilus_trader_itself_takes_all_three(
    hour: CandlesResult, capture: tuple[Trades, BookMessages]
) -> None:
    pytest.importorskip("nautilus_trader", reason=NO_ENGINES)
    from nautilus_trader.model.data import BarType
    from nautilus_trader.persistence import wranglers
    from nautilus_trader.test_kit.providers import TestInstrumentProvider

    instrument = TestInstrumentProvider.btcusdt_binance()
    trades, quotes = TradesResult(capture[0], np.arange(len(capture[0]))), quotes_of(capture[1])
    ticks = wranglers.TradeTickDataWrangler(instrument).process(engines.nautilus_trades(trades))
    seen = wranglers.QuoteTickDataWrangler(instrument).process(engines.nautilus_quotes(quotes))
    kind = BarType.from_str(f"{instrument.id}-5-MINUTE-LAST-EXTERNAL")
    bars = wranglers.BarDataWrangler(kind, instrument).process(engines.nautilus_bars(hour))

    assert [tick.ts_event for tick in ticks] == capture[0].ts_event.tolist()
    assert [str(tick.trade_id) for tick in ticks] == trades.trades.trade_id.to_strings()
    prices = trades.to_numpy()["price"]
    assert [float(tick.price) for tick in ticks] == pytest.approx(prices.tolist(), abs=0.011)
    assert len(seen) == int(quotes.valid.sum())
    assert all(quote.bid_price < quote.ask_price for quote in seen)
    assert [float(bar.close) for bar in bars] == pytest.approx(hour.to_numpy()["close"].tolist())


def test_quotes_are_the_best_levels_of_steps_and_of_changes(
    capture: tuple[Trades, BookMessages], book: Book
) -> None:
    steps = engines.nautilus_quotes(quotes_of(capture[1]))
    prices = BestPrices(0, 2**62)
    prices.begin()
    rows = prices.take(0, None, capture[1])
    changes = engines.nautilus_quotes(BboResult(FeedId("binance", "btcusdt", "book"), rows))
    bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)

    assert steps.columns.tolist() == changes.columns.tolist()
    assert bid is not None
    assert ask is not None
    expected = [float(bid[0]), float(ask[0]), float(bid[1]), float(ask[1])]
    assert changes.iloc[-1].tolist() == expected
    assert len(changes) > len(steps) > 10


def quotes_of(book: BookMessages) -> BookSnapshots:
    times = np.arange(int(book.ts_event[0]), int(book.ts_event[-1]), 10**9)
    steps = BookSteps(times, 1)
    steps.take(0, None, book)
    return BookSnapshots(FeedId("binance", "btcusdt", "book"), times, 1, steps)


def test_trades_without_ids_or_sides() -> None:
    made = market(3, jitter_s=0)
    bare = Trades(made.ts_event, made.price, made.size, np.array([1, 0, 2], np.uint8))
    frame = engines.nautilus_trades(TradesResult(bare, np.array([5, 6, 7])))
    known = engines.nautilus_trades(TradesResult(made, np.arange(3)))

    assert frame.columns.tolist() == ["price", "quantity", "trade_id"]
    assert frame["trade_id"].tolist() == ["5", "6", "7"]
    assert set(known["side"]) <= {"BUY", "SELL"}
