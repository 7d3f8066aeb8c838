"""The real file as candles: by the command line, from a machine that fetches what it needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.candles import plain_candles
from support.commands import BINANCE, Machine
from support.rows import source_rows

Machines = Callable[[str], Machine]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def published(machines: Machines, binance_file: Path) -> Machine:
    machine = machines("publisher")
    machine.publish(binance_file, **BINANCE)
    return machine


def test_a_stranger_gets_the_candles_of_the_real_file(
    machines: Machines, published: Machine, binance_file: Path
) -> None:
    link = published.serve().link
    reader = machines("reader")
    expected = plain_candles(source_rows(binance_file), "5m")

    rows = reader.run("candles", "btcusdt", "--interval", "5m", "--from", link)

    found = [(row["ts_open"], row["open"], row["quote_volume"], row["trades"]) for row in rows]
    assert found == [
        (row.ts_open, _text(row.open), _text(row.quote_volume), row.trades) for row in expected
    ]
    last = reader.run("candles", "btcusdt", "--interval", "5m", "--offline", "--last", "3")
    assert last == rows[-3:]


def _text(value: object) -> str:
    return format(value, "f").rstrip("0").rstrip(".")


def test_candles_are_drawn_and_shown(published: Machine, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    chart = tmp_path / "chart.png"

    lines = published.run(
        "candles",
        "btcusdt",
        "--offline",
        "--interval",
        "1s",
        "--fill",
        "--plot",
        chart,
        "--end",
        "2022-01-15T00:05",
    )

    assert len(lines) == 300
    assert chart.read_bytes()[:8] == PNG
    error = published.fails(2, "candles", "btcusdt", "--offline", "--plot", tmp_path / "c.xyz")
    assert "can not be drawn" in error["message"]


def test_info_has_a_line_of_candles(published: Machine) -> None:
    command = [sys.executable, "-m", "tradercast", "info", "--data-dir", str(published.data_dir)]

    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "  by hour    █▃█▁▁▄▇█▄▇█▅  42,712.94 to 43,283.83" in text
