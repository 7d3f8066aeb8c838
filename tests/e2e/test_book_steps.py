"""A book over midnight as tables, a file a day, with the order flow."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from e2e.conftest import Machines
from support.captures import SPOT

import tradercast

SECONDS = ("2024-08-08T23:59:50", "2024-08-09T00:00:04")


def around_midnight(folder: Path) -> bytes:
    """The start of the first capture with its snapshot, and both captures around midnight."""
    lines: list[bytes] = []
    for name in SPOT:
        with gzip.open(folder / name) as file:
            lines += [line for line in file if b"bookTicker" not in line]
    kept = [line for line in lines if b"depthUpdate" in line or b"lastUpdateId" in line]
    trades = [line for line in lines if b'"trade"' in line]
    wanted = [line for line in trades if 1723161585 <= int(line[:10]) <= 1723161606]
    return b"".join([*(line for line in kept if int(line[:10]) <= 1723161606), *wanted])


def test_a_file_a_day_with_the_flow(machines: Machines, shared_data: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    publisher = machines("publisher")
    capture = tmp_path / "capture.gz"
    capture.write_bytes(gzip.compress(around_midnight(shared_data / "l2"), 1))
    named = {"exchange": "binance", "symbol": "btcusdt", "format": "binance-raw"}
    for channel in ("book", "trades"):
        publisher.publish(capture, channel=channel, **named)
    start, end = SECONDS
    wanted = ("--channel", "book", "--every", "1s", "--depth", 2, "--start", start, "--end", end)

    first, second = publisher.run(
        "export", "btcusdt", *wanted, "--flow", "--out", tmp_path / "book.parquet"
    )
    plain = publisher.run("export", "btcusdt", *wanted, "--out", tmp_path / "book.csv")
    unbounded = publisher.fails(2, "export", "btcusdt", *wanted[:4], "--out", tmp_path / "book.csv")
    within = ("--channel", "bbo", *wanted[6:])
    [changes] = publisher.run("export", "btcusdt", *within, "--out", tmp_path / "bbo.csv")
    with tradercast.connect(publisher.data_dir) as client:
        bbo = client.bbo("btcusdt", start, end, sync=False)
        whole = client.book_snapshots(
            "btcusdt", start, end, every="1s", depth=2, flow=True, sync=False
        ).to_numpy()

    assert [line["date"] for line in plain] == [first["date"], second["date"]]
    assert (first["date"], first["steps"], first["valid"]) == ("2024-08-08", 10, 10)
    assert (second["out"], second["steps"]) == (str(tmp_path / "book-2024-08-09.parquet"), 4)
    tables = [pq.read_table(line["out"]) for line in (first, second)]
    for name in set(whole) - {"ts", "valid"}:
        rows = [value for table in tables for value in table[name].to_pylist()]
        if "_ct_" not in name:
            np.testing.assert_array_equal(np.array(rows, np.float64), whole[name], name)
    assert np.nansum(whole["buys"]) > 0
    flow = sum(np.nansum(whole[f"bid_market_0{at}"]) for at in range(2))
    assert 0 < flow <= np.nansum(whole["sells"])
    assert not np.isnan(whole["ask_limit_00"][1:]).any()
    lines = Path(plain[0]["out"]).read_text().splitlines()
    assert lines[0].startswith("ts,valid,mid,spread,bid_px_00,bid_sz_00,bid_ct_00,bid_notional_00")
    assert lines[1].split(",")[:2] == [str(whole["ts"][0]), "true"]
    assert float(lines[1].split(",")[2]) == whole["mid"][0]
    assert "--start and --end" in unbounded["hint"]

    columns = bbo.to_numpy("str")
    assert (changes["channel"], changes["records"]) == ("bbo", len(bbo))
    lines = (tmp_path / "bbo.csv").read_text().splitlines()
    assert lines[0] == "ts_event,valid,bid_price,bid_size,ask_price,ask_size" == ",".join(columns)
    rows = list(zip(*(column.tolist() for column in columns.values()), strict=True))
    assert lines[1:] == [",".join(map(str, row)).replace("True", "true") for row in rows]
    # the newest row at each step is the best level there
    newest = np.searchsorted(columns["ts_event"], whole["ts"][1:], "right") - 1
    assert columns["bid_price"][newest].astype(float).tolist() == whole["bid_px_00"][1:].tolist()
    assert columns["ask_size"][newest].astype(float).tolist() == whole["ask_sz_00"][1:].tolist()
