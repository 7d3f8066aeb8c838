"""The columns that a trader gets."""

import hashlib
import json
import sys
from decimal import Decimal

import numpy as np
import pytest

from tradercast.client.manifest import Origin
from tradercast.client.results import TradesResult
from tradercast.client.streams import TradesStream
from tradercast.errors import UsageError
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feeds import FeedId
from tradercast.log.proof import Checkpoint
from tradercast.records import NO_TIME, Decimals, Gap, Ids, Kind, Notes, Trades
from tradercast.timerange import TimeRange

T = 1_700_000_000_000_000_001
NAMES = ["ts_event", "ts_recv", "trade_id", "side", "price", "size"]


@pytest.fixture
def full():
    trades = Trades(
        np.array([T, T + 2, T + 1]),
        Decimals.from_strings(["43059.97", "0.1", "-2"]),
        Decimals.from_strings(["0.00713", "1", "2"]),
        np.array([1, 2, 0], np.uint8),
        np.array([T + 5, NO_TIME, T + 7]),
        Ids.from_strings(["17", None, "x-1"]),
    )
    return TradesResult(trades, np.array([5, 6, 8]), gaps=[Gap(7, 70, 71, T + 2, T + 1)])


@pytest.fixture
def bare():
    count = 200_000
    trades = Trades(
        np.arange(count) + T,
        Decimals.from_ints(np.arange(count), -2),
        Decimals.from_ints(np.arange(count) + 1, -5),
        np.zeros(count, np.uint8),
    )
    return TradesResult(trades, np.arange(count))


def test_numpy(full, bare):
    columns = full.to_numpy()

    assert list(columns) == NAMES
    assert columns["ts_event"].tolist() == [T, T + 2, T + 1]
    assert columns["ts_recv"].tolist() == [T + 5, NO_TIME, T + 7]
    assert columns["trade_id"].tolist() == ["17", None, "x-1"]
    assert columns["side"].tolist() == [1, 2, 0]
    assert columns["price"].tolist() == [43059.97, 0.1, -2.0]
    assert full.to_numpy("decimal")["size"].tolist() == [Decimal("0.00713"), 1, 2]
    assert full.to_numpy("str")["price"].tolist() == ["43059.97", "0.1", "-2"]
    assert full.to_numpy("fixed")["price"].tolist() == [4305997, 10, -200]
    assert (full.price_exponent, full.size_exponent) == (-2, -5)
    assert bare.to_numpy()["trade_id"].dtype == np.int64
    assert bare.to_numpy()["ts_event"] is bare.trades.ts_event
    assert np.isnat(bare.to_numpy()["ts_recv"].view("M8[ns]")).all()


@pytest.mark.parametrize("with_pyarrow", [True, False])
def test_pandas(full, bare, monkeypatch, with_pyarrow):
    pd = pytest.importorskip("pandas")
    if not with_pyarrow:
        monkeypatch.setitem(sys.modules, "pyarrow", None)

    frame = full.to_pandas()

    assert frame.index.name == "ts_event"
    assert frame.index.dtype == pd.DatetimeTZDtype("ns", "UTC")
    assert frame.index.asi8.tolist() == [T, T + 2, T + 1]
    assert list(frame.columns) == NAMES[1:]
    assert frame["ts_recv"].isna().tolist() == [False, True, False]
    assert frame["ts_recv"].iloc[0].value == T + 5
    assert frame["trade_id"].fillna("?").tolist() == ["17", "?", "x-1"]
    assert frame["side"].tolist() == ["buy", "sell", "unknown"]
    assert frame["price"].tolist() == [43059.97, 0.1, -2.0]
    assert full.to_pandas("decimal")["price"].tolist() == [
        Decimal("43059.97"), Decimal("0.1"), Decimal(-2)
    ]  # fmt: skip
    assert bare.to_pandas().shape == (200_000, 5)
    assert bare.to_pandas()["trade_id"].isna().all()


