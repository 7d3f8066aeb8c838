"""The client's books where there is nothing to make them of, or not all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.books import BID, messages_of, row
from support.commands import Machine, Serving, machine

import tradercast
from tradercast.book_messages import BookMessages
from tradercast.chunks import decode_book
from tradercast.cli.local import open_local
from tradercast.client.export import open_export
from tradercast.client.node import Node
from tradercast.errors import FormatError, MissingDataError, UnknownSymbolError, UsageError
from tradercast.paths import DataDir
from tradercast.timerange import NS_PER_DAY, parse_time_ns

START = parse_time_ns("2024-01-01")
DAYS = 40
LATER = 30  # the days from this on were published first, those before as history
LONG = 150  # days of another symbol, all in one segment


def daily(days: range) -> BookMessages:
    """One message a day, so one chunk a day; the first is a snapshot."""
    bids = [(BID, str(100 + day), "1") for day in days]
    times = [START + day * NS_PER_DAY for day in days]
    return messages_of(
        [
            row(time, bid, snapshot=not at)
            for at, (time, bid) in enumerate(zip(times, bids, strict=True))
        ]
    )


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Has published a book in two segments."""
    root = tmp_path_factory.mktemp("publisher")
    named = {"exchange": "binance", "symbol": "btcusdt", "channel": "book", "format": "tardis-csv"}
    with machine(root) as made:
        for segment, days in (("main", range(LATER, DAYS)), ("history", range(LATER))):
            path = root / f"{segment}.csv"
            with open_export(path, book=("binance", "BTCUSDT")) as file:
                file.write(daily(days))
            made.publish(path, segment=segment, **named)
        with open_export(root / "long.csv", book=("binance", "ETHUSDT")) as file:
            file.write(daily(range(LONG)))
        made.publish(root / "long.csv", **{**named, "symbol": "ethusdt"})
        yield made


@pytest.fixture
def serving(publisher: Machine) -> Iterator[Serving]:
    serving = publisher.serve()
    yield serving
    serving.kill()


def test_nothing_is_known(tmp_path: Path) -> None:
    with tradercast.connect(tmp_path) as client:
        for sync, error in ((False, UnknownSymbolError), (True, UsageError)):
            with pytest.raises(error):
                client.book_at("btcusdt", "2024-01-02", sync=sync)
            with pytest.raises(error):
                client.book_snapshots("btcusdt", "2024-01-02", "2024-01-03", sync=sync)


