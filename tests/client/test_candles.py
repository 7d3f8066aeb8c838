"""Candles from the client: those of a plain loop over the rows that were published."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.candles import candle_rows, plain_candles, trade_rows
from support.markets import BINANCE_BTCUSD, BTCUSD, between

from tradercast.candles import Candles
from tradercast.client.candle_results import CandlesResult
from tradercast.client.client import Client
from tradercast.client.results import TradesResult
from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.market.interval import INTERVALS
from tradercast.timerange import NS_PER_HOUR, parse_time_ns

MIDNIGHT = parse_time_ns("2024-01-06")
FEED = "bitfinex/btcusd"


@pytest.mark.parametrize("interval", list(INTERVALS))
def test_candles_are_those_of_the_published_trades(client: Client, interval: str) -> None:
    made = client.candles(FEED, interval)

    assert candle_rows(made.candles) == plain_candles(trade_rows(BTCUSD), interval)
    assert (made.interval, made.gaps) == (interval, ())
    assert made.equals(client.trades(FEED).candles(interval))


def test_a_range_is_of_whole_candles(client: Client) -> None:
    made = client.candles(FEED, "1h", "2024-01-05T22:30", "2024-01-06T00:30")

    inside = between(BTCUSD, MIDNIGHT - NS_PER_HOUR, MIDNIGHT + NS_PER_HOUR)
    assert candle_rows(made.candles) == plain_candles(trade_rows(inside), "1h")
    assert [str(time) for time in made.to_pandas().index] == [
        "2024-01-05 23:00:00+00:00",
        "2024-01-06 00:00:00+00:00",
    ]


def test_empty_intervals_come_only_when_asked_for() -> None:
    some = TradesResult(BINANCE_BTCUSD[::40], np.arange(0, len(BINANCE_BTCUSD), 40))
    held, full = some.candles("1s"), some.candles("1s", fill=True)

    empty = full.to_numpy()["trades"] == 0
    times = some.trades.ts_event // 10**9
    assert len(full) == times[-1] - times[0] + 1
    assert int(empty.sum()) == len(full) - len(held) > 0
    assert held.candles.equals(full.candles[~empty])


def test_the_frames_hold_the_same_numbers(client: Client) -> None:
    made = client.candles(FEED, "15m")
    rows = plain_candles(trade_rows(BTCUSD), "15m")

    arrays, exact = made.to_numpy(), made.to_polars("decimal")
    fixed, table = made.to_numpy("fixed"), made.to_arrow("str")

    assert arrays["ts_open"].tolist() == [row.ts_open for row in rows]
    assert arrays["close"].tolist() == [float(row.close) for row in rows]
    assert exact["quote_volume"].to_list() == [row.quote_volume for row in rows]
    assert exact.schema["ts_open"] == pl.Datetime("ns", "UTC")
    assert [Decimal(int(n)).scaleb(made.price_exponent) for n in fixed["low"]] == [
        row.low for row in rows
    ]
    assert [Decimal(text) for text in table["volume"].to_pylist()] == [row.volume for row in rows]
    assert made.to_pandas()["trades"].tolist() == [row.trades for row in rows]
    assert pa.table(made).num_rows == pl.DataFrame(made).height == len(rows)
    assert [Decimal(row["high"]) for row in made.rows()] == [row.high for row in rows]


def test_what_a_source_does_not_say_is_null() -> None:
    one = Decimals.from_ints([5], -1)
    bare = CandlesResult(Candles(np.array([MIDNIGHT]), one, one, one, one, one), "1d")

    assert bare.to_polars()["quote_volume"].to_list() == [None]
    assert bare.to_polars("decimal")["trades"].to_list() == [None]
    assert bare.to_arrow()["quote_volume"].null_count == 1
    assert np.isnan(bare.to_numpy()["quote_volume"]).all()
    assert pd.isna(bare.to_pandas()["trades"].iloc[0])
    assert (bare.rows()[0]["quote_volume"], bare.rows()[0]["open"]) == (None, "0.5")
    with pytest.raises(UsageError, match="no quote volume"):
        bare.to_numpy("fixed")


def test_a_result_shows_its_ends(client: Client) -> None:
    made = client.candles(FEED, "1m")

    text, markup = repr(made), made._repr_html_()

    first = dt.datetime.fromtimestamp(made.to_numpy()["ts_open"][0] / 1e9, dt.UTC)
    assert f"{len(made):,} candles of 1m" in text
    assert f"{first:%Y-%m-%dT%H:%M:%SZ}" in text
    assert len(text.splitlines()) == 9
    assert markup.count("<tr>") == 8
    assert len(made.head(2)) == 2


def test_an_interval_that_is_none_is_refused(client: Client) -> None:
    with pytest.raises(UsageError, match="'90m' is no interval"):
        client.candles(FEED, "90m")
    with pytest.raises(UsageError, match="too far"):
        client.candles(FEED, "1M", "1677-10-01")
