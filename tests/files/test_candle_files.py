"""Candles that an exchange made itself, from its files."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from tradercast.candles import Candles
from tradercast.errors import InputError
from tradercast.feeds import FeedId
from tradercast.market.candles import CandleBuilder
from tradercast.market.interval import INTERVALS
from tradercast.pipeline.files.sources import source_files
from tradercast.timerange import parse_time_ns

FEED = FeedId("bitmex", "xbtusd", "candles-1m")
VALUES = "open=open,high=high,low=low,close=close,volume=volume"
HEAD = "time,open,high,low,close,volume,n\n"


def read(path: Path, columns: str) -> Candles:
    batches = source_files(FEED, [path], columns=columns).batches()
    return Candles.concat([batch for batch in batches if isinstance(batch, Candles)])


def test_a_year_of_bitmex_whose_labels_are_the_ends_of_minutes(real_candles: Path) -> None:
    path = real_candles / "bitmex_XBTUSD_1m_2018.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))

    made = read(path, f"ts_close=timestamp:iso,{VALUES},trades=trades")

    assert len(made) == 525_600
    assert made.ts_open[0] == parse_time_ns("2017-12-31T23:59Z")
    for at in (0, 1, 60_000, 525_599):
        row = rows[at]
        assert int(made.ts_open[at]) == parse_time_ns(row["timestamp"]) - 60 * 10**9
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(made, name).to_decimals() == [Decimal(row[name]) for row in rows]
    assert made.counts().tolist() == [int(row["trades"]) for row in rows]
    assert made.quote_volume is None
    months = CandleBuilder(INTERVALS["1M"])
    months.add_candles(made)
    assert sum(months.candles().volume.to_decimals()) == sum(Decimal(row["volume"]) for row in rows)


def test_a_day_of_coinbase_by_ms_since_midnight(real_candles: Path) -> None:
    path = real_candles / "crypto_coinbase_minute_btcusd_20161007_trade.zip"

    made = read(path, "ts_open=#1:ms@UTC,open=#2,high=#3,low=#4,close=#5,volume=#6")

    assert len(made) == 1_419
    assert made.ts_open[1] - made.ts_open[0] == 60 * 10**9
    assert made.ts_open[0] == parse_time_ns("2016-10-07")
    assert made.close.to_strings()[:2] == ["611.9", "611.88"]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2024-01-01T00:01:30,1,2,1,2,5,1", "row 2 .*ts_open is not on a whole minute"),
        ("2024-01-01T00:01,1,x,1,2,5,1", "row 2 .*high 'x' is not a number"),
        ("2024-01-01T00:01,-1,2,-1,2,-5,1", "row 2 .*volume -5 is negative"),
        ("2024-01-01T00:01,1,2,1,2,5,1.5", "row 2 .*trades '1.5' is not a whole number"),
        ("2024-01-01T00:01,1,2,1,2,5", "row 2 .*6 columns instead of 7"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, row: str, what: str) -> None:
    path = tmp_path / "candles.csv"
    path.write_text(f"{HEAD}2024-01-01,-1,2,-1,2,5,1\n{row}\n")

    with pytest.raises(InputError, match=what):
        read(path, f"ts_open=time:iso,{VALUES},trades=n")
