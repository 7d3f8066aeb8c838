"""Trades of raw captures of Binance: every one of them once, and what is missing said."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.captures import FUTURES, SPOT

from tradercast.errors import InputError
from tradercast.feeds import FeedId
from tradercast.pipeline.files.binance_trades import read_capture_trades
from tradercast.pipeline.files.sources import source_files
from tradercast.records import NO_TIME, Kind, Notes, Side, Trades

MS = 1_000_000


def trade(number: int, at: int, *, maker: bool = False, **more: Any) -> bytes:
    data = {"e": "trade", "E": at + 2, "T": at, "s": "BTCUSDT", "t": number, "m": maker}
    data |= {"p": f"{number}.50", "q": "0.10"} | more
    body = json.dumps({"stream": "btcusdt@trade", "data": data})
    return f"{(at + 9) * MS} {body}".encode()


def read(*lines: bytes) -> Trades:
    return Trades.concat(list(read_capture_trades([("capture", lines)], "btcusdt")))


def test_a_trade_has_its_own_time_and_the_side_of_the_taker() -> None:
    depth = b'5 {"data":{"e":"depthUpdate"},"stream":"x@trade"}'

    found = read(trade(7, 100), depth, trade(8, 100, maker=True))

    assert found.ts_event.tolist() == [100 * MS, 100 * MS]
    assert found.price.to_strings() == ["7.5", "8.5"]
    assert found.size.to_strings() == ["0.1", "0.1"]
    assert found.side.tolist() == [Side.BUY, Side.SELL]
    assert found.ts_recv is not None
    assert found.ts_recv.tolist() == [109 * MS, 109 * MS]
    assert found.trade_id is not None
    assert found.trade_id.values.tolist() == [7, 8]


def test_a_missing_id_is_a_gap_and_a_repeated_one_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = read(trade(7, 100), trade(8, 110), trade(7, 100), trade(8, 110), trade(12, 140))

    assert found.trade_id is not None
    assert found.ts_recv is not None
    assert found.trade_id.values.tolist() == [7, 8, -1, 12]
    assert found.ts_event.tolist() == [100 * MS, 110 * MS, 140 * MS, 140 * MS]
    assert found.ts_recv[2] == NO_TIME
    assert found.notes.equals(Notes.of([(2, Kind.GAP, 9, 11, 110 * MS)]))
    assert "2 trades were left out" in caplog.text


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'1 {"e":"trade"}', "line 2: no trade of Binance"),
        (trade(8, 1, m="yes"), "line 2: no trade of Binance"),
        (trade(8, 1, p=1.5), "line 2: no trade of Binance"),
        (trade(-1, 1), "line 2: no trade of Binance"),
        (trade(8, 1, s="ETHUSDT"), "line 2: of 'ethusdt', not of 'btcusdt'"),
        (trade(8, 1, q="x"), "capture: a trade can not be read: .*'x' is not a decimal"),
        (trade(8, 1, q="-1"), "capture: a trade can not be read: a size is negative"),
    ],
)
def test_a_broken_line_is_named(line: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read(trade(7, 1), line)


def test_a_capture_without_a_trade_is_refused() -> None:
    with pytest.raises(InputError, match="there is no trade of Binance"):
        read(b"nothing")


@pytest.mark.parametrize(("names", "count"), [(SPOT, 9_757 + 10_147), (FUTURES, 21_313)])
def test_the_shared_captures(real_books: Path, names: tuple[str, ...], count: int) -> None:
    paths = [real_books / name for name in names]
    plain = []
    for path in paths:
        with gzip.open(path) as file:
            bodies = [json.loads(line.split(b" ", 1)[1]) for line in file if b'"trade"' in line]
        plain += [body["data"] for body in bodies]

    feed = FeedId("binance", "btcusdt")
    found = Trades.concat(list(source_files(feed, paths, form="binance-raw").batches()))  # type: ignore[arg-type]

    assert len(found) == len(plain) == count
    assert not len(found.notes)
    assert found.ts_event.tolist() == [each["T"] * MS for each in plain]
    assert found.price.to_decimals() == [Decimal(each["p"]) for each in plain]
    assert found.size.to_decimals() == [Decimal(each["q"]) for each in plain]
    assert found.trade_id is not None
    assert found.trade_id.values.tolist() == [each["t"] for each in plain]
    assert (found.side == Side.SELL).tolist() == [each["m"] for each in plain]
