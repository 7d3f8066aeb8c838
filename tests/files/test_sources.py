"""Which files may be published as what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tradercast.errors import InputError, UsageError
from tradercast.feeds import FeedId
from tradercast.pipeline.files.sources import source_files

CAPTURE = b"""\
5 {"lastUpdateId": 7, "bids": [["1.5", "2"]], "asks": [["1.6", "3"]]}
9 {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 8, "u": 9, "b": [["1.5", "0"]], "a": []}
9 {"e": "depthUpdate", "E": 3, "s": "BTCUSDT", "U": 11, "u": 12, "b": [], "a": []}
"""
RAW = "binance-raw"


@pytest.mark.parametrize(
    ("channel", "options", "what"),
    [
        ("book", {}, "say --format binance-raw.bitfinex-raw.tardis-csv"),
        ("book", {"form": "tardis"}, "'tardis' is no format of book; formats of book are: binance"),
        ("trades", {"form": "tardis-csv"}, "no format of trades; .*; tardis-csv goes with --ch"),
        ("trades", {"form": RAW, "columns": "price=b"}, "--columns says nothing of binance-raw"),
        ("trades", {"columns": "what"}, "in 'what'"),
        ("book-l3", {}, "'book-l3' can not be published; there are: trades, book, candles-1m"),
        ("candles-1m", {}, "which column is what; say --columns 'ts_open=time:iso,open="),
        ("candles-1m", {"columns": "ts_open=t,price=p"}, "'price' is not one of ts_open, ts_close"),
        ("candles-1m", {"columns": "open=o,high=h,low=l,close=c,volume=v"}, "ts_open or ts_close"),
        ("book", {"form": RAW, "columns": "price=b"}, "--columns says nothing of binance-raw"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(
    channel: str, options: dict[str, str], what: str
) -> None:
    with pytest.raises(UsageError) as caught:
        source_files(FeedId("binance", "btcusdt", channel), [Path("x")], **options)
    assert re.search(what, f"{caught.value.message}; {caught.value.hint}")


def test_a_survey_of_a_capture_reads_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(CAPTURE)
    feed = FeedId("binance", "btcusdt", "book")

    info = source_files(feed, [path], form=RAW).survey()

    assert (info.files, info.rows, info.gaps, info.bytes) == (1, 3, 1, len(CAPTURE))
    assert (info.first_ns, info.last_ns) == (1_000_000, 3_000_000)
    assert "3 rows in 1 file, 1 of them gaps" in str(info)


def test_a_capture_of_another_symbol_is_refused_unless_it_was_named(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(CAPTURE)
    feed = FeedId("binance", "bitcoin", "book")

    with pytest.raises(InputError, match="capture, line 2: of 'btcusdt', not of 'bitcoin'"):
        source_files(feed, [path], form=RAW).survey()

    named = source_files(feed, [path], form=RAW, native_symbol="BTCUSDT")
    assert named.survey().rows == 3
