"""What is exported is exact, and reads back as what it was."""

import csv
import io
import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradercast.client.batches import split
from tradercast.client.export import export
from tradercast.client.text_rows import CSV_HEADER, csv_rows, jsonl_rows
from tradercast.pipeline.files import read_trades
from tradercast.records import NO_TIME, Decimals, Ids, Trades

TIMES = st.integers(-(2**63) + 1, 2**63 - 1)
PRICES = st.one_of(
    st.decimals("-1e6", "1e6", places=2),
    st.decimals("-1e12", "1e12", places=18),
    st.integers(-(2**63), 2**63 - 1).map(Decimal),
    st.sampled_from(
        ["1e40", "-1e-60", "0", "123456789012345678.5", "1e-18", "9223372036854775808"]
    ).map(Decimal),
)
PARQUET_PRICES = st.decimals("-1e18", "1e18", places=18) | st.integers(-(10**6), 10**6).map(Decimal)
IDS = st.none() | st.integers(0, 2**63 - 1).map(str) | st.text(max_size=8).filter(
    lambda text: "\0" not in text and text.isprintable() and text != ""
) | st.sampled_from(["0017", 'a"b', "a,b", "two\nlines", "a\r", " padded ", "-1", '"'])  # fmt: skip

SIDES = ("unknown", "buy", "sell")


def trades_of(prices):
    row = st.tuples(TIMES, st.none() | TIMES, IDS, st.integers(0, 2), prices, prices.map(abs))
    return st.lists(row, min_size=1, max_size=30).map(made)


def made(rows):
    times, recv, ids, sides, prices, sizes = zip(*rows, strict=True)
    return Trades(
        np.array(times, np.int64),
        Decimals.from_decimals(prices),
        Decimals.from_decimals(sizes),
        np.array(sides, np.uint8),
        np.array([NO_TIME if time is None else time for time in recv], np.int64),
        Ids.from_strings(ids),
    )


def plain(decimal):
    """Fixed-point text without trailing zeros, by the standard library."""
    text = format(decimal, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


@given(trades_of(PRICES))
def test_csv_as_the_standard_library_reads_it(trades):
    rows = list(csv.reader(io.StringIO(csv_rows(trades).decode(), newline="")))

    assert [int(row[0]) for row in rows] == trades.ts_event.tolist()
    assert [int(row[1] or NO_TIME) for row in rows] == trades.ts_recv.tolist()
    assert [row[2] or None for row in rows] == trades.trade_id.to_strings()
    assert [row[3] for row in rows] == [SIDES[code] for code in trades.side.tolist()]
    assert [row[4] for row in rows] == [plain(price) for price in trades.price.to_decimals()]
    assert [row[5] for row in rows] == [plain(size) for size in trades.size.to_decimals()]


@given(trades_of(PRICES))
def test_json_lines_as_the_standard_library_reads_them(trades):
    rows = [json.loads(line) for line in jsonl_rows(trades).decode().splitlines(keepends=False)
            if line]  # fmt: skip

    assert [row["ts_event"] for row in rows] == trades.ts_event.tolist()
    assert [row["ts_recv"] for row in rows] == [
        None if time == NO_TIME else time for time in trades.ts_recv.tolist()
    ]
    assert [row["trade_id"] for row in rows] == trades.trade_id.to_strings()
    assert [Decimal(row["price"]) for row in rows] == trades.price.to_decimals()
    assert [Decimal(row["size"]) for row in rows] == trades.size.to_decimals()
    assert {row["side"] for row in rows} <= {"unknown", "buy", "sell"}


@settings(max_examples=60)
@given(trades_of(PRICES), st.sampled_from(["csv", "jsonl"]))
def test_text_files_read_back(tmp_path_factory, trades, kind):
    path = tmp_path_factory.mktemp("round") / f"x.{kind}"

    export(path, [(trades, None)])

    assert Trades.concat(list(read_trades([path]))).equals(trades)


@settings(max_examples=60)
@given(trades_of(PARQUET_PRICES))
def test_parquet_files_read_back(tmp_path_factory, trades):
    pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("round") / "x.parquet"

    export(path, split(trades, None, 7))

    assert Trades.concat(list(read_trades([path]))).equals(trades)


@given(st.integers(0, 40), st.integers(1, 50))
def test_a_run_is_split_without_loss(count, rows):
    trades = made([(i, None, None, 0, Decimal(i), Decimal(1)) for i in range(count + 1)])[:count]
    seq = np.arange(count)

    pieces = list(split(trades, seq, rows))

    assert all(0 < len(run) <= rows and len(run) == len(part) for run, part in pieces)
    assert Trades.concat([run for run, _ in pieces]).equals(trades)
    assert [i for _, part in pieces for i in part.tolist()] == list(range(count))


def test_the_real_binance_file_comes_out_as_it_went_in(real_trades, tmp_path):
    source = real_trades / "binance_spot_BTCUSDT_20220115_00h-12h.csv.gz"
    columns = "ts_event=timestamp_ms:ms,price=price,size=quantity"
    trades = Trades.concat(list(read_trades([source], columns)))

    written = export(tmp_path / "x.csv", split(trades, None, 10_000))

    text = (tmp_path / "x.csv").read_bytes()
    rows = list(csv.reader(io.StringIO(text.decode())))[1:]
    assert written.records == len(rows) == 199_020
    assert written.bytes == len(text)
    assert text == CSV_HEADER + csv_rows(trades)
    assert [int(row[0]) for row in rows] == trades.ts_event.tolist()
    assert [Decimal(row[4]) for row in rows] == trades.price.to_decimals()
    assert [Decimal(row[5]) for row in rows] == trades.size.to_decimals()
    assert {tuple(row[1:4]) for row in rows} == {("", "", "unknown")}
