"""Backtests of a shared capture, also by the examples; both clients; what a result gives."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from support.captures import first_lines
from support.commands import Machine, machine

import tradercast
from examples import market_making, moving_averages
from examples.market_making import MarketMaker
from tradercast.client.engines import CLEAR, SNAPSHOT
from tradercast.client.strategy_result import StrategyResult
from tradercast.errors import UnknownSymbolError, UsageError
from tradercast.timerange import parse_time_ns

SYMBOL, BOTH = "binance/btcusdt", ["trades", "book"]
MIDDLE = "2024-08-08T23:55:00Z"
BROKER = tradercast.PaperBroker("10000", "0.00002", "0.0004", latency_ns=5_000_000)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Trades and book of the first minute and a half of a capture."""
    root = tmp_path_factory.mktemp("capture")
    capture = root / "capture.jsonl"
    with machine(root) as made:
        capture.write_bytes(b"".join(first_lines(4_000)))
        for channel in BOTH:
            named = {"exchange": "binance", "symbol": "btcusdt", "format": "binance-raw"}
            made.publish(capture, channel=channel, **named)
        yield made


@pytest.fixture(scope="module")
def data_dir(published: Machine) -> Path:
    return published.data_dir


@pytest.fixture(scope="module")
def result(data_dir: Path) -> StrategyResult:
    with tradercast.connect(data_dir) as client:
        return tradercast.backtest(
            MarketMaker(), SYMBOL, channels=BOTH, broker=BROKER, client=client, sync=False
        )


def test_the_market_maker_trades_on_both_sides_and_keeps_to_its_limit(
    result: StrategyResult,
) -> None:
    told = result.summary()

    assert told["fills"] == told["buys"] + told["sells"] == len(result.fills)
    assert min(told["buys"], told["sells"]) > 5
    assert all(abs(fill.position) <= Decimal("0.05") for fill in result.fills)
    signed = [f.size if f.side == "buy" else -f.size for f in result.fills]
    assert result.positions.get(SYMBOL, 0) == sum(signed)
    paid = sum(f.price * (f.size if f.side == "buy" else -f.size) for f in result.fills)
    assert result.cash == 10_000 - paid - result.fees
    rates = {True: Decimal("0.00002"), False: Decimal("0.0004")}
    assert all(fill.fee == fill.price * fill.size * rates[fill.is_maker] for fill in result.fills)


def test_quotes_are_filled_by_trades_through_their_price(
    result: StrategyResult, data_dir: Path
) -> None:
    with tradercast.connect(data_dir) as client:
        trades = client.trades(SYMBOL, sync=False).to_numpy("decimal")
    checked = 0
    for fill in result.fills:
        prices = trades["price"][trades["ts_recv"] == fill.ts]
        if len(prices):  # otherwise it was the book that reached it
            low, high = prices.min(), prices.max()
            assert low < fill.price if fill.side == "buy" else high > fill.price
            checked += 1
    assert checked > 5


def test_both_clients_and_a_range_of_its_own(result: StrategyResult, data_dir: Path) -> None:
    async def run() -> StrategyResult:
        async with tradercast.aio.connect(data_dir) as client:
            return await tradercast.aio.backtest(
                MarketMaker(), SYMBOL, channels=BOTH, broker=BROKER, client=client, sync=False
            )

    found = asyncio.run(run())
    assert found.fills == result.fills
    assert found.equity.points == result.equity.points


def test_a_result_as_columns_frames_text_and_a_picture(
    result: StrategyResult, tmp_path: Path
) -> None:
    columns = result.to_numpy("decimal")
    frame, curve = result.to_pandas(), result.equity.to_pandas()
    result.plot(tmp_path / "equity.png", title="a title")

    assert columns["price"].tolist() == [fill.price for fill in result.fills]
    assert columns["ts"].dtype == np.int64
    assert frame.index.name == curve.index.name == "ts"
    assert str(frame.index.tz) == "UTC"
    assert frame["size"].sum() == pytest.approx(float(sum(f.size for f in result.fills)))
    assert curve["equity"].iloc[-1] == pytest.approx(float(result.summary()["equity"]))
    assert result.rows()[0]["price"] == f"{result.fills[0].price.normalize():f}"
    assert f"{len(result.fills)} fills" in repr(result)
    assert (tmp_path / "equity.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match="drawn"):
        result.plot(tmp_path / "equity.txt")


def test_the_examples_run(
    result: StrategyResult,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TRADERCAST_DATA_DIR", str(data_dir))
    monkeypatch.setattr(sys, "argv", ["x", SYMBOL, "--plot", str(tmp_path / "made.svg")])
    market_making.main()
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed["fills"] == str(len(result.fills))
    assert printed["pnl"] == str(result.pnl)
    assert b"<svg" in (tmp_path / "made.svg").read_bytes()

    monkeypatch.setattr(sys, "argv", ["x", SYMBOL, "--interval", "1s"])
    moving_averages.main()
    *fills, last = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in fills[-2:]] in (["buy", "sell"], ["sell", "buy"])
    assert "of fees" in last


def test_a_run_that_begins_in_the_middle_has_the_book(data_dir: Path) -> None:
    with tradercast.connect(data_dir) as client:
        result = tradercast.backtest(
            MarketMaker(), SYMBOL, MIDDLE, channels=BOTH, broker=BROKER, client=client, sync=False
        )

    assert len(result.fills) > 5


def test_an_export_for_hftbacktest_has_trades_and_the_book_from_the_start(
    published: Machine,
) -> None:
    [told] = published.run(
        "export", "btcusdt", "--format", "hftbacktest", "--out", published.root, "--start", MIDDLE
    )
    with tradercast.connect(published.data_dir) as client:
        wanted = (SYMBOL, MIDDLE, parse_time_ns(MIDDLE) + 10**12, BOTH)
        batches = list(client.replay(*wanted, sync=False, batches=True))
    found = np.load(told["out"])["data"]
    kind = found["ev"] & np.uint64(0xFF)

    assert Path(told["out"]).name == "binance_btcusdt.npz"
    assert told["records"] == sum(map(len, batches))
    assert found.tobytes() == tradercast.engines.hftbacktest(batches).tobytes()
    assert kind[:3].tolist() == [CLEAR, CLEAR, SNAPSHOT]
    assert (found["local_ts"] > found["exch_ts"]).any()
    error = published.fails(2, "export", "btcusdt", "--format", "excel", "--out", "x.xls")
    assert "freqtrade" in error["hint"]


def test_what_is_not_there_is_said(data_dir: Path) -> None:
    with tradercast.connect(data_dir) as client, pytest.raises(UnknownSymbolError):
        tradercast.backtest(MarketMaker(), "nothing", client=client, sync=False)
