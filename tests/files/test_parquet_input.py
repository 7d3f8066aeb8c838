"""Parquet in: every type of column that data sellers use, exactly."""

import datetime as dt
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradercast.errors import InputError
from tradercast.pipeline.files import read_trades, survey
from tradercast.pipeline.files.parquet_file import BATCH_ROWS
from tradercast.records import NO_TIME, Trades

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

T = 1_700_000_000_000_000_001
US = pa.timestamp("us")
COLUMNS = "ts_event=t:ms,price=p,size=s"


def write_table(tmp_path, **columns):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def read(path, columns=None, **options):
    return Trades.concat(list(read_trades([path], columns, **options)))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([150, -7]), ["150", "-7"]),
        (pa.array([2**63, 1], pa.uint64()), ["9223372036854775808", "1"]),
        (pa.array([0.1, 1e-7]), ["0.1", "0.0000001"]),
        (pa.array([0.1, 16777216.0], pa.float32()), ["0.1", "16777216"]),
        (pa.array([Decimal("1.50"), Decimal("-0.25")]), ["1.5", "-0.25"]),
        (pa.array([Decimal("43059.97"), Decimal(1)], pa.decimal128(38, 18)), ["43059.97", "1"]),
        (pa.array([Decimal("1e20"), Decimal("1e-18")], pa.decimal256(60, 20)),
         ["100000000000000000000", "0.000000000000000001"]),
        (pa.array(["1.50", "3.844E-5"]), ["1.5", "0.00003844"]),
        (pa.array(["1.50", "2"], pa.large_string()), ["1.5", "2"]),
        (pa.array(["1.50", "2"]).dictionary_encode(), ["1.5", "2"]),
    ],
)  # fmt: skip
def test_prices_of_every_type(tmp_path, column, expected):
    path = write_table(tmp_path, t=[1, 2], p=column, s=[1, 1])

    assert read(path, COLUMNS).price.to_strings() == expected


@pytest.mark.parametrize(
    ("column", "how"),
    [
        (pa.array([T], pa.timestamp("ns")), "ms"),
        (pa.array([T], pa.timestamp("ns", "America/New_York")), "iso@Asia/Tokyo"),
        (pa.array([T]), "ns"),
        (pa.array(["2023-11-14T22:13:20.000000001Z"]), "iso"),
        (pa.array([Decimal("1700000000000.000001")]), "ms"),
        (pa.array([dt.datetime(2023, 11, 15, 7, 13, 20)], US), "iso@Asia/Tokyo"),
    ],
)  # fmt: skip
def test_times_of_every_type(tmp_path, column, how):
    path = write_table(tmp_path, t=column, p=[1], s=[1])

    time = read(path, f"ts_event=t:{how},price=p,size=s").ts_event.tolist()

    assert time == [T - (column.type == US)]


def test_absent_values(tmp_path):
    path = write_table(
        tmp_path,
        ts_event=pa.array([T, T, T], pa.timestamp("ns", "UTC")),
        ts_recv=pa.array([None, T + 5, None], pa.timestamp("ns", "UTC")),
        trade_id=["a", None, "7"],
        side=pa.array(["buy", None, "sell"]).dictionary_encode(),
        price=[1.5, 2.0, 3.0],
        size=[1, 2, 3],
    )

    trades = read(path)

    assert trades.ts_recv.tolist() == [NO_TIME, T + 5, NO_TIME]
    assert trades.trade_id.to_strings() == ["a", None, "7"]
    assert trades.side.tolist() == [1, 0, 2]


