"""Candles of the real files: equal to a plain loop, and to what the exchange made itself."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.candles import candle_rows, plain_candles, trade_rows

from tradercast.candles import Candles
from tradercast.decimals import Decimals
from tradercast.market.candles import CandleBuilder, candles_of
from tradercast.market.interval import INTERVALS
from tradercast.pipeline.files import read_trades
from tradercast.records import Trades
from tradercast.timerange import parse_time_ns

EVERY = ("1s", "1m", "15m", "1h", "1w")
FILES = {
    "binance_spot_BTCUSDT_20220115_00h-12h.csv.gz": (
        "ts_event=timestamp_ms:ms,price=price,size=quantity",
        EVERY,
    ),
    "questdb_BTC-USD_20230905_16h.csv.gz": (
        "ts_event=timestamp:iso,price=price,size=amount",
        EVERY,
    ),
    "binance_BTCUSDT_20201116_gct.csv.gz": ("ts_event=#1:s,price=#2,size=#3", EVERY),
    "us_equity_spy_20131009_trade.zip": (
        "ts_event=#1:ms@America/New_York,price=#2*0.0001,size=#3",
        ("5m",),
    ),
}
# days of Coinbase of which there are candles of two intervals
SECONDS = ("20161007", "20161008", "20161009")
MINUTES = (*SECONDS, "20170903", "20171217", "20180404", "20180405", "20180406")


@pytest.mark.parametrize("name", FILES)
def test_candles_of_real_trades_are_those_of_a_plain_loop(real_trades: Path, name: str) -> None:
    columns, intervals = FILES[name]
    trades = Trades.concat(list(read_trades([real_trades / name], columns)))
    rows = trade_rows(trades)

    for interval in intervals:
        made = candles_of(trades, INTERVALS[interval])
        assert candle_rows(made) == plain_candles(rows, interval), interval


def coinbase(folder: Path, kind: str, day: str | None = None) -> Candles:
    """The exchange's own candles, as the shared zip files have them: labelled by their opening."""
    stem = f"crypto_coinbase_{kind}_btcusd_" + (f"{day}_trade" if day else "trade")
    with zipfile.ZipFile(folder / f"{stem}.zip") as archive:
        rows = list(csv.reader(io.StringIO(archive.read(archive.namelist()[0]).decode())))
    if day:
        times = [parse_time_ns(day) + int(row[0]) * 1_000_000 for row in rows]
    else:
        times = [parse_time_ns(row[0][:8]) for row in rows]
    columns = (Decimals.from_strings([row[at] for row in rows]) for at in range(1, 6))
    return Candles(np.array(times, np.int64), *columns)


def larger(candles: Candles, interval: str) -> Candles:
    builder = CandleBuilder(INTERVALS[interval])
    builder.add_candles(candles)
    return builder.candles()


@pytest.mark.parametrize("day", SECONDS)
def test_minutes_of_seconds_are_those_of_the_exchange(real_candles: Path, day: str) -> None:
    minutes = larger(coinbase(real_candles, "second", day), "1m")

    assert minutes.equals(coinbase(real_candles, "minute", day))
    assert len(minutes) < 1_440  # minutes without a trade have no candle


@pytest.mark.parametrize("day", MINUTES)
def test_a_day_of_minutes_is_that_of_the_exchange(real_candles: Path, day: str) -> None:
    minutes, days = coinbase(real_candles, "minute", day), coinbase(real_candles, "daily")

    made = larger(minutes, "1d")

    assert made.equals(days[np.flatnonzero(days.ts_open == parse_time_ns(day))])
    assert larger(larger(minutes, "15m"), "1d").equals(made)
