"""Raw captures of Bitfinex: its rule of snapshot, changes and checksums; holes; trades."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from support.books import rows_of
from support.captures import signed_crc

from tradercast.book_messages import BookMessages
from tradercast.errors import InputError
from tradercast.exchanges.bitfinex.book import checksum
from tradercast.feed.book_at import book_until
from tradercast.market.book import Book
from tradercast.pipeline.files.bitfinex_raw import read_bitfinex_book, read_bitfinex_trades
from tradercast.records import ABSENT, NO_TIME, Kind, Notes, Trades

CAPTURE = "BITFINEX.ws.11.0.gz"
MS = 1_000_000
CHECKED = 65_536 + 131_072
INFO = {"event": "info", "version": 2, "platform": {"status": 1}}


class Capture:
    """A written capture of one connection: each line comes a millisecond after the one before."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.number = 0

    def line(self, body: Any, wait_ms: int = 1) -> None:
        self.now_ms = getattr(self, "now_ms", 1_700_000_000_000) + wait_ms
        text = body if isinstance(body, str) else json.dumps(body)
        self.lines.append(f"{self.now_ms * MS} {text}\n".encode())

    def connect(self, flags: int = CHECKED, kind: str = "book", **more: Any) -> None:
        self.number = 0
        self.line(INFO)
        self.line({"event": "conf", "status": "OK", "flags": flags})
        self.subscribe(kind, **more)

    def subscribe(self, kind: str = "book", symbol: str = "tBTCUSD", **more: Any) -> None:
        event = {"event": "subscribed", "channel": kind, "chanId": 7, "symbol": symbol}
        self.line(event | ({"prec": "P0"} if kind == "book" else {}) | more)

    def say(self, content: str, channel: int = 7, **more: Any) -> None:
        self.number += 1
        self.line(f"[{channel},{content},{self.number}]", **more)

    def checksum(self, text: str) -> None:
        self.say(f'"cs",{signed_crc(text)}')


def started(flags: int = CHECKED) -> Capture:
    made = Capture()
    made.connect(flags)
    made.say("[[10,2,1.5],[9,1,3],[11,4,-2]]")
    return made


START = "10:1.5:11:-2:9:3"


def read(*captures: Capture) -> list[dict[str, Any]]:
    named = [(f"capture {at}", each.lines) for at, each in enumerate(captures, 1)]
    return rows_of(BookMessages.concat(list(read_bitfinex_book(named, "btcusd"))))


def order(*captures: Capture) -> list[str]:
    """``S1`` a snapshot, ``2`` changes, ``c3`` a checksum, ``gap 3-4``; by their numbers."""
    return [
        "gap {}-{}".format(*row["gap"])
        if row["gap"]
        else "S" * row["snapshot"] + "c" * (row["checksum"] is not None) + str(row["last_id"])
        for row in read(*captures)
    ]


def test_every_message_is_a_record_with_its_number_counts_and_checksum() -> None:
    capture = started()
    capture.checksum(START)
    capture.say("[10,0,1]")
    capture.say("[2.5e-7,3,-1e-8]", wait_ms=20)
    capture.checksum("9:3:2.5e-7:-1e-8:11:-2")

    snapshot, first, removed, added, second = read(capture)

    assert [tuple(map(str, level)) for level in snapshot["levels"]] == [
        ("1", "10", "1.5", "2"),
        ("1", "9", "3", "1"),
        ("2", "11", "2", "4"),
    ]
    assert (first["checksum"], first["levels"]) == (959_877_359, [])
    assert [(row["last_id"], row["first_id"]) for row in (snapshot, first)] == [
        (1, None),
        (2, None),
    ]
    assert [tuple(map(str, level)) for level in removed["levels"]] == [("1", "10", "0", "0")]
    assert tuple(map(str, added["levels"][0])) == ("2", "2.5E-7", "1E-8", "3")
    assert added["ts_event"] == added["ts_recv"] == removed["ts_recv"] + 20 * MS
    assert second["checksum"] is not None


