"""A feed of minute candles between machines: published, found, read instead of the trades."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.candles import plain_candles, trade_rows
from support.commands import BINANCE, Machine
from support.feeds import market
from support.rows import source_rows

import tradercast
from tradercast.client.export import export
from tradercast.errors import NoPeerError
from tradercast.market.minute_candles import STEP

Machines = Callable[[str], Machine]
FEED = "binance/btcusdt"
COLUMNS = BINANCE["columns"]


@pytest.fixture
def published(machines: Machines, binance_file: Path) -> Machine:
    """Has trades, and the candles of their 719 closed minutes."""
    machine = machines("publisher")
    names = ("--exchange", "binance", "--symbol", "btcusdt", "--columns", COLUMNS)
    lines = machine.run("publish", binance_file, *names, "--candles")
    again = machine.run("publish", binance_file, *names, "--candles")
    assert [(line["feed"], line["added"]) for line in lines] == [
        (f"{FEED}/trades", 199_020),
        (f"{FEED}/candles-1m", 719),
    ]
    assert [line["added"] for line in again] == [0, 0]
    return machine


def held(machine: Machine) -> dict[str, int]:
    return {line["feed"]: line["held_records"] for line in machine.run("info")}


def test_a_reader_takes_minutes_and_builds_the_open_one_itself(
    machines: Machines, published: Machine, binance_file: Path
) -> None:
    link = published.serve().link
    expected = plain_candles(source_rows(binance_file), "15m")
    reader = machines("reader")

    rows = reader.run("candles", FEED, "--interval", "15m", "--from", link)

    assert [(row["ts_open"], row["open"], row["trades"]) for row in rows] == [
        (row.ts_open, f"{row.open.normalize():f}", row.trades) for row in expected
    ]
    assert {row["feed"] for row in rows} == {f"{FEED}/candles-1m"}
    have = held(reader)
    assert have[f"{FEED}/candles-1m"] == 719
    assert 298 <= have[f"{FEED}/trades"] < 100_000  # those of the last minute, and their chunks

    seconds = reader.run("candles", FEED, "--interval", "1s", "--end", "2022-01-15T00:10")
    assert {row["feed"] for row in seconds} == {f"{FEED}/trades"}


def test_candles_are_read_without_trades_and_without_a_peer(
    machines: Machines, published: Machine, binance_file: Path
) -> None:
    serving = published.serve()
    reader = machines("reader")
    reader.sync(f"{FEED}/candles-1m", "--from", serving.link)
    serving.kill()
    published.kill()

    with tradercast.connect(reader.data_dir) as client:
        made = client.candles(FEED, "1h", end="2022-01-15T11:00", sync=False)
        again = client.candles(FEED, "1h", end="2022-01-15T11:00")  # settled: nobody is asked
        last = client.candles(FEED, "1m", sync=False)
        with pytest.raises(NoPeerError):
            client.candles(FEED, "1m")

    rows = plain_candles(source_rows(binance_file), "1h")
    assert [(row["close"], row["trades"]) for row in made.rows()] == [
        (f"{row.close.normalize():f}", row.trades) for row in rows[:-1]
    ]
    assert made.equals(again)
    assert len(last) == 719


def test_a_minute_between_two_segments_has_the_trades_of_both(
    machines: Machines, tmp_path: Path
) -> None:
    trades = market(6_000, per_hour=6_000, jitter_s=0)
    cut = 2_945
    assert trades.ts_event[cut - 1] // STEP == trades.ts_event[cut] // STEP
    publisher, reader = machines("publisher"), machines("reader")
    for name, part in (("main", trades[cut:]), ("history", trades[:cut])):
        export(tmp_path / f"{name}.csv", [(part, None)])
        names = ("--exchange", "bitfinex", "--symbol", "btcusd", "--segment", name, "--candles")
        made = publisher.run("publish", tmp_path / f"{name}.csv", *names)
        assert [line["added"] > 0 for line in made] == [True, True]
        assert "is read before" not in publisher.commands[-1].stderr
    link = publisher.serve().link

    for interval in ("1m", "15m"):
        rows = reader.run("candles", "btcusd", "--interval", interval, "--from", link)
        assert [(row["ts_open"], row["close"], row["trades"]) for row in rows] == [
            (row.ts_open, f"{row.close.normalize():f}", row.trades)
            for row in plain_candles(trade_rows(trades), interval)
        ]


def test_a_segment_that_is_no_history_is_warned_of(machines: Machines, tmp_path: Path) -> None:
    trades, publisher = market(200, jitter_s=0), machines("publisher")
    for name, part in (("main", trades[:100]), ("next", trades[100:])):
        export(tmp_path / f"{name}.csv", [(part, None)])
        publisher.publish(tmp_path / f"{name}.csv", segment=name)

    assert "next is read before main, but ends at" in publisher.commands[-1].stderr
