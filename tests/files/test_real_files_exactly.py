"""Every row of the real files, against the standard library's csv and Decimal."""

import csv
import datetime as dt
import gzip
import io
import zipfile
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tradercast.pipeline.files import read_trades, survey
from tradercast.records import Trades
from tradercast.timerange import format_time_ns, parse_time_ns

NEW_YORK = ZoneInfo("America/New_York")


def rows_of(path):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return list(csv.reader(io.StringIO(archive.read(archive.namelist()[0]).decode())))
    with gzip.open(path, "rt", newline="") as text:
        return list(csv.reader(text))


def read(path, columns):
    return Trades.concat(list(read_trades([path], columns)))


def test_binance_milliseconds(real_trades):
    path = real_trades / "binance_spot_BTCUSDT_20220115_00h-12h.csv.gz"
    expected = rows_of(path)[1:]

    trades = read(path, "ts_event=timestamp_ms:ms,price=price,size=quantity")

    assert len(trades) == 199_020
    assert trades.ts_event.tolist() == [int(row[0]) * 1_000_000 for row in expected]
    assert trades.price.to_decimals() == [Decimal(row[1]) for row in expected]
    assert trades.size.to_decimals() == [Decimal(row[2]) for row in expected]
    assert not trades.side.any()
    assert trades.ts_recv is None
    assert trades.trade_id is None


def test_coinbase_sides_quotes_and_exponents(real_trades):
    path = real_trades / "questdb_BTC-USD_20230905_16h.csv.gz"
    expected = rows_of(path)[1:]

    trades = read(path, "ts_event=timestamp:iso,side=side,price=price,size=amount")

    assert len(trades) == 5_882
    assert trades.ts_event.tolist() == [parse_time_ns(row[4]) for row in expected]
    assert trades.side.tolist() == [{"buy": 1, "sell": 2}[row[1]] for row in expected]
    assert trades.price.to_decimals() == [Decimal(row[2]) for row in expected]
    assert trades.size.to_decimals() == [Decimal(row[3]) for row in expected]
    assert any("E" in row[3] for row in expected)


def test_unix_seconds_without_header_and_side_any(real_trades):
    path = real_trades / "binance_BTCUSDT_20201116_gct.csv.gz"
    expected = rows_of(path)

    trades = read(path, "ts_event=#1:s,price=#2,size=#3,side=#4")

    assert len(trades) == len(expected)
    assert trades.ts_event.tolist() == [int(row[0]) * 10**9 for row in expected]
    assert trades.price.to_decimals() == [Decimal(row[1]) for row in expected]
    assert trades.size.to_decimals() == [Decimal(row[2]) for row in expected]
    assert {row[3] for row in expected} == {"ANY"}
    assert not trades.side.any()


@pytest.mark.parametrize("day", [7, 8, 9])
def test_equity_ticks_in_new_york_time(real_trades, day):
    path = real_trades / f"us_equity_spy_2013100{day}_trade.zip"
    expected = rows_of(path)
    midnight = parse_time_ns(dt.datetime(2013, 10, day, tzinfo=NEW_YORK))

    trades = read(path, "ts_event=#1:ms@America/New_York,price=#2*0.0001,size=#3")

    assert trades.ts_event.tolist() == [midnight + int(row[0]) * 1_000_000 for row in expected]
    assert trades.price.to_decimals() == [Decimal(row[1]) / 10_000 for row in expected]
    assert trades.size.to_decimals() == [Decimal(row[2]) for row in expected]


def test_several_files_in_the_order_given(real_trades):
    paths = [real_trades / f"us_equity_spy_2013100{day}_trade.zip" for day in (7, 8, 9)]
    columns = "ts_event=#1:ms@America/New_York,price=#2*0.0001,size=#3"
    heard = []

    info = survey(paths, columns, progress=lambda done, total: heard.append((done, total)))

    assert info.files == 3
    assert info.rows == 1_141_823
    assert info.bytes == sum(path.stat().st_size for path in paths)
    assert format_time_ns(info.first_ns) == "2013-10-07T08:00:00.464000000Z"
    assert format_time_ns(info.last_ns) == "2013-10-09T23:59:47.840000000Z"
    assert info.columns[2] == ("ts_event=#1:ms@America/New_York/2013-10-09,price=#2*0.0001,size=#3")
    assert heard == sorted(heard)
    assert heard[-1] == (info.bytes, info.bytes)