def test_the_exchanges_own_time_is_taken_where_it_sends_it() -> None:
    capture = Capture()
    capture.connect(65_536 + 32_768)
    capture.line("[7,[[10,1,1]],1,1699999999123]")
    capture.line("[7,[10,1,2],2,1699999999456]")

    rows = read(capture)

    assert [row["ts_event"] for row in rows] == [1_699_999_999_123 * MS, 1_699_999_999_456 * MS]
    assert [row["last_id"] for row in rows] == [1, 2]


@pytest.mark.parametrize(
    ("text", "bids", "asks"),
    [
        (
            "6000:1:6100:-3:5900:2:6200:-4",
            {"5900": "2", "6000": "1"},
            {"6200": "-4", "6100": "-3"},
        ),
        ("5.6e-7:1:0.001:-2", {"5.6e-7": "1"}, {"0.001": "-2"}),
        ("1:2:3:-4:5:-6", {"1": "2"}, {"5": "-6", "3": "-4"}),
        ("", {}, {}),
        (
            ":".join(f"{100 - at}:1:{101 + at}:-1" for at in range(25)),
            {str(price): "1" for price in range(1, 101)},
            {str(price): "-1" for price in range(101, 200)},
        ),
    ],
)
def test_the_checksum_is_that_of_the_best_25_levels(
    text: str, bids: dict[str, str], asks: dict[str, str]
) -> None:
    assert checksum(bids, asks) & 0xFFFFFFFF == zlib.crc32(text.encode())
    assert -(2**31) <= checksum(bids, asks) < 2**31


def test_a_failed_checksum_is_a_gap_before_all_that_it_may_be_about() -> None:
    capture = started()
    capture.checksum(START)
    capture.say("[10,0,1]")
    capture.checksum("9:3:11:-2")
    capture.say("[9,1,4]")
    capture.say("[8,1,1]")
    capture.checksum("9:4.5:11:-2:8:1")
    capture.say("[8,1,2]")
    capture.checksum("9:4:11:-2:8:2")

    assert order(capture) == ["S1", "c2", "3", "c4", "gap 5-7", "5", "6", "c7", "8", "c9"]
    gap, before, after = (read(capture)[at] for at in (4, 3, 5))
    assert (gap["gap"][2], gap["ts_event"]) == (before["ts_event"], after["ts_event"])

    capture.line({"event": "unsubscribed", "status": "OK", "chanId": 7})
    capture.subscribe()
    capture.say("[[9,1,4],[11,4,-2]]")
    capture.checksum("9:4:11:-2")
    assert order(capture)[-3:] == ["c9", "S10", "c11"]


def test_a_snapshot_whose_checksum_fails_is_not_taken_for_the_book() -> None:
    capture = started()
    capture.say("[10,0,1]")
    capture.checksum("anything")

    records = BookMessages.concat(list(read_bitfinex_book([("one", capture.lines)])))

    assert order(capture) == ["S1", "gap 2-3", "2", "c3"]
    for time in records.ts_event.tolist():
        state = book_until(Book(), records, time, is_first=False)
        assert state is not None
        assert "2 to 3 are missing" in str(state.reason)


def test_messages_wait_for_their_checksum_a_second_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    capture = started()
    capture.checksum(START)
    capture.say("[10,0,1]")
    capture.say("[9,1,1]")

    assert order(capture) == ["S1", "c2"]
    assert "the last 2 messages wait for a checksum" in caplog.text
    capture.say('"hb"', wait_ms=998)
    assert order(capture) == ["S1", "c2"]
    capture.say('"hb"', wait_ms=2)
    assert order(capture) == ["S1", "c2", "3", "4"]


def test_a_checksum_that_comes_late_is_still_about_what_waits() -> None:
    capture = started()
    capture.checksum(START)
    capture.say("[10,0,1]")
    capture.say('"cs",1', wait_ms=5_000)

    assert order(capture) == ["S1", "c2", "gap 3-4", "3", "c4"]


def test_a_capture_of_which_nothing_is_settled_is_refused() -> None:
    capture = started()

    with pytest.raises(InputError, match="1 messages wait for a checksum; no book message"):
        read(capture)


