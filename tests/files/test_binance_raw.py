"""Raw captures of Binance: the exchange's rule, holes, broken lines."""

import itertools
import json
import random
from typing import Any

import pytest
from support.books import rows_of

from tradercast.book_messages import BookMessages
from tradercast.errors import InputError
from tradercast.pipeline.files.binance_raw import read_book

MS = 1_000_000


def change(first: int, last: int, *, at: int = 0, prev: int | None = None, **more: Any) -> bytes:
    """One spot message (futures with `prev`); its bid's size is its last number."""
    data = {"e": "depthUpdate", "E": at or last, "s": "BTCUSDT", "U": first, "u": last}
    data |= {} if prev is None else {"pu": prev}
    data |= {"b": [["10.50", str(last)]], "a": []} | more
    body = json.dumps({"stream": "btcusdt@depth", "data": data})
    return f"{(at or last) * MS + 5} {body}\n".encode()


def snapshot(last: int, **more: Any) -> bytes:
    body = {"lastUpdateId": last, "bids": [["10.5", "1"]], "asks": [["11", str(last)]]} | more
    return f"{last * MS + 9} {json.dumps(body)}\n".encode()


def read(*lines: bytes) -> list[dict[str, Any]]:
    return rows_of(BookMessages.concat(list(read_book([("capture", lines)]))))


def order(*lines: bytes) -> list[str]:
    """``S9`` a snapshot, ``9`` a change, ``gap 3-4``; by the last number."""
    return [
        "gap {}-{}".format(*entry["gap"])
        if entry["gap"]
        else f"{'S' if entry['snapshot'] else ''}{entry['last_id']}"
        for entry in read(*lines)
    ]


def test_a_message_becomes_a_record_with_all_its_numbers() -> None:
    rows = read(
        change(5, 7, prev=4, at=1_000, b=[["1.50", "0.00"], ["1.4", "2"]], a=[["2", "3"]]),
        snapshot(7, E=1_001),
        change(8, 9, prev=7),
    )

    assert rows[0] | {"levels": []} == {
        "ts_event": 1_000 * MS,
        "snapshot": False,
        "levels": [],
        "gap": None,
        "ts_recv": 1_000 * MS + 5,
        "first_id": 5,
        "last_id": 7,
        "prev_id": 4,
        "checksum": None,
    }
    assert [tuple(map(str, level[:3])) for level in rows[0]["levels"]] == [
        ("1", "1.5", "0"),
        ("1", "1.4", "2"),
        ("2", "2", "3"),
    ]
    assert (rows[1]["snapshot"], rows[1]["ts_event"], rows[1]["last_id"]) == (True, 1_001 * MS, 7)


def test_a_snapshot_takes_its_place_before_the_first_newer_change() -> None:
    one, two, three = change(1, 10), change(11, 20), change(21, 30)

    assert order(one, two, snapshot(15), three) == ["10", "S15", "20", "30"]
    assert order(one, two, snapshot(20), three) == ["10", "20", "S20", "30"]
    assert order(one, snapshot(25), two, three) == ["10", "20", "S25", "30"]
    assert order(snapshot(10), two, three) == ["S10", "20", "30"]
    assert order(one, snapshot(30), two, three, change(31, 40)) == ["10", "20", "30", "S30", "40"]


def test_a_snapshot_older_than_all_changes_is_of_no_use() -> None:
    assert order(change(11, 20), snapshot(9), change(21, 30), snapshot(22)) == ["20", "S22", "30"]
    assert order(change(11, 20), snapshot(10)) == ["S10", "20"]


def test_a_snapshot_of_a_whole_book_and_repeated_changes_are_left_out() -> None:
    one, two = change(1, 10), change(11, 20)

    assert order(snapshot(0), one, snapshot(4), two, one, two, snapshot(40)) == ["S0", "10", "20"]


def test_a_hole_is_a_gap_and_needs_a_fresh_snapshot() -> None:
    lines = [snapshot(0), change(1, 10), change(14, 20), change(21, 30), snapshot(25)]

    assert order(*lines) == ["S0", "10", "gap 11-13", "20", "S25", "30"]
    assert order(*lines, change(33, 40)) == [*order(*lines), "gap 31-32"]
    note = read(*lines)[2]
    assert note["gap"] == (11, 13, 10 * MS)
    assert (note["ts_event"], note["levels"], note["ts_recv"]) == (20 * MS, [], None)


def test_a_capture_that_begins_with_a_snapshot_before_a_hole_says_so() -> None:
    lines = [snapshot(5), change(9, 12), change(13, 14), snapshot(14), change(15, 16)]

    assert order(*lines) == ["S5", "gap 6-8", "12", "14", "S14", "16"]


def test_a_snapshot_within_a_hole_is_of_no_use() -> None:
    lines = [change(1, 10), snapshot(15), change(21, 30), change(31, 40), snapshot(30)]

    assert order(*lines) == ["10", "gap 11-20", "30", "S30", "40"]


