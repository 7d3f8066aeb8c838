"""A book from raw captures of the exchange to whoever wants it, by commands that people type."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from e2e.conftest import Machines
from support.captures import SPOT, lines_of, plain_books

import tradercast
from tradercast.timerange import format_time_ns, parse_time_ns

BOOK = {
    "exchange": "binance",
    "symbol": "btcusdt",
    "channel": "book",
    "format": "binance-raw",
}


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[bytes]:
    """The first 600 book messages of the capture, the snapshot among them."""
    return lines_of(shared_data / "l2", SPOT[:1])[:600]


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(gzip.compress(b"".join(lines), 1))
    return path


def test_a_capture_is_added_once_a_longer_one_its_rest_and_a_changed_one_is_refused(
    machines: Machines, lines: list[bytes], tmp_path: Path
) -> None:
    publisher = machines("publisher")
    short = written(tmp_path / "short.gz", lines[:500])
    rest = written(tmp_path / "rest.gz", lines[500:])
    at = 300
    other = json.loads(lines[at].split(b" ", 1)[1])
    other["data"]["b"][0][1] = "0.12345000"
    changed = [*lines[:at], lines[at].split(b" ")[0] + b" " + json.dumps(other).encode() + b"\n"]
    changed_file = written(tmp_path / "changed.gz", changed)

    first = publisher.publish(short, **BOOK)
    again = publisher.publish(short, **BOOK)
    longer = publisher.publish(short, rest, **BOOK)
    refused = publisher.fails(2, "publish", changed_file, *options(BOOK))

    assert (first["added"], first["total"]) == (500, 500)
    assert (again["added"], again["total"]) == (0, 500)
    assert (longer["added"], longer["already_there"], longer["total"]) == (100, 500, 600)
    assert f"record {at + 1} of the source" in refused["message"]
    assert str(other["data"]["u"]) in refused["message"]


def test_a_capture_of_bitfinex_is_published_as_book_and_as_trades(
    machines: Machines, shared_data: Path
) -> None:
    publisher = machines("publisher")
    capture = shared_data / "ws" / "BITFINEX.ws.11.0.gz"
    named = {"symbol": "tstsusd", "native-symbol": "tTESTBTC:TESTUSD", "format": "bitfinex-raw"}

    book = publisher.publish(capture, channel="book", **named)
    trades = publisher.publish(capture, channel="trades", **named)
    [newest] = publisher.run("book", "tstsusd", "--depth", 2)

    assert (book["feed"], book["added"]) == ("bitfinex/tstsusd/book", 80)
    assert (trades["feed"], trades["added"]) == ("bitfinex/tstsusd/trades", 30)
    assert newest["valid"]
    assert [level[::2] for level in newest["bids"]] == [["60417", 1], ["60414", 1]]


def test_a_book_is_synced_checked_and_exported_with_its_gap(
    machines: Machines, lines: list[bytes], tmp_path: Path
) -> None:
    publisher, reader, stranger = map(machines, ("publisher", "reader", "stranger"))
    hole = slice(300, 303)
    lost = [json.loads(line.split(b" ", 1)[1])["data"] for line in lines[hole]]
    before, after, later, plain = (
        json.loads(lines[at].split(b" ", 1)[1])["data"] for at in (299, 303, 550, -1)
    )
    fresh = (
        b"%d " % int(lines[500].split(b" ")[0])
        + json.dumps(
            {"lastUpdateId": json.loads(lines[499].split(b" ", 1)[1])["data"]["u"]}
            | {"bids": [["60000.1", "2"]], "asks": [["60000.2", "1.5"]]}
        ).encode()
    )
    punched = [*lines[:300], *lines[303:500], fresh + b"\n", *lines[500:]]
    publisher.publish(written(tmp_path / "punched.gz", punched), **BOOK)
    serving = publisher.serve()

    synced = reader.sync("btcusdt", "--channel", "book", "--from", serving.link)
    [gap] = reader.run("gaps", "btcusdt", "--channel", "book")
    [exported] = reader.run("export", "binance/btcusdt/book", "--out", tmp_path / "x.jsonl")

    # a stranger asks for the book at a time, and gets no more than that
    [valid] = stranger.run(
        *("book", "btcusdt", "--at", at_ms(before["E"] - 1), "--from", serving.link, "--depth", 7)
    )
    [invalid] = stranger.run("book", "btcusdt", "--at", at_ms(after["E"] - 1), code=3)
    serving.kill()
    publisher.kill()
    [mended] = stranger.run("book", "binance/btcusdt", "--at", at_ms(later["E"]), "--depth", 5_000)
    with tradercast.connect(reader.data_dir) as client:
        known = client.book_at("btcusdt", parse_time_ns(at_ms(later["E"])))
        newest = client.book_at("btcusdt", sync=False)
        begin, end = (at_ms(each["E"] // 1_000 * 1_000) for each in (before, later))
        steps = client.book_snapshots("btcusdt", begin, end, every="1900ms", depth=3).to_numpy()
        single = [client.book_at("btcusdt", int(time)) for time in steps["ts"]]

    bids, asks = next(plain_books(lines[:300], [(before["E"] - 1) * 1_000_000]))
    assert valid["ts"] == (before["E"] - 1) * 1_000_000
    assert (valid["valid"], valid["reason"]) == (True, None)
    assert levels_of(valid["bids"]) == sorted(bids.items(), reverse=True)[:7]
    assert levels_of(valid["asks"]) == sorted(asks.items())[:7]
    assert not invalid["valid"]
    assert f"messages {lost[0]['U']} to {lost[-1]['u']} are missing" in invalid["reason"]
    assert len(invalid["bids"]) == 10
    bids, asks = next(plain_books([fresh, *lines[500:]], [later["E"] * 1_000_000]))
    assert (levels_of(mended["bids"]), levels_of(mended["asks"])) == (
        sorted(bids.items(), reverse=True),
        sorted(asks.items()),
    )
    assert known.to_dict() == mended
    assert known.bids(1) == [tuple(map(Decimal, mended["bids"][0]))]
    assert newest.valid
    assert [each.valid for each in single] == steps["valid"].tolist()
    assert {True, False} == set(steps["valid"].tolist())
    for at in steps["valid"].nonzero()[0]:
        assert float(single[at].asks(3)[2][0]) == steps["ask_px_02"][at]
        assert float(single[at].bids(1)[0][1]) == steps["bid_sz_00"][at]
    assert newest.ts_event == plain["E"] * 1_000_000
    assert "binance/btcusdt/book at 2024" in repr(newest)

    assert (synced["complete"], synced["records"]) == (True, 599)
    assert "1 gap" in reader.commands[-1].stderr
    assert reader.verify()
    assert (gap["type"], gap["ts_before"], gap["ts_after"]) == (
        "gap",
        before["E"] * 1_000_000,
        after["E"] * 1_000_000,
    )
    assert (gap["missing_from"], gap["missing_to"]) == (lost[0]["U"], lost[-1]["u"])
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert exported["records"] == len(rows) == 599
    assert [row["type"] for row in rows].index("gap") == gap["seq"] == 300
    assert [row["is_snapshot"] for row in rows if row["type"] == "book"].count(True) == 2
    assert (rows[-1]["first_id"], rows[-1]["last_id"]) == (plain["U"], plain["u"])
    for side, name in (("bids", "b"), ("asks", "a")):
        found = [(Decimal(price), Decimal(size)) for price, size in rows[-1][side]]
        assert found == [(Decimal(price), Decimal(size)) for price, size in plain[name]]


def at_ms(time: int) -> str:
    """A time in ms as people write it."""
    return format_time_ns(time * 1_000_000)


def levels_of(texts: list[list[str]]) -> list[tuple[int, int]]:
    """Levels of JSON in units of 10^-8."""
    return [(int(Decimal(p) * 10**8), int(Decimal(s) * 10**8)) for p, s in texts]


def options(given: dict[str, str]) -> list[str]:
    return [text for name, value in given.items() for text in (f"--{name}", value)]