def test_without_checksums_nothing_waits() -> None:
    capture = started(65_536)
    capture.say("[10,0,1]")

    assert order(capture) == ["S1", "2"]


def test_a_missing_number_is_a_gap_until_the_next_snapshot() -> None:
    capture = started(65_536)
    capture.say('"hb"', channel=9)
    capture.number += 3
    capture.say('"hb"', channel=9)
    capture.say("[10,0,1]")
    capture.say("[9,0,1]")

    assert order(capture) == ["S1", "gap 3-5", "7", "8"]
    capture.connect(65_536)
    capture.say("[[9,1,4]]")
    assert order(capture)[2:] == ["7", "8", "S1"]


def test_a_new_connection_is_a_gap() -> None:
    first, second = started(), started()
    second.lines = [line.replace(b"17000", b"17001") for line in second.lines]
    first.checksum(START)
    first.say("[9,1,1]")
    second.checksum(START)

    assert order(first, second) == ["S1", "c2", "gap 3-3", "S1", "c2"]


def test_the_books_of_other_symbols_and_precisions_are_passed_over() -> None:
    capture = Capture()
    capture.connect(65_536, symbol="tETHUSD")
    capture.subscribe(chanId=8, prec="R0")
    capture.subscribe(chanId=9)
    capture.subscribe(chanId=10)
    for channel in (7, 8, 9, 10):
        capture.say(f"[[{channel},1,1]]", channel=channel)

    [row] = read(capture)

    assert str(row["levels"][0][1]) == "9"
    with pytest.raises(InputError, match=r"no channel of book of xrpusd.*: btcusd, ethusd"):
        list(read_bitfinex_book([("one", capture.lines)], "xrpusd"))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("[7,[1,2],3]", "one, line 5: Bitfinex sent a level"),
        ("[7,[1,-2,3],4]", "impossible count or amount"),
        ("[7,[1,1,0],4]", "impossible count or amount"),
        ('[7,["1",1,1],4]', "no price or amount"),
        ('[7,"cs","1",4]', "a checksum that is no number"),
        ("[7,[[1,1,1]", "no JSON"),
        ('{"event":"subscribed","channel":"book","chanId":1}', "line 5: .. is not a valid symbol"),
        ("nonsense", "line 5: no frame"),
    ],
)
def test_a_broken_line_is_named(line: str, what: str) -> None:
    capture = started()
    capture.line(line)

    with pytest.raises(InputError, match=what):
        list(read_bitfinex_book([("one", capture.lines)]))


def trade(number: int, amount: str = "1") -> str:
    return f"[{number},{1_600_000_000_000 + number},{amount},100.5]"


def trades(*captures: Capture) -> Trades:
    named = [("one", each.lines) for each in captures]
    return Trades.concat(list(read_bitfinex_trades(named, "btcusd")))


def test_a_trade_is_taken_once_and_gaps_are_said() -> None:
    capture = Capture()
    capture.connect(65_536, "trades")
    capture.say(f"[{trade(6)},{trade(5)}]")
    capture.say(f'"te",{trade(7, "-2")}')
    capture.say(f'"tu",{trade(7, "-2")}')
    capture.number += 1
    capture.say(f'"te",{trade(9)}')
    again = Capture()
    again.connect(65_536, "trades")
    again.say(f"[{trade(10)},{trade(9)}]")
    lost = Capture()
    lost.connect(65_536, "trades")
    lost.say(f"[{trade(31)},{trade(30)}]")

    found = trades(capture, again, lost)

    assert found.trade_id is not None
    assert found.ts_recv is not None
    assert found.trade_id.values.tolist() == [5, 6, 7, ABSENT, 9, 10, ABSENT, 30, 31]
    assert (found.ts_recv == NO_TIME).tolist() == [
        *(True, True, False, True, False),
        *(True, True, True, True),
    ]
    assert found.side.tolist()[2] == 2
    time = 1_600_000_000_000
    assert found.notes.equals(
        Notes.of([(3, Kind.GAP, 4, 4, (time + 7) * MS), (6, Kind.GAP, 2, 2, (time + 10) * MS)])
    )