def test_sides_and_ids_of_other_types(tmp_path):
    path = write_table(
        tmp_path, t=[1, 2, 3], p=[1, 1, 1], s=[-1.5, 2.5, 0.0], m=[True, False, None],
        i=pa.array([5, None, 7]),
    )  # fmt: skip

    maker = read(path, COLUMNS + ":abs,side=m:buyer_maker,trade_id=i")
    sign = read(path, COLUMNS + ":abs,side=s:sign")

    assert maker.side.tolist() == [2, 1, 0]
    assert maker.trade_id.to_strings() == ["5", None, "7"]
    assert sign.side.tolist() == [2, 1, 0]
    assert sign.size.to_strings() == ["1.5", "2.5", "0"]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"p": pa.array([1.0, float("nan")])}, "row 2: price 'nan' is not a number"),
        ({"p": pa.array([1.0, None])}, "row 2: price is empty"),
        ({"p": pa.array(["1", "x"])}, "row 2: price 'x' is not a number"),
        ({"p": pa.array([[1], [2]])}, "row 1: price has the type list"),
        ({"s": pa.array([1, -1])}, "row 2: size -1 is negative"),
        ({"t": pa.array([1, 2**62])}, "row 2: ts_event '4611686018427387904' is not a time in ms"),
        ({"t": pa.array([1, None])}, "row 2: ts_event is empty"),
        ({"t": pa.array([0, 2**60], pa.timestamp("ms"))}, "is not a time in ms"),
        ({"d": pa.array(["buy", "maybe"])}, "row 2: side 'maybe' is not a side"),
        ({"d": pa.array([[1], [2]])}, "side has the type"),
        ({"i": pa.array(["a", "b" * 200])}, "row 2: trade_id 'bbb"),
        ({"i": pa.array(["a", "b\0"])}, "row 2: trade_id holds a NUL"),
        ({"i": pa.array([None, -4])}, "row 2: trade_id -4 is negative"),
    ],
)
def test_broken_rows(tmp_path, columns, what):
    good = {"t": [1, 2], "p": [1, 1], "s": [1, 1], "d": ["buy", "buy"], "i": [1, 2]}
    path = write_table(tmp_path, **{**good, **columns})

    with pytest.raises(InputError) as caught:
        survey([path], COLUMNS + ",side=d,trade_id=i")

    assert caught.value.message.startswith("x.parquet: row ")
    assert what in caught.value.message


def test_row_numbers_and_progress_go_on_over_batches(tmp_path):
    prices = [1.0] * 300_000
    prices[250_000] = float("inf")
    path = write_table(tmp_path, t=list(range(300_000)), p=prices, s=[1.0] * 300_000)
    heard = []

    with pytest.raises(InputError, match="row 250001: price 'inf'"):
        survey([path], COLUMNS, progress=lambda *step: heard.append(step))

    size = path.stat().st_size
    whole = 250_000 // BATCH_ROWS
    assert heard == [(size * k * BATCH_ROWS // 300_000, size) for k in range(1, whole + 1)]


def test_an_unknown_layout(tmp_path):
    with pytest.raises(InputError, match="not known: t, p, s") as caught:
        read(write_table(tmp_path, t=[1], p=[1], s=[1]))
    assert "--columns" in caught.value.hint

    with pytest.raises(InputError, match="no column 'price'"):
        read(write_table(tmp_path, t=[1], p=[1], s=[1]), "ts_event=t:ms,price=price,size=s")


def test_without_pyarrow(tmp_path, monkeypatch):
    path = write_table(tmp_path, t=[1], p=[1], s=[1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(InputError, match=r"x\.parquet can not be read") as caught:
        read(path, COLUMNS)

    assert caught.value.hint == "pip install 'tradercast[arrow]'"


@settings(max_examples=60)
@given(st.integers(0, 3_000), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, at, junk):
    folder = tmp_path_factory.mktemp("damaged")
    path = write_table(folder, t=list(range(500)), p=[1.5] * 500, s=["1"] * 500)
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at : at + len(junk)] = junk
    path.write_bytes(bytes(content))

    try:
        survey([path], COLUMNS)
    except InputError as error:
        assert "x.parquet" in error.message  # noqa: PT017 - most damage is not noticed
