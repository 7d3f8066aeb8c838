"""Replays of the shared captures: order, gaps, validity, speed, ranges."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.captures import SPOT
from support.commands import Machine, machine
from support.real_data import real

import tradercast
from tradercast.book_levels import BookSide
from tradercast.client.pace import paced
from tradercast.errors import UnknownSymbolError, UsageError
from tradercast.market.book import Book
from tradercast.market.replay_events import ReplayEvent
from tradercast.market.replay_merge import ReplayBatch
from tradercast.timerange import parse_time_ns

START, END = "2024-08-08T23:55:00Z", "2024-08-08T23:56:00Z"
BOTH = ("trades", "book")
NAMED = {"exchange": "binance", "symbol": "btcusdt", "format": "binance-raw"}


@pytest.fixture(scope="module")
def capture() -> Path:
    return real("l2") / SPOT[0]


@pytest.fixture(scope="module")
def publisher(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A node with both captures, which meet at midnight, and with one that has a hole."""
    root = tmp_path_factory.mktemp("captures")
    holey = root / "holey.jsonl"
    holey.write_bytes(b"".join(holed(capture)))
    with machine(root) as made:
        for channel in BOTH:
            made.publish(*both(), channel=channel, **NAMED)
            made.publish(holey, channel=channel, **{**NAMED, "exchange": "holey"})
        yield made


@pytest.fixture(scope="module")
def published(publisher: Machine) -> Path:
    return publisher.data_dir


@pytest.fixture(scope="module")
def client(published: Path) -> Iterator[tradercast.Client]:
    with tradercast.connect(published) as opened:
        yield opened


def both() -> list[Path]:
    return [real("l2") / name for name in SPOT]


def lines_of(capture: Path) -> list[bytes]:
    with gzip.open(capture) as file:
        return [line for line in file if b"bookTicker" not in line]


def holed(capture: Path) -> list[bytes]:
    """Without some lines in the middle, and with a snapshot some time behind them."""
    lines = lines_of(capture)
    first = json.loads(next(line for line in lines if b"lastUpdateId" in line).split(b" ", 1)[1])
    at = next(at for at in range(6_000, 7_000) if b"depthUpdate" in lines[at])
    received, change = lines[at].split(b" ", 1)
    first["lastUpdateId"] = json.loads(change)["data"]["u"]
    snapshot = received + b" " + json.dumps(first).encode() + b"\n"
    return [*lines[:5_000], *lines[5_100 : at + 1], snapshot, *lines[at + 1 :]]


def numbers_of(lines: list[bytes]) -> list[tuple[str, int]]:
    """What every line is, in its order; snapshots are left out, which stand elsewhere."""
    found = []
    for line in lines:
        data = json.loads(line.split(b" ", 1)[1]).get("data", {})
        if data.get("e") == "trade":
            found.append(("trade", data["t"]))
        elif data.get("e") == "depthUpdate":
            found.append(("book", data["u"]))
    return found


def test_trades_and_book_come_in_the_captures_order(client: tradercast.Client) -> None:
    events = list(client.replay("binance/btcusdt", channels=BOTH, sync=False))

    shown = [
        (e.kind, int(e.data.trade_id) if e.kind == "trade" else e.data.last_id)
        for e in events
        if e.kind == "trade" or not e.data.is_snapshot
    ]
    assert shown == [number for name in both() for number in numbers_of(lines_of(name))]
    assert events[0].ts < parse_time_ns("2024-08-09") < events[-1].ts
    assert sum(e.kind == "book" and e.data.is_snapshot for e in events) == 1
    assert all(one.ts <= two.ts for one, two in itertools.pairwise(events))


def test_batches_are_the_same_records(client: tradercast.Client) -> None:
    wanted = ("binance/btcusdt", START, END, BOTH)
    events = list(client.replay(*wanted, sync=False))
    batches = list(client.replay(*wanted, sync=False, batches=True))

    assert 1_000 < len(events) < 5_000
    assert [(e.ts, e.feed, e.seq) for e in events] == [
        (ts, batch.parts[part].feed, seq)
        for batch in batches
        for ts, part, seq in zip(
            batch.ts.tolist(), batch.part.tolist(), batch.seq.tolist(), strict=True
        )
    ]
    assert {str(e.feed) for e in events} == {"binance/btcusdt/trades", "binance/btcusdt/book"}


def test_a_replay_from_the_middle_opens_with_the_book_before_it(client: tradercast.Client) -> None:
    before = client.book_at("binance/btcusdt", START, sync=False).book
    opening, *changes = client.replay("binance/btcusdt", START, END, BOTH, sync=False)
    book = Book()
    book.apply(opening.data.messages)

    assert opening.data.is_snapshot
    assert_same(book, before)
    changes = [event for event in changes if event.kind == "book"]
    assert [event.seq - opening.seq for event in changes] == list(range(1, len(changes) + 1))
    assert all(event.data.valid for event in (opening, *changes))
    for event in changes:
        book.apply(event.data.messages)
    assert_same(book, client.book_at("binance/btcusdt", int(str(book.ts_event)), sync=False).book)


