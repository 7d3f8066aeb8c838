"""Files in the layouts of other programs: what these document, and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.books import ASK, BID, messages_of, row
from support.feeds import market

from tradercast.book_messages import BookMessages
from tradercast.client.engine_files import check_format, engine_writer, target_of
from tradercast.client.engines import hftbacktest_events
from tradercast.client.export import open_export
from tradercast.errors import UsageError
from tradercast.feed.entries import FeedEntry, Segment
from tradercast.feeds import FeedId
from tradercast.market.candles import candles_of
from tradercast.market.interval import MINUTE, Interval
from tradercast.pipeline.files.sources import source_files
from tradercast.records import Trades

MARKET = market(3_000, per_hour=3_000)
BOOK = messages_of(
    [
        row(5_000, (BID, "99", "1"), (ASK, "101", "2"), snapshot=True, ts_recv=9_000),
        row(7_000, (BID, "98.5", "0.25"), (ASK, "101", "0"), ts_recv=10_000),
    ]
)


def entry(channel: str = "trades", **more: str) -> FeedEntry:
    segment = Segment("main", 0, b"t" * 32, b"a" * 32)
    return FeedEntry(FeedId("bitfinex", "btcusd", channel), (segment,), **more)


def written(
    path: Path, layout: Any, of: FeedEntry, *runs: Any, interval: str | None = None
) -> Path:
    with open_export(path, writer=engine_writer(layout, of, interval, path.suffix)) as file:
        for run in runs:
            file.write(run)
    return path


def test_trades_for_freqtrade(tmp_path: Path) -> None:
    out = tmp_path / "BTC_USD-trades.feather"
    unknown = Trades(MARKET.ts_event[:1], MARKET.price[:1], MARKET.size[:1], np.zeros(1, np.uint8))
    frame = pd.read_feather(written(out, "freqtrade", entry(), MARKET[:10], MARKET[10:], unknown))

    names = ["timestamp", "id", "type", "side", "price", "amount", "cost"]
    assert frame.columns.tolist() == names
    assert frame["timestamp"].tolist()[:-1] == (MARKET.ts_event // 10**6).tolist()
    assert frame["id"].tolist()[:-1] == MARKET.trade_id.to_strings()  # type: ignore[union-attr]
    assert frame["side"].tolist()[:-1] == ["buy" if s == 1 else "sell" for s in MARKET.side]
    assert frame["side"].isna().tolist() == [False] * len(MARKET) + [True]
    assert frame["type"].isna().all()
    assert (frame["cost"] == frame["price"] * frame["amount"]).all()


def test_the_other_formats_of_freqtrade_hold_the_same(tmp_path: Path) -> None:
    for interval, time in ((None, "timestamp"), ("1m", "date")):
        runs = MARKET[:10], MARKET[10:]
        feather, parquet, rows = (
            written(tmp_path / f"x{end}", "freqtrade", entry(), *runs, interval=interval)
            for end in (".feather", ".parquet", ".json")
        )
        frame = pd.read_feather(feather)
        pd.testing.assert_frame_equal(frame, pd.read_parquet(parquet))
        frame[time] = frame[time].astype(np.int64)
        plain = frame.astype(object).where(frame.notna(), None)
        assert json.loads(rows.read_bytes()) == plain.to_numpy().tolist()
    empty = written(tmp_path / "empty.json", "freqtrade", entry())
    assert json.loads(empty.read_bytes()) == []


@pytest.mark.parametrize("interval", ["1m", "1h"])
def test_candles_for_freqtrade_from_trades_and_from_minutes(tmp_path: Path, interval: str) -> None:
    expected = candles_of(MARKET, Interval.parse(interval))
    minutes = candles_of(MARKET, MINUTE)
    one = tmp_path / "one.feather"
    two = tmp_path / "two.feather"
    written(one, "freqtrade", entry(), MARKET[:700], MARKET[700:], interval=interval)
    # the first minutes come again: they replace what was there
    written(two, "freqtrade", entry("candles-1m"), minutes, minutes[:5], interval=interval)
    frame = pd.read_feather(one)

    assert frame.columns.tolist() == ["date", "open", "high", "low", "close", "volume"]
    assert str(frame["date"].dtype) == "datetime64[ms, UTC]"
    assert frame["date"].astype(np.int64).tolist() == (expected.ts_open // 10**6).tolist()
    assert frame["volume"].tolist() == expected.volume.to_float().tolist()
    pd.testing.assert_frame_equal(frame, pd.read_feather(two))


def test_trades_and_books_of_tardis_are_published_again(tmp_path: Path) -> None:
    named = entry(native_symbol="tBTCUSD")
    trades = Trades(
        MARKET.ts_event // 1000 * 1000,
        MARKET.price,
        MARKET.size,
        MARKET.side,
        MARKET.ts_event // 1000 * 1000 + 5_000,
        MARKET.trade_id,
    )
    one = written(tmp_path / "trades.csv", "tardis-csv", named, trades)
    two = written(tmp_path / "book.csv", "tardis-csv", entry("book"), BOOK)
    again = list(source_files(FeedId("bitfinex", "btcusd"), [one]).batches())
    book = source_files(FeedId("bitfinex", "btcusd", "book"), [two], form="tardis-csv").batches()

    assert one.read_text().splitlines()[:1] == [
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    ]
    assert one.read_text().splitlines()[1].startswith("bitfinex,tBTCUSD,")
    assert Trades.concat([each for each in again if isinstance(each, Trades)]).equals(trades)
    assert BookMessages.concat([b for b in book if isinstance(b, BookMessages)]).equals(BOOK)


def test_events_of_trades_and_book_in_one_file(tmp_path: Path) -> None:
    out = written(tmp_path / "x.npz", "hftbacktest", entry(), MARKET[:5], MARKET[5:], BOOK)

    found = np.load(out, allow_pickle=False)["data"]
    assert found.tobytes() == hftbacktest_events([MARKET, BOOK]).tobytes()


def test_names_in_a_directory_are_those_that_others_look_for(tmp_path: Path) -> None:
    pair = {"base": "btc", "quote": "usd"}
    for layout, of, interval, name in (
        ("freqtrade", entry(**pair), None, "BTC_USD-trades.feather"),
        ("freqtrade", entry(**pair), "1M", "BTC_USD-1Mo.feather"),
        ("freqtrade", entry("candles-1m", **pair), None, "BTC_USD-1m.feather"),
        ("tardis-csv", entry(native_symbol="tBTCUSD"), None, "bitfinex_trades_tBTCUSD.csv"),
        ("tardis-csv", entry("book"), None, "bitfinex_incremental_book_L2_btcusd.csv"),
        ("hftbacktest", entry(), None, "bitfinex_btcusd.npz"),
    ):
        assert target_of(tmp_path, layout, of, interval) == tmp_path / name  # type: ignore[arg-type]


def test_what_has_no_such_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="which pair"):
        target_of(tmp_path, "freqtrade", entry(), None)
    with pytest.raises(UsageError, match="is no file of"):
        target_of(tmp_path / "x.csv", "hftbacktest", entry(), None)
    with pytest.raises(UsageError, match="no format"):
        check_format("excel")
    for layout, of, interval in (
        ("tardis-csv", entry("candles-1m"), None),
        ("freqtrade", entry("book"), None),
        ("hftbacktest", entry("candles-1m"), None),
        ("hftbacktest", entry(), "1m"),
        ("freqtrade", entry(), "7m"),
    ):
        with pytest.raises(UsageError):
            engine_writer(layout, of, interval)  # type: ignore[arg-type]
