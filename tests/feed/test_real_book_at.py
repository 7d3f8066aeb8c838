"""The book at any time of the shared captures: that of a plain reading, level by level."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.captures import FUTURES, SPOT, lines_of, plain_books, plain_side
from support.feeds import open_writer
from support.stores import connected_stores, key_pair

from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.feed.book_at import BookReader, BookState
from tradercast.feed.channel import BOOK
from tradercast.feed.reader import ReadReport, SegmentReader
from tradercast.feeds import FeedId
from tradercast.pipeline.files.binance_raw import read_book
from tradercast.timerange import TimeRange, parse_time_ns

FEED = FeedId("binance", "btcusdt", "book")
MS = 1_000_000
MIDNIGHT = parse_time_ns("2024-08-09")
LOGS = ("archive", "tail")
AT_ONCE = 50


@dataclass(frozen=True)
class Synced:
    """A capture, its records, and a reader of the feed that was made of it."""

    lines: list[bytes]
    records: BookMessages
    reader: SegmentReader

    @property
    def span(self) -> tuple[int, int]:
        """From the first message behind the snapshot to the last."""
        first = int(self.records.is_snapshot.argmax()) + 1
        return int(self.records.ts_event[first]), int(self.records.ts_event[-1])

    async def held(self) -> list[tuple[int, int]]:
        """Blocks of the archive that the reader has."""
        archive = self.reader.archive
        return await archive.held(0, (await archive.info()).length)


@functools.cache
def spot(folder: Path) -> tuple[list[bytes], list[BookMessages]]:
    """The lines of both spot captures, and their records."""
    lines = lines_of(folder, SPOT)
    return lines, records_of(lines)


def records_of(lines: list[bytes]) -> list[BookMessages]:
    return list(read_book([("capture", lines)], "btcusdt"))


@asynccontextmanager
async def synced(
    lines: list[bytes], batches: list[BookMessages], directory: Path
) -> AsyncIterator[Synced]:
    """A publisher of a capture, and a reader beside it that has nothing yet."""
    async with connected_stores(directory) as (one, two):
        async with open_writer(one, directory / "first", feed=FEED) as writer:
            await writer.import_batches(batches)
        keys = [(await one.core(signer=key_pair(f"{FEED} {log}"))).key for log in LOGS]
        archive, tail = [await two.core(key=key) for key in keys]
        reader = SegmentReader(archive, tail, BOOK, remote=True)
        yield Synced(lines, BookMessages.concat(batches), reader)


def assert_same(state: BookState | None, plain: tuple[dict[int, int], dict[int, int]]) -> None:
    assert state is not None
    assert state.reason is None
    assert not state.book.is_crossed
    for side, expected in zip(BookSide, plain, strict=True):
        assert plain_side(state.book, side) == expected


async def check_at_random_times(capture: Synced, count: int) -> None:
    """Those of a plain reading; many are asked for at once, since each waits for peers."""
    rng, books = random.Random(7), BookReader(capture.reader)
    times = sorted(rng.randint(*capture.span) for _ in range(count))
    plain = plain_books(capture.lines, times)
    for few in (times[at : at + AT_ONCE] for at in range(0, count, AT_ONCE)):
        for state in await asyncio.gather(*map(books.at, few)):
            assert_same(state, next(plain))


async def test_the_book_at_any_time_is_that_of_the_capture_over_midnight(
    real_books: Path, tmp_path: Path
) -> None:
    async with synced(*spot(real_books), tmp_path) as capture:
        await check_at_random_times(capture, 700)

        first, last = capture.span
        assert first < MIDNIGHT < last


async def test_the_book_of_futures_at_any_time_is_that_of_the_capture(
    real_books: Path, tmp_path: Path
) -> None:
    lines = lines_of(real_books, FUTURES)[:3_000]
    async with synced(lines, records_of(lines), tmp_path) as capture:
        await check_at_random_times(capture, 300)


async def test_one_chunk_is_enough_whatever_came_before_it(
    real_books: Path, tmp_path: Path
) -> None:
    async with synced(*spot(real_books), tmp_path) as capture:
        first, last = capture.span
        time = first + (last - first) * 2 // 3

        state = await BookReader(capture.reader).at(time)

        assert_same(state, next(plain_books(capture.lines, [time])))
        length = (await capture.reader.archive.info()).length
        chunk, newest = await capture.held()
        assert chunk[0] > 0
        assert (chunk[1] - chunk[0], newest) == (1, (length - 1, length))
        assert await capture.reader.tail.held(0, 100) == []


async def test_a_hole_is_told_and_the_book_is_not_valid_until_the_next_snapshot(
    real_books: Path, tmp_path: Path
) -> None:
    lines = lines_of(real_books, SPOT[:1])[:900]
    bodies = [json.loads(line.split(b" ", 1)[1]).get("data") for line in lines]
    # three messages are lost, and the next snapshot comes a little later: that of a plain reading
    known, back, fresh = (bodies[at] for at in (299, 303, 500))
    bids, asks = next(plain_books(lines, [fresh["E"] * MS]))
    snapshot = {"lastUpdateId": fresh["u"]} | {
        name: [[f"{price / 10**8:.8f}", f"{size / 10**8:.8f}"] for price, size in side.items()]
        for name, side in (("bids", bids), ("asks", asks))
    }
    received = b"%d " % (fresh["E"] * MS)
    punched = [
        *lines[:300],
        *lines[303:501],
        received + json.dumps(snapshot).encode(),
        *lines[501:],
    ]

    async with synced(punched, records_of(punched), tmp_path) as capture:
        report = ReadReport()
        plan = await capture.reader.plan(TimeRange())
        async for _ in capture.reader.read(plan, report):
            pass
        books = BookReader(capture.reader)
        before = await books.at(known["E"] * MS - 1)
        inside = [
            await books.at(time * MS)
            for time in (known["E"], known["E"] + 1, back["E"], back["E"] + 777, fresh["E"] - 1)
        ]
        after = [fresh["E"] * MS, fresh["E"] * MS + 7_000 * MS, capture.span[1]]
        mended = [await books.at(time) for time in after]
        plain = [(dict(bids), dict(asks)) for bids, asks in plain_books(lines, after)]

    [gap] = report.gaps
    assert (gap.before_ns, gap.after_ns) == (known["E"] * MS, back["E"] * MS)
    assert (gap.first, gap.last) == (bodies[300]["U"], bodies[302]["u"])
    assert before is not None
    assert before.reason is None
    for state in inside:
        assert state is not None
        assert state.reason is not None
        assert f"messages {gap.first} to {gap.last} are missing since" in state.reason
    for state, expected in zip(mended, plain, strict=True):
        assert_same(state, expected)