def assert_same(one: Book, two: Book) -> None:
    assert all(one.levels(side).equals(two.levels(side)) for side in BookSide)


def test_an_invalid_book_does_not_open_a_replay(client: tradercast.Client) -> None:
    gap = next(
        e for e in client.replay("holey/btcusdt", channels="book", sync=False) if e.kind == "gap"
    )
    rest = client.replay("holey/btcusdt", gap.data.after_ns + 1, channels="book", sync=False)
    first = next(rest)

    assert not first.data.is_snapshot
    assert not first.data.valid


def test_a_hole_is_a_gap_and_the_book_is_not_valid_behind_it(client: tradercast.Client) -> None:
    events = list(client.replay("holey/btcusdt", channels=BOTH, sync=False))
    gaps = {event.feed.channel: event for event in events if event.kind == "gap"}
    books = of_book(events)
    again = [at for at, event in enumerate(books) if is_snapshot(event)][-1]

    assert sorted(gaps) == ["book", "trades"]
    for channel, event in gaps.items():
        assert client.gaps("holey/btcusdt", channel=channel).gaps == [event.data]
        feed = [each for each in events if each.feed == event.feed]
        assert feed[feed.index(event) + 1].ts == event.ts
    cut = books.index(gaps["book"])
    assert cut < again < len(books) - 100
    assert all(e.data.valid for e in books[cut - 100 : cut])
    assert not any(e.data.valid for e in books[cut + 1 : again])
    assert all(e.data.valid for e in books[again:])


def test_the_command_lists_the_gaps_of_all_channels_by_time(publisher: Machine) -> None:
    lines = publisher.run("gaps", "holey/btcusdt")

    assert {line["feed"] for line in lines} == {"holey/btcusdt/trades", "holey/btcusdt/book"}
    times = [line["ts_before"] for line in lines]
    assert times == sorted(times)
    [book] = publisher.run("gaps", "holey/btcusdt/book")
    assert book in lines
    assert publisher.run("gaps", "holey/btcusdt", "--channel", "book") == [book]


def of_book(events: list[ReplayEvent]) -> list[ReplayEvent]:
    return [event for event in events if event.feed.channel == "book"]


def is_snapshot(event: ReplayEvent) -> bool:
    return event.kind == "book" and event.data.is_snapshot


def test_two_clients_see_the_same_asynchronously(
    client: tradercast.Client, published: Path
) -> None:
    wanted = ("binance/btcusdt", START, END, BOTH)
    expected = [(e.feed, e.seq, e.ts) for e in client.replay(*wanted, sync=False)]

    async def collect() -> list[tuple[object, int, int]]:
        async with tradercast.aio.connect(published) as other:
            return [(e.feed, e.seq, e.ts) async for e in other.replay(*wanted, sync=False)]

    assert asyncio.run(collect()) == expected


def test_a_paced_replay_waits_for_what_is_due(client: tradercast.Client, published: Path) -> None:
    now, slept = [100.0], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    async def collect() -> list[tuple[float, ReplayBatch]]:
        async with tradercast.aio.connect(published) as other:
            source = other.replay("binance/btcusdt", START, END, BOTH, sync=False, batches=True)
            return [(now[0], b) async for b in paced(source, 10, lambda: now[0], sleep)]

    found = asyncio.run(collect())
    first = int(found[0][1].ts[0])
    for at, batch in found:
        late_s = (at - 100.0) * 10 - (int(batch.ts[-1]) - first) / 1e9
        assert -1e-6 <= late_s < 0.011
    assert sum(slept) == pytest.approx((int(found[-1][1].ts[-1]) - first) / 1e10, abs=0.01)
    assert sum(len(batch) for _, batch in found) == len(
        list(client.replay("binance/btcusdt", START, END, BOTH, sync=False))
    )


def test_what_can_not_be_replayed_is_refused(client: tradercast.Client) -> None:
    for mistake, error in (
        ({"symbols": []}, UsageError),
        ({"symbols": "binance/btcusdt", "channels": "bbo"}, UsageError),
        ({"symbols": "binance/btcusdt", "speed": 0}, UsageError),
        ({"symbols": "binance/btcusdt", "on_missing": "never"}, UsageError),
        ({"symbols": "binance/btcusdt/candles-1m"}, UnknownSymbolError),
    ):
        with pytest.raises(error):
            list(client.replay(**mistake, sync=False))
