"""``tradercast replay``: history in the order of time, then what is new."""

from __future__ import annotations

import signal
from pathlib import Path

from support.captures import SPOT
from support.commands import machine
from support.feeds import FEED
from support.live import MARKET, live_publisher
from support.real_data import real

RANGE = ("--start", "2024-08-08T23:55:00", "--end", "2024-08-08T23:55:05")


def test_trades_and_book_of_a_capture_as_lines(tmp_path: Path) -> None:
    capture = real("l2") / SPOT[0]
    named = {"exchange": "binance", "symbol": "btcusdt", "format": "binance-raw"}
    with machine(tmp_path) as own:
        for channel in ("trades", "book"):
            own.publish(capture, channel=channel, **named)
        both = ("replay", "btcusdt", "--channels", "trades,book", "--offline")
        lines = own.run(*both, *RANGE)
        paced = own.run(*both, *RANGE, "--speed", "50")
        error = own.fails(2, "replay", "btcusdt", "--channels", "trades,tape", "--offline")

    assert paced == lines
    assert all(line["valid"] for line in lines if line["type"] == "book")
    opening, *lines = lines
    assert opening["is_snapshot"]
    assert {line["type"] for line in lines} == {"trade", "book"}
    received = [line["ts_recv"] for line in lines]
    assert received == sorted(received) == [line["ts"] for line in lines]
    assert "candles-1m" in error["hint"]


def test_without_an_end_it_goes_on_live(tmp_path: Path) -> None:
    with machine(tmp_path / "publisher") as own, live_publisher(own) as live:
        live.write(to=500)
        live.written()
        with machine(tmp_path / "reader") as reader:
            replay = reader.start("replay", str(FEED), "--from", live.link)
            lines = [replay.line() for _ in range(500)]
            live.write(to=800)
            lines += [replay.line() for _ in range(300)]
            replay.interrupt()
            assert replay.process.wait(20) == 128 + signal.SIGINT

    assert [line["seq"] for line in lines] == list(range(800))
    assert [line["ts_event"] for line in lines] == MARKET.ts_event[:800].tolist()