@pytest.mark.parametrize("with_pyarrow", [True, False])
def test_polars(full, bare, monkeypatch, with_pyarrow):
    pl = pytest.importorskip("polars")
    if not with_pyarrow:
        monkeypatch.setitem(sys.modules, "pyarrow", None)

    frame = full.to_polars()

    assert frame.columns == NAMES
    assert frame["ts_event"].dtype == pl.Datetime("ns", "UTC")
    assert frame["ts_event"].cast(pl.Int64).to_list() == [T, T + 2, T + 1]
    assert frame["ts_recv"].cast(pl.Int64).to_list() == [T + 5, None, T + 7]
    assert frame["trade_id"].to_list() == ["17", None, "x-1"]
    assert frame["side"].to_list() == ["buy", "sell", "unknown"]
    assert frame["price"].to_list() == [43059.97, 0.1, -2.0]
    exact = full.to_polars("decimal")
    assert exact["size"].dtype == pl.Decimal(38, 5)
    assert exact["size"].to_list() == [Decimal("0.00713"), Decimal(1), Decimal(2)]
    assert full.to_polars("str")["price"].to_list() == ["43059.97", "0.1", "-2"]
    assert full.to_polars("fixed")["price"].to_list() == [4305997, 10, -200]
    assert bare.to_polars().schema == frame.schema
    assert bare.to_polars()["trade_id"].null_count() == 200_000
    assert bare[:0].to_polars().schema == frame.schema
    assert pl.DataFrame(full)["price"].to_list() == [43059.97, 0.1, -2.0]


def test_arrow(full, bare):
    pa = pytest.importorskip("pyarrow")

    table = full.to_arrow("decimal")

    assert table.column_names == NAMES
    assert table["ts_event"].type == pa.timestamp("ns", "UTC")
    assert table["ts_event"].cast(pa.int64()).to_pylist() == [T, T + 2, T + 1]
    assert table["ts_recv"].null_count == 1
    assert table["trade_id"].to_pylist() == ["17", None, "x-1"]
    assert table["side"].to_pylist() == ["buy", "sell", "unknown"]
    assert table["price"].type == pa.decimal128(38, 2)
    assert table["price"].to_pylist() == [Decimal("43059.97"), Decimal("0.1"), Decimal(-2)]
    assert full.to_arrow("fixed").schema.metadata == {b"price_exponent": b"-2",
                                                      b"size_exponent": b"-5"}  # fmt: skip
    assert full.to_arrow("str")["size"].to_pylist() == ["0.00713", "1", "2"]
    assert pa.table(full).equals(full.to_arrow())
    assert pa.table(bare).schema == pa.table(full).schema == pa.schema(full)


def test_numbers_too_wide_for_int64(full):
    pytest.importorskip("pyarrow")
    wide = TradesResult(
        Trades(
            np.array([T, T]),
            Decimals.from_strings(["123456789012345678901234.5", "1e-9"]),
            Decimals.from_strings(["1e-50", "1"]),
            np.zeros(2, np.uint8),
        ),
        np.array([0, 1]),
    )

    assert wide.to_numpy()["price"].tolist() == [1.2345678901234568e23, 1e-9]
    with pytest.raises(UsageError, match="int64"):
        wide.to_numpy("fixed")
    for convert in (wide.to_polars, wide.to_arrow):
        assert convert("str")["size"].to_list() if convert == wide.to_polars else True
        with pytest.raises(UsageError, match="50 decimals"):
            convert("decimal")
        with pytest.raises(UsageError, match="price type"):
            convert("money")


@pytest.mark.parametrize(
    ("convert", "package", "extra"),
    [("to_pandas", "pandas", "pandas"), ("to_polars", "polars", "polars"),
     ("to_arrow", "pyarrow", "arrow")],
)  # fmt: skip
def test_a_missing_extra_is_named(full, monkeypatch, convert, package, extra):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(UsageError, match=f"needs {package}") as caught:
        getattr(full, convert)()

    assert caught.value.hint == f"pip install 'tradercast[{extra}]'"


def test_batches_and_slices(bare):
    batches = list(bare)

    assert [len(batch) for batch in batches] == [65_536, 65_536, 65_536, 3_392]
    assert batches[1].seq[0] == 65_536
    assert [len(batch) for batch in bare.batches(150_000)] == [150_000, 50_000]
    assert len(bare.head()) == 5
    assert bare[10:12].seq.tolist() == [10, 11]
    with pytest.raises(UsageError):
        bare[3]
    with pytest.raises(UsageError):
        bare.batches(0).__next__()


