"""Books as lines of text: nothing is lost, and tools of others can read it."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from support.books import ASK, BID, gap, messages, messages_of, row

from tradercast.book_messages import BookMessages
from tradercast.client.book_objects import message_objects
from tradercast.client.book_text import CSV_HEADER, csv_rows, jsonl_rows
from tradercast.client.export import open_export

T = 1_700_000_000_000_000_000
RUN = messages_of(
    [
        row(
            T,
            (ASK, "2.50", "1", 4),
            (BID, "1.5", "0.25"),
            (ASK, "3", "7"),
            snapshot=True,
            last_id=9,
        ),
        row(T + 1_000, ts_recv=T + 2_500, first_id=10, last_id=12, checksum=-5),
        gap(T + 3_000, 13, 14, T + 1_000),
        row(T + 3_000, (BID, "1.5", "0"), ts_recv=T + 4_000, last_id=20),
    ]
)


def plain(line: dict[str, Any]) -> dict[str, Any]:
    """A line without what is null, and levels without a number of orders that is not known."""
    for side in {"bids", "asks"} & line.keys():
        line[side] = [[v for v in level if v is not None] for level in line[side]]
    return {name: value for name, value in line.items() if value is not None}


def test_json_has_an_object_a_message() -> None:
    lines = jsonl_rows(RUN).decode().splitlines()

    assert lines[0] == (
        '{"type":"book","ts_event":1700000000000000000,"ts_recv":null,"first_id":null,"last_id":9,'
        '"prev_id":null,"checksum":null,"is_snapshot":true,"bids":[["1.5","0.25"]],'
        '"asks":[["2.5","1",4],["3","7"]]}'
    )
    assert [plain(json.loads(line)) for line in lines[1:]] == [
        {
            "type": "book",
            "ts_event": T + 1_000,
            "ts_recv": T + 2_500,
            "first_id": 10,
            "last_id": 12,
            "checksum": -5,
            "is_snapshot": False,
            "bids": [],
            "asks": [],
        },
        {
            "type": "gap",
            "missing_from": 13,
            "missing_to": 14,
            "ts_before": T + 1_000,
            "ts_after": T + 3_000,
        },
        {
            "type": "book",
            "ts_event": T + 3_000,
            "ts_recv": T + 4_000,
            "last_id": 20,
            "is_snapshot": False,
            "bids": [["1.5", "0"]],
            "asks": [],
        },
    ]


@settings(max_examples=40)
@given(messages(20))
def test_lines_and_objects_say_the_same_of_any_messages(run: BookMessages) -> None:
    lines = [plain(json.loads(line)) for line in jsonl_rows(run).splitlines()]

    assert lines == [plain(line) for line in message_objects(run)]


def test_csv_has_a_line_a_level_as_tardis_has_it() -> None:
    text = csv_rows(RUN, "binance", "BTCUSDT").decode()

    assert text.splitlines() == [
        "binance,BTCUSDT,1700000000000000,,true,ask,2.5,1",
        "binance,BTCUSDT,1700000000000000,,true,bid,1.5,0.25",
        "binance,BTCUSDT,1700000000000000,,true,ask,3,7",
        "binance,BTCUSDT,1700000000000003,1700000000000004,false,bid,1.5,0",
    ]


@settings(max_examples=40)
@given(messages(20))
def test_every_level_of_any_messages_has_its_line(run: BookMessages) -> None:
    found = list(csv.reader(io.StringIO(csv_rows(run, "a", "b").decode())))

    assert [(line[5], Decimal(line[6]), Decimal(line[7])) for line in found] == [
        (("bid", "ask")[side - 1], price, size)
        for side, price, size in zip(
            run.levels.side.tolist(),
            run.levels.price.to_decimals(),
            run.levels.size.to_decimals(),
            strict=True,
        )
    ]


def test_files_of_books(tmp_path: Path) -> None:
    for name in ("x.csv", "x.jsonl"):
        with open_export(tmp_path / name, book=("binance", "BTCUSDT")) as file:
            file.write(RUN[:2])
            file.write(RUN[2:])
        assert file.records == 4
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines[0] == "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
    assert len(lines) == 5
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 4


def test_parquet_has_a_row_a_level(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    with open_export(tmp_path / "x.parquet", book=("binance", "BTCUSDT")) as file:
        file.write(RUN[:3])
        file.write(RUN[3:])

    table = pq.read_table(tmp_path / "x.parquet")

    assert table.column_names == CSV_HEADER.decode().strip().split(",")
    rows = table.to_pylist()
    assert [(row["side"], row["price"], row["amount"], row["is_snapshot"]) for row in rows] == [
        ("ask", Decimal("2.5"), 1, True),
        ("bid", Decimal("1.5"), Decimal("0.25"), True),
        ("ask", 3, 7, True),
        ("bid", Decimal("1.5"), 0, False),
    ]
    assert table["timestamp"].cast("int64").to_pylist() == [T, T, T, T + 3_000]
    assert table["local_timestamp"].cast("int64").to_pylist() == [None, None, None, T + 4_000]
    assert {row["exchange"] for row in rows} == {"binance"}
