"""Candles in files, and as lines: what was written is read again as the same candles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given
from support.candle_rows import MINUTE, START, candle, candles, candles_of_rows, gap

from tradercast.candles import Candles
from tradercast.cli.records import record_objects
from tradercast.client import candle_text
from tradercast.client.candle_results import CandlesResult, candle_objects
from tradercast.client.export import open_export
from tradercast.feed.piece import Piece
from tradercast.feeds import FeedId
from tradercast.market.minute_candles import last_of_each
from tradercast.pipeline.files.sources import source_files

FEED = FeedId("bitfinex", "btcusd", "candles-1m")
COLUMNS = "ts_open=ts_open:ns," + ",".join(
    f"{name}={name}"
    for name in ("open", "high", "low", "close", "volume", "quote_volume", "trades")
)
ROWS = [
    candle(0, "42000.5 42001 41999.25 42000", "1.00000001", "42000.50042", 12),
    candle(1, "42000 42000 42000 42000", "2", "84000", 1),
    gap(START + 3 * MINUTE, 7, 9, START + 2 * MINUTE),
    candle(0, "42000.5 42003 41999.25 42000", "1.5", "63000.75", 13),  # replaces the first
    candle(2, "0 0 0 0", "0", "0", 0),  # says that there is none any more
]


def test_what_a_feed_comes_to_is_exported_and_published_again(tmp_path: Path) -> None:
    run = candles_of_rows(ROWS)
    for name in ("c.csv", "c.jsonl", "c.parquet"):
        with open_export(tmp_path / name, candles=True) as out:
            out.write(run[:2])
            out.write(run[2:])

    expected = last_of_each(run)
    batches = source_files(FEED, [tmp_path / "c.csv"], columns=COLUMNS).batches()
    again = Candles.concat([batch for batch in batches if isinstance(batch, Candles)])
    lines = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    frame = pl.read_parquet(tmp_path / "c.parquet")
    assert [row["high"] for row in lines] == ["42003", "42000"]
    assert again.equals(expected)
    assert lines == candle_objects(expected)
    assert frame["quote_volume"].to_list() == expected.quote_volume.to_decimals()  # type: ignore[union-attr]
    result = CandlesResult(expected, "1m")
    result.to_csv(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()


@given(candles())
def test_lines_are_those_of_the_json_module(run: Candles) -> None:
    plain = run.without_notes()

    lines = candle_text.jsonl_rows(plain).decode().splitlines()

    assert [json.loads(line) for line in lines] == candle_objects(plain)
    cells = [line.split(",") for line in candle_text.csv_rows(plain).decode().splitlines()]
    assert cells == [
        ["" if value is None else str(value) for value in row.values()]
        for row in candle_objects(plain)
    ]


def test_a_follower_sees_every_record() -> None:
    run = candles_of_rows(ROWS)

    lines = record_objects(FEED, Piece(run, np.arange(10, 15)))

    assert [line["type"] for line in lines] == ["candle", "candle", "gap", "candle", "candle"]
    assert [line["seq"] for line in lines] == [10, 11, 12, 13, 14]
    assert (lines[2]["missing_from"], lines[2]["missing_to"]) == (7, 9)
    assert lines[2]["ts_after"] == START + 3 * MINUTE
    assert (lines[3]["high"], lines[3]["trades"]) == ("42003", 13)
