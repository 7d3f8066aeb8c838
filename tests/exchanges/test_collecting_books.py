"""Books from a made-up exchange: snapshots, changes, checksums, and what happens after a hole."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Sequence

from support.collecting import Collecting, MemorySink, collecting
from support.exchange import T0_MS, FakeExchange, exchange
from support.real_data import real

from tradercast.exchanges.bitfinex.session import BitfinexSession
from tradercast.exchanges.bitfinex.symbols import instrument
from tradercast.exchanges.book_entries import Entry, Hole, Message
from tradercast.pipeline.collect import BookGap
from tradercast.pipeline.collect_metrics import collect_readings
from tradercast.pipeline.exchange_trades import RecvPrecision, book_columns
from tradercast.pipeline.files.bitfinex_raw import read_bitfinex_book

CHANNELS = ("trades", "book")
START = (("10", 2, "1.5"), ("9", 1, "3"), ("11", 4, "-2"))
REAL = ("bft/usd", "iot/eth", "dog/usd", "mna/btc", "ode/usd", "testbtc/testusd", "sng/usd")


def shape(entries: Sequence[Entry]) -> str:
    """``S`` a snapshot, ``.`` changes, ``c`` a checksum, ``|`` a hole."""
    kinds = [
        "|" if isinstance(e, Hole) else "S" if e.is_snapshot else "." if e.checksum is None else "c"
        for e in entries
    ]
    return "".join(kinds)


async def has(running: Collecting, expected: str) -> list[Entry]:
    """Wait until the book is of this shape."""
    book = running.sink.books
    with contextlib.suppress(TimeoutError):
        await running.until(lambda: len(book.get("btcusd", [])) >= len(expected))
    assert shape(book.get("btcusd", [])) == expected
    return book["btcusd"]


async def test_a_book_with_its_checksums_and_the_exchanges_time(bitfinex: FakeExchange) -> None:
    bitfinex.levels("tBTCUSD", *START)
    async with collecting(bitfinex, channels=CHANNELS) as running:
        await has(running, "Sc")
        asked = bitfinex.wait("subscribed", channel="book")
        bitfinex.levels("tBTCUSD", ("10", 0, "1"), ("11.5", 1, "-1e-7"))
        bitfinex.trade("tBTCUSD", 1, "0.5", "11")
        entries = await has(running, "Sc.c.c")
        await running.has([1])

    assert asked["length"] == "250"
    messages = [each for each in entries if isinstance(each, Message)]
    assert messages[0].bids == [["10", "1.5", 2], ["9", "3", 1]]
    assert messages[2].bids == [["10", "0", 0]]
    assert messages[4].asks == [["11.5", "0.0000001", 1]]
    assert [each.ts_event for each in messages] == [
        (T0_MS + each.last) * 1_000_000 for each in messages
    ]
    readings = {each.name: each.value for each in collect_readings(running.collector, "bitfinex")}
    assert readings["tradercast_collect_book_written_total"] == 6
    assert readings["tradercast_collect_book_durable_timestamp_seconds"] > 0
    counters = running.collector.book_counters["btcusd"]
    assert (counters.taken, counters.written, counters.gaps) == (6, 6, 0)


async def test_after_a_wrong_checksum_and_a_lost_connection_comes_a_fresh_snapshot(
    bitfinex: FakeExchange,
) -> None:
    bitfinex.levels("tBTCUSD", *START)
    sink = MemorySink(book_before=(5, 77))
    sink.may_write.set()
    async with collecting(bitfinex, sink=sink, channels=("book",)) as running:
        await has(running, "|Sc")
        bitfinex.levels("tBTCUSD", ("10", 1, "7"), wrong=True)
        await has(running, "|Sc|.cSc")
        bitfinex.levels("tBTCUSD", ("10", 1, "8"), heard=False)
        bitfinex.do("abort")
        await has(running, "|Sc|.cSc|Sc")
        bitfinex.do("skip")
        bitfinex.levels("tBTCUSD", ("10", 1, "9"))
        entries = await has(running, "|Sc|.cSc|Sc|Sc")

    assert entries[0] == Hole(78, 78, 5, entries[1].ts_event)  # type: ignore[union-attr]
    last = entries[-2]
    assert isinstance(last, Message)
    assert last.bids == [["10", "9", 1], ["9", "3", 1]]
    gaps = [each for each in running.news if isinstance(each, BookGap)]
    assert [each.hole for each in gaps] == [each for each in entries if isinstance(each, Hole)]
    assert running.collector.book_counters["btcusd"].gaps == 4


async def test_a_recorded_connection_gives_what_its_capture_gives() -> None:
    path = real("ws") / "BITFINEX.ws.11.0.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines()
    [expected] = read_bitfinex_book([("capture", lines)], "dogusd")
    with exchange("--capture", str(path)) as bitfinex:
        async with collecting(bitfinex, *REAL, channels=CHANNELS) as running:
            await running.until(lambda: len(running.sink.books.get("dogusd", [])) >= len(expected))
            found = book_columns(running.sink.books["dogusd"], RecvPrecision.NS)
            trades = running.sink.ids("dogusd")

    assert len(trades) == 30
    assert found.levels.equals(expected.levels)
    assert found.offsets.tolist() == expected.offsets.tolist()
    assert found.filled("last_id").tolist() == expected.filled("last_id").tolist()
    assert found.is_snapshot.tolist() == expected.is_snapshot.tolist()


def test_the_greeting_asks_for_books_with_checksums() -> None:
    session = BitfinexSession([instrument("btcusd")], 0.0, channels=CHANNELS)

    conf, trades, book = (json.loads(text) for text in session.greeting())

    assert conf == {"event": "conf", "flags": 65_536 + 131_072 + 32_768}
    assert (trades["channel"], book["channel"]) == CHANNELS
    assert (book["prec"], book["freq"], book["len"]) == ("P0", "F0", "250")


def test_after_a_maintenance_both_channels_are_asked_for_again() -> None:
    session = BitfinexSession([instrument("btcusd")], 0.0, channels=CHANNELS)
    for channel, number in (("trades", 1), ("book", 2)):
        event = {"event": "subscribed", "channel": channel, "chanId": number, "symbol": "tBTCUSD"}
        session.take(json.dumps(event).encode(), 1, 0.0)
    session.take(b'{"event":"info","code":20060}', 1, 0.0)

    found = session.take(b'{"event":"info","code":20061}', 1, 0.0)
    again = session.take(b'{"event":"unsubscribed","chanId":2}', 1, 0.0)

    assert [json.loads(each.text)["chanId"] for each in found[1:]] == [1, 2]  # type: ignore[union-attr]
    assert [json.loads(each.text)["channel"] for each in again] == ["book"]  # type: ignore[union-attr]


def test_precisions() -> None:
    message = Message(1_999, 2_999, None, 5, None, True, [["1", "2", 3]], [], None)
    hole = Hole(3, 4, 1, 2)

    kept = {each: book_columns([hole, message], each).ts_recv for each in RecvPrecision}

    assert kept[RecvPrecision.NONE] is None
    assert kept[RecvPrecision.US].tolist()[1] == 2_000  # type: ignore[union-attr]
    assert kept[RecvPrecision.NS].tolist()[1] == 2_999  # type: ignore[union-attr]
