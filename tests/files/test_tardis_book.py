"""Books in the CSV of tardis.dev: read as messages, and what an export of a book gives."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import numpy as np
import pytest
from support.books import ASK, BID, levels_of, rows_of
from support.captures import SPOT, lines_of

from tradercast.book_messages import BookMessages
from tradercast.client.book_text import CSV_HEADER, csv_rows
from tradercast.errors import InputError
from tradercast.pipeline.files import csv_file
from tradercast.pipeline.files.binance_raw import read_book
from tradercast.pipeline.files.tardis_book import read_tardis

HEADER = CSV_HEADER.decode()
ROWS = """\
binance,BTCUSDT,1700000000000000,1700000000000100,true,bid,10.5,1
binance,BTCUSDT,1700000000000000,1700000000000100,true,ask,11.25,0.5
binance,BTCUSDT,1700000000000001,1700000000000100,false,bid,10.5,0
binance,BTCUSDT,1700000000100000,1700000000100100,false,ask,11.25,0.75
binance,BTCUSDT,1700000000100001,1700000000100100,false,ask,11.5,2
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def read(*paths: Path) -> BookMessages:
    return BookMessages.concat(list(read_tardis(paths, "btcusdt")))


def test_rows_that_came_at_one_time_are_one_message(tmp_path: Path) -> None:
    found = rows_of(read(written(tmp_path / "x.csv", HEADER + ROWS)))

    assert [
        (row["ts_event"] % 10**9, row["ts_recv"] % 10**9, row["snapshot"]) for row in found
    ] == [
        (0, 100_000, True),
        (1_000, 100_000, False),
        (100_001_000, 100_100_000, False),
    ]
    assert [[(side, str(p), str(s)) for side, p, s, _ in row["levels"]] for row in found] == [
        [(BID, "10.5", "1"), (ASK, "11.25", "0.5")],
        [(BID, "10.5", "0")],
        [(ASK, "11.25", "0.75"), (ASK, "11.5", "2")],
    ]


def test_several_files_and_any_blocks_give_the_same_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = ROWS.replace("17000000", "17000001")
    one, two = written(tmp_path / "1.csv", HEADER + ROWS), written(tmp_path / "2", HEADER + later)

    whole = read(one, two)
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 70)
    monkeypatch.setattr("tradercast.pipeline.files.tardis_book.HEAD_BYTES", 100)
    pieces = list(read_tardis([one, two], "btcusdt"))

    assert len(whole) == 6
    assert len(pieces) > 2
    assert BookMessages.concat(pieces).equals(whole)


def test_an_exported_book_is_read_back(real_books: Path, tmp_path: Path) -> None:
    lines = lines_of(real_books, SPOT[:1])[: random.Random(3).randint(400, 800)]
    run = BookMessages.concat(list(read_book([("capture", lines)])))
    path = tmp_path / "book.csv.gz"
    path.write_bytes(gzip.compress(CSV_HEADER + csv_rows(run, "binance", "BTCUSDT"), 1))

    found = read(path)

    assert levels_of(found.levels) == levels_of(run.levels)
    kept = run[np.flatnonzero(run.lengths() > 0)]
    assert found.offsets.tolist() == kept.offsets.tolist()
    assert found.is_snapshot.tolist() == kept.is_snapshot.tolist()
    assert found.ts_event.tolist() == kept.ts_event.tolist()
    assert found.filled("ts_recv").tolist() == (kept.filled("ts_recv") // 1_000 * 1_000).tolist()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("100001,17", "100001x,17", "row 5 .line 6.: timestamp '1700000000100001x' is not a time"),
        ("00,false,bid", "00,maybe,bid", "row 3 .line 4.: is_snapshot 'maybe' is neither true"),
        ("true,ask", "true,buy", "row 2 .line 3.: side 'buy' is neither bid nor ask"),
        ("11.25,0.75", "11.25,-1", "row 4 .line 5.: amount '-1' is no number from 0 on"),
        ("11.25,0.5", "1.1.1,0.5", "row 2 .line 3.: price '1.1.1' is not a number"),
        ("BTCUSDT,1700000000100001", "ETHUSDT,1", "row 5 .line 6.: symbol 'ETHUSDT' is not 'btc"),
        ("bid,10.5,0", "bid,10.5", "row 3 .line 4.: 7 columns instead of 8"),
    ],
)
def test_a_broken_row_is_named(old: str, new: str, what: str, tmp_path: Path) -> None:
    assert ROWS.count(old) == 1
    with pytest.raises(InputError, match=what):
        read(written(tmp_path / "x.csv", HEADER + ROWS.replace(old, new)))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no column 'symbol'") as caught:
        read(written(tmp_path / "x.csv", "timestamp,price\n1,2\n"))
    assert "symbol,timestamp,local_timestamp,is_snapshot" in str(caught.value.hint)
    with pytest.raises(InputError, match="has no rows"):
        read(written(tmp_path / "y.csv", HEADER))