def test_futures_follow_by_the_number_of_the_message_before() -> None:
    one, two = change(5, 10, prev=2), change(25, 30, prev=10)

    assert order(one, two, snapshot(10)) == ["10", "S10", "30"]
    assert order(one, snapshot(28), two) == ["10", "S28", "30"]
    assert order(snapshot(1), one) == ["S1", "gap 2-2"]
    assert order(one, change(25, 30, prev=12)) == ["10", "gap 11-12"]


def test_the_time_of_a_snapshot_that_has_none_is_that_of_the_change_before() -> None:
    assert [row["ts_event"] for row in read(change(1, 10), snapshot(10), change(11, 20))] == [
        10 * MS,
        10 * MS,
        20 * MS,
    ]
    assert [row["ts_event"] for row in read(snapshot(10), change(11, 20))] == [20 * MS, 20 * MS]


def test_microseconds_and_bare_messages_are_understood_and_others_passed_over() -> None:
    bare = b'77 {"e":"depthUpdate","E":1723161255208123,"s":"X","U":1,"u":2,"b":[],"a":[]}'
    other = b'78 {"stream":"x@trade","data":{"e":"trade"}}'

    best = b'79 {"stream":"x@depth5","data":{"lastUpdateId":1,"bids":[["1","1"]],"asks":[]}}'

    rows = read(snapshot(0), other, bare, b"nonsense", best)

    assert [(row["ts_event"], row["ts_recv"]) for row in rows[1:]] == [(1723161255208123000, 77)]


def capture(seed: int, count: int = 60) -> list[bytes]:
    """A stream of changes with holes and repeats, and snapshots anywhere among them."""
    rng = random.Random(seed)
    lines, last = [], 0
    for _ in range(count):
        kind = rng.random()
        if kind < 0.15:
            lines.append(snapshot(max(0, last + rng.randint(-12, 6))))
        elif kind < 0.2:
            last += rng.randint(1, 3)
        elif kind < 0.25 and lines:
            lines.append(rng.choice(lines))
        else:
            first, last = last + 1, last + rng.randint(1, 4)
            lines.append(change(first, last))
    return lines


def entries(lines: list[bytes]) -> list[dict[str, Any]]:
    try:
        return read(*lines)
    except InputError:  # nothing is settled yet
        return []


@pytest.mark.parametrize("seed", range(20))
def test_a_longer_capture_gives_the_same_records_and_more(seed: int) -> None:
    lines = capture(seed)
    whole = entries(lines)
    cuts = [entries(lines[:at]) for at in range(len(lines))]

    assert any(row["snapshot"] for row in whole)
    assert all(part == whole[: len(part)] for part in cuts)
    assert all(len(a) <= len(b) for a, b in itertools.pairwise(cuts))


def test_what_has_no_settled_place_is_said_not_given(caplog: pytest.LogCaptureFixture) -> None:
    lines = [snapshot(0), change(1, 10), change(14, 20), change(21, 30)]

    assert order(*lines) == ["S0", "10", "gap 11-13"]
    assert "the last 2 messages have no settled place yet" in caplog.text
    assert order(*lines, snapshot(25)) == ["S0", "10", "gap 11-13", "20", "S25", "30"]
    with pytest.raises(InputError, match="2 book messages, but no snapshot"):
        read(*lines[2:])
    with pytest.raises(InputError, match="no book message"):
        read(b"5 nothing", b"of a book")


def test_captures_are_one_stream() -> None:
    one, two = [snapshot(0), change(1, 10)], [change(11, 20)]

    both = list(read_book([("one", one), ("two", two)], "btcusdt"))

    assert [entry["last_id"] for entry in rows_of(BookMessages.concat(both))] == [0, 10, 20]
    with pytest.raises(InputError, match="two, line 1: no book message"):
        list(read_book([("one", one), ("two", [b'"depthUpdate"'])]))
    with pytest.raises(InputError, match="one, line 2: of 'btcusdt', not of 'ethusdt'"):
        list(read_book([("one", one)], "ethusdt"))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"e":"depthUpdate"}', "line 3.*no receive time"),
        (b'1 {"e":"depthUpdate"', "line 3.*no book message"),
        (change(9, 8), "the first update is after the last"),
        (change(-1, 8), "no number of an update"),
        (change(1, 2**63, at=3), "no number of an update"),
        (change(3, 8, b={"12": "34"}), "levels are no lists"),
        (change(3, 8, b=["12"]), "levels are no lists"),
        (change(3, 8, s="ETHUSDT"), "line 3: of 'ethusdt', not of 'btcusdt'"),
        (change(3, 8, b=[["1", "x"]]), "capture: a level.*'x' is not a decimal"),
        (change(3, 8, b=[["1", "-1"]]), "capture: a level.*size is negative"),
        (change(3, 8, b=[["1", "1", "1"]]), "capture: a level"),
        (change(3, 8, b=[[1.5, 2]]), "capture: a level.*no texts"),
        (snapshot(3, bids=None), "line 3.*levels are no lists"),
    ],
)
def test_a_broken_line_is_named(line: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read(snapshot(0), change(1, 2), line)
