"""The examples, run as a newcomer runs them: with the link of a publisher of trades and a book."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.books import ASK, BID, messages_of, row
from support.commands import Serving, machine
from support.directories import ROOT
from support.feeds import market

from tradercast.client.export import export, open_export
from tradercast.timerange import format_time_ns

TRADES = market(3_000, per_hour=3_000, jitter_s=0)
START = int(TRADES.ts_event[0])


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Of a symbol whose book comes before its trades in every list."""
    root = tmp_path_factory.mktemp("publisher")
    rows = [row(START, (BID, "99", "2"), (ASK, "101", "3"), snapshot=True)]
    rows += [row(START + at * 10**9, (BID, "99", str(at))) for at in range(1, 90)]
    with open_export(root / "book.csv", book=("bitfinex", "BTCUSD")) as file:
        file.write(messages_of(rows))
    export(root / "trades.csv", [(TRADES, None)])
    with machine(root) as made:
        made.publish(root / "book.csv", channel="book", format="tardis-csv")
        made.publish(root / "trades.csv")
        yield made.serve()


@pytest.mark.parametrize(
    ("name", "more", "shown"),
    [
        ("read_trades", [], f"{len(TRADES):,} trades, volume"),
        ("stream_trades", [], f"{(TRADES.side == 1).sum():,} buys, {(TRADES.side == 2).sum():,} s"),
        ("missing_data", [], f"{len(TRADES):,} trades"),
        ("follow_live", ["7"], f"6 {format_time_ns(int(TRADES.ts_event[6]))}"),
        ("read_book", ["btcusd", format_time_ns(START + 10**9)], "mean spread 2.0"),
    ],
)
def test_it_runs_and_says_what_it_found(
    serving: Serving, tmp_path: Path, name: str, more: list[str], shown: str
) -> None:
    with machine(tmp_path) as reader:
        command = [sys.executable, ROOT / "examples" / f"{name}.py", serving.link, *more]
        ran = subprocess.run(
            command, env=reader.environ, capture_output=True, text=True, timeout=60, check=False
        )

    assert ran.returncode == 0, ran.stderr
    assert shown in ran.stdout
