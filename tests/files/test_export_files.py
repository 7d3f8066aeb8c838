"""Exported files: named formats, whole or not at all, clear refusals."""

import errno
import gc
import sys

import numpy as np
import pytest

from tradercast.client import export as export_module
from tradercast.client.export import export, open_export
from tradercast.errors import DiskFullError, UsageError
from tradercast.records import Decimals, Ids, Kind, Notes, Trades

T = 1_700_000_000_000_000_000


def trades(count=3, **others):
    return Trades(
        np.arange(count, dtype=np.int64) + T,
        Decimals.from_ints(np.arange(count) * 50, -2),
        Decimals.from_ints(np.arange(count) + 1, 0),
        np.arange(count).astype(np.uint8) % 3,
        **others,
    )


def test_csv(tmp_path):
    run = trades(ts_recv=np.array([T + 9, -(2**63), T + 8]), trade_id=Ids.from_ints([7, -1, 9]))

    written = export(tmp_path / "x.csv", [(run[:1], None), (run[1:], None)])

    assert (tmp_path / "x.csv").read_text() == (
        "ts_event,ts_recv,trade_id,side,price,size\n"
        "1700000000000000000,1700000000000000009,7,unknown,0,1\n"
        "1700000000000000001,,,buy,0.5,2\n"
        "1700000000000000002,1700000000000000008,9,sell,1,3\n"
    )
    assert written.records == 3


def test_json_lines(tmp_path):
    export(tmp_path / "x.jsonl", [(trades(2), None)])

    assert (tmp_path / "x.jsonl").read_text() == (
        '{"ts_event":1700000000000000000,"ts_recv":null,"trade_id":null,"side":"unknown",'
        '"price":"0","size":"1"}\n'
        '{"ts_event":1700000000000000001,"ts_recv":null,"trade_id":null,"side":"buy",'
        '"price":"0.5","size":"2"}\n'
    )


def test_parquet_has_one_schema_whatever_the_data(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    export(tmp_path / "a.parquet", [(trades(), None)])
    export(tmp_path / "b.parquet", [])

    table = pq.read_table(tmp_path / "a.parquet")

    assert table.schema.equals(pq.read_schema(tmp_path / "b.parquet"))
    assert str(table.schema.field("ts_event").type) == "timestamp[ns, tz=UTC]"
    assert str(table.schema.field("price").type) == "decimal128(38, 18)"
    assert [str(price.normalize()) for price in table["price"].to_pylist()] == ["0", "0.5", "1"]
    assert table["side"].to_pylist() == ["unknown", "buy", "sell"]
    assert table["ts_recv"].null_count == 3


def test_nothing_to_export_is_a_header(tmp_path):
    assert export(tmp_path / "x.csv", []).records == 0
    assert (tmp_path / "x.csv").read_text() == "ts_event,ts_recv,trade_id,side,price,size\n"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_error_on_the_way_leaves_the_old_file_and_no_part(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    path.write_text("old")

    def batches():
        yield trades(), None
        assert (tmp_path / f"x.{kind}.part").exists()
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        export(path, batches())
    gc.collect()  # a writer that is let go must not write behind our back

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_part_left_behind_by_a_killed_process_is_no_obstacle(tmp_path):
    (tmp_path / "x.csv.part").write_text("half")

    export(tmp_path / "x.csv", [(trades(), None)])

    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_full_disk(tmp_path, monkeypatch, kind):
    full = OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def write(self, trades):
            raise full

        def abort(self):
            pass

    monkeypatch.setattr(export_module, "_writer", lambda *_: Full())

    with pytest.raises(DiskFullError, match="no room for"):
        export(tmp_path / f"x.{kind}", [(trades(), None)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.xlsx", "x", "x.csv.gz"])
def test_an_unknown_format(tmp_path, name):
    with pytest.raises(UsageError, match="names no known format") as caught:
        export(tmp_path / name, [])

    assert caught.value.hint == "end it with .csv, .parquet or .jsonl"


def test_a_place_that_can_not_be_written(tmp_path):
    with pytest.raises(UsageError, match="can not be written: No such file or directory"):
        export(tmp_path / "none" / "x.csv", [])
    with pytest.raises(UsageError, match="can not be written: Is a directory"):
        export(tmp_path, [], kind="csv")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_corrections_must_be_applied_first(tmp_path, kind):
    run = trades(notes=Notes.of([(1, Kind.BUST, 0, 0, T)]))

    with pytest.raises(UsageError, match="corrections and gaps"):
        export(tmp_path / f"x.{kind}", [(run, None)])


def test_parquet_refuses_what_its_decimals_can_not_hold(tmp_path):
    pytest.importorskip("pyarrow")
    run = Trades(
        np.array([T]),
        Decimals.from_strings(["1e-19"]),
        Decimals.from_strings(["1"]),
        np.zeros(1, np.uint8),
    )

    with pytest.raises(UsageError, match="a price has more than 18 decimals or 38 digits"):
        export(tmp_path / "x.parquet", [(run, None)])


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(UsageError, match="needs pyarrow") as caught:
        export(tmp_path / "x.parquet", [(trades(), None)])

    assert caught.value.hint == "pip install 'tradercast[arrow]'"
    assert list(tmp_path.iterdir()) == []


def test_batch_by_batch(tmp_path):
    with open_export(tmp_path / "x.csv") as out:
        out.write(trades(2))
        out.write(trades(3))
        assert not (tmp_path / "x.csv").exists()

    assert out.records == 5
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 6