def test_a_range_is_whole_or_an_error_and_then_it_is_here(serving: Serving, tmp_path: Path) -> None:
    wanted = ("2024-01-10", "2024-01-20")
    with tradercast.connect(tmp_path, link=serving.link) as client:
        single = client.book_at("btcusdt", "2024-01-05T12:00:00Z")
        first = client.book_snapshots("btcusdt", *wanted, every="12h", depth=1)
    serving.kill()
    with tradercast.connect(tmp_path, link=serving.link) as client:
        again = client.book_snapshots("btcusdt", *wanted, every="12h", depth=1)
        more = ("btcusdt", "2024-01-10", "2024-01-25")
        with pytest.raises(MissingDataError) as caught:
            client.book_snapshots(*more, every="1d", sync=False)
        with pytest.warns(UserWarning, match="5 records of binance/btcusdt/book"):
            part = client.book_snapshots(*more, every="1d", sync=False, on_missing="warn")

    assert caught.value.missing == [(START + 19 * NS_PER_DAY, START + 23 * NS_PER_DAY + 1)]
    assert part.valid.tolist() == [True] * 9 + [False] * 6
    assert single.valid
    assert [int(price) for price, _ in single.bids()] == [104, 103, 102, 101, 100]
    assert first.valid.all()
    assert first.to_numpy()["bid_px_00"].tolist() == [109 + at // 2 for at in range(20)]
    assert again.to_numpy()["bid_px_00"].tolist() == first.to_numpy()["bid_px_00"].tolist()


@pytest.mark.parametrize("day", [3, 70, 140, LONG - 3])
def test_a_book_from_nothing_is_a_chunk_and_two_index_blocks_at_most(
    serving: Serving, tmp_path: Path, day: int
) -> None:
    with tradercast.connect(tmp_path, link=serving.link) as client:
        book = client.book_at("ethusdt", START + day * NS_PER_DAY + NS_PER_DAY // 2)

    chunks, others = asyncio.run(blocks_here(tmp_path, "binance/ethusdt/book"))
    assert book.valid
    assert len(book.bids()) == day + 1
    assert len(chunks) == 1
    assert 1 <= len(others) <= 2


def test_a_synced_range_is_enough_for_its_books(serving: Serving, tmp_path: Path) -> None:
    wanted = ("ethusdt", "2024-01-10", "2024-01-20")
    with tradercast.connect(tmp_path, link=serving.link) as client:
        client.sync(*wanted, channel="book")
    serving.kill()
    with tradercast.connect(tmp_path) as client:
        steps = client.book_snapshots(*wanted, every="12h", depth=1)
        changes = client.bbo(*wanted)
        last = client.book_at("ethusdt", "2024-01-19T23:59:59.999Z")

    assert steps.valid.all()
    assert steps.to_numpy()["bid_px_00"].tolist() == [109 + at // 2 for at in range(20)]
    assert changes.to_numpy()["bid_price"].tolist() == [109 + at for at in range(10)]
    assert (last.valid, len(last.bids())) == (True, 19)


def test_an_export_of_steps_says_what_to_fetch(serving: Serving, tmp_path: Path) -> None:
    days = ("--channel", "book", "--start", "2024-01-10")
    with machine(tmp_path) as reader:
        reader.sync("ethusdt", *days, "--end", "2024-01-20", "--from", serving.link)
        out = ("--every", "1d", "--out", tmp_path / "x.csv")
        written = reader.run("export", "ethusdt", *days, "--end", "2024-01-20", *out)
        error = reader.fails(3, "export", "ethusdt", *days, "--end", "2024-01-25", *out)

    assert [line["valid"] for line in written] == [1] * 10
    assert "1 records of binance/ethusdt/book" in error["message"]
    assert error["hint"] == "sync the range first, or say --ignore-missing"


async def blocks_here(directory: Path, feed: str) -> tuple[list[bytes], list[bytes]]:
    """The chunks of an archive that are here, and its other blocks."""
    async with Node(DataDir.locate(directory)) as node:
        opened = await open_local(node, feed)
        archive = opened.segments[0].reader.archive
        held = await archive.held(0, (await archive.info()).length)
        blocks = [data async for part in archive.read(held, wait=False) for _, data in part]
    found = [data for data in blocks if data is not None]
    chunks = [data for data in found if is_chunk(data)]
    return chunks, [data for data in found if data not in chunks]


def is_chunk(data: bytes) -> bool:
    try:
        decode_book(data)
    except FormatError:
        return False
    return True


def test_history_that_was_loaded_later_comes_before(serving: Serving, tmp_path: Path) -> None:
    with tradercast.connect(tmp_path, link=serving.link) as client:
        early, before, after, newest, never = (
            client.book_at("btcusdt", time)
            for time in ("2024-01-03", "2024-01-30", "2024-01-31", None, "2023-12-31")
        )
        steps = client.book_snapshots("btcusdt", "2024-01-28", "2024-02-03", every="1d", depth=2)

    assert [int(price) for price, _ in early.bids()] == [102, 101, 100]
    assert before.valid
    assert len(before.bids()) == LATER
    assert after.valid
    assert [int(price) for price, _ in after.bids()] == [130]
    assert (newest.valid, len(newest.bids())) == (True, DAYS - LATER)
    assert (never.valid, never.reason) == (False, "there is no message so early")
    columns = steps.to_numpy()
    assert columns["bid_px_00"].tolist() == [127, 128, 129, 130, 131, 132]
    assert str(columns["bid_px_01"].tolist()) == "[126.0, 127.0, 128.0, nan, 130.0, 131.0]"