def test_a_result_holds_plain_trades_only(full):
    noted = Trades(
        full.trades.ts_event,
        full.trades.price,
        full.trades.size,
        full.trades.side,
        notes=Notes.of([(0, Kind.BUST, 0, 0, T)]),
    )

    with pytest.raises(UsageError, match="corrections must be applied"):
        TradesResult(noted, full.seq)
    with pytest.raises(UsageError, match="3 records have 1 numbers"):
        TradesResult(full.trades, full.seq[:1])


def test_the_manifest_hash_is_that_of_the_exported_file(full, tmp_path):
    checkpoint = LogCheckpoint(b"\1" * 32, Checkpoint(9, 0, (), b"\2" * 64, b""))
    origin = Origin(
        FeedId("bitfinex", "btcusd"),
        TimeRange.parse("2023-11-14", None),
        b"\3" * 32,
        (checkpoint,),
    )
    result = TradesResult(full.trades, full.seq, gaps=full.gaps, origin=origin)
    result.to_csv(tmp_path / "x.csv")

    made = result.manifest()

    digest = hashlib.blake2b((tmp_path / "x.csv").read_bytes(), digest_size=32).hexdigest()
    assert made["blake2b_256"] == digest
    assert made["feed"] == "bitfinex/btcusd/trades"
    assert (made["start"], made["end"]) == ("2023-11-14T00:00:00Z", None)
    assert (made["records"], made["first_seq"], made["end_seq"]) == (3, 5, 9)
    assert len(made["root"]) == 52
    assert made["checkpoints"] == [
        {"key": "01" * 32, "length": 9, "fork": 0, "signature": "02" * 64}
    ]
    assert made["gaps"] == [
        {"seq": 7, "first": 70, "last": 71, "before_ns": T + 2, "after_ns": T + 1}
    ]
    assert json.loads(json.dumps(made)) == made


def test_how_a_result_looks(full, bare):
    shown = repr(full).splitlines()

    assert shown[0] == (
        "trades · 3 trades · 2023-11-14T22:13:20.000000001Z to "
        "2023-11-14T22:13:20.000000003Z · 1 gap"
    )
    assert shown[1].split() == NAMES
    assert shown[2].split() == [
        "2023-11-14T22:13:20.000000001Z", "2023-11-14T22:13:20.000000006Z", "17", "buy",
        "43059.97", "0.00713",
    ]  # fmt: skip
    assert len(repr(bare).splitlines()) == 9
    assert "200,000 trades" in repr(bare)
    assert repr(bare[:0]).splitlines()[0] == "trades · 0 trades"
    hostile = TradesResult(
        Trades(
            np.array([T]),
            Decimals.from_ints([1]),
            Decimals.from_ints([1]),
            np.zeros(1, np.uint8),
            None,
            Ids.from_strings(["<script>"]),
        ),
        np.array([0]),
    )
    assert "&lt;script&gt;" in hostile._repr_html_()
    assert "<script>" not in hostile._repr_html_()


def runs(result):
    return ((batch.trades, batch.seq) for batch in result)


def test_a_stream_gives_what_the_result_gives(bare, tmp_path):
    pa = pytest.importorskip("pyarrow")

    assert TradesStream(runs(bare)).read().equals(bare)
    assert [len(batch) for batch in TradesStream(runs(bare))] == [len(batch) for batch in bare]
    assert pa.table(TradesStream(runs(bare))).combine_chunks() == bare.to_arrow().combine_chunks()
    assert TradesStream(runs(bare)).manifest() == bare.manifest()
    assert TradesStream(runs(bare)).export(tmp_path / "x.csv").records == 200_000


def test_a_stream_takes_one_batch_at_a_time(bare):
    given = []

    def source():
        for batch in bare:
            given.append(len(batch))
            yield batch.trades, batch.seq

    stream = iter(TradesStream(source()))

    assert given == []
    next(stream)
    assert given == [65_536]


def test_a_streams_gaps_grow_as_it_is_read(full):
    gaps = []

    def source():
        yield full.trades[:2], full.seq[:2]
        gaps.extend(full.gaps)
        yield full.trades[2:], full.seq[2:]

    stream = TradesStream(source(), gaps=gaps)
    assert stream.gaps == ()

    assert stream.manifest()["gaps"] == full.manifest()["gaps"]
    assert stream.gaps == full.gaps
