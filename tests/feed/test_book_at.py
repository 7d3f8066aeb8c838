"""The book at a time: which records are in it, when it is none, and how little is fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.books import ASK, BID, gap, messages_of, row
from support.feeds import open_writer
from support.stores import connect, key_pair, open_store

from tradercast.book_levels import BookSide, Levels
from tradercast.book_messages import BookMessages, offsets_of
from tradercast.feed.book_at import BookReader, book_until
from tradercast.feed.channel import BOOK
from tradercast.feed.reader import SegmentReader
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.records import Decimals
from tradercast.timerange import NS_PER_DAY, parse_time_ns

FEED = FeedId("binance", "btcusdt", "book")
START = parse_time_ns("2024-01-01T12:00:00Z")
DAYS = 200  # a chunk each
LOGS = ("archive", "tail")

RECORDS = messages_of(
    [
        row(10, (BID, "1", "1")),
        row(20, (BID, "1", "2"), (ASK, "3", "2"), snapshot=True),
        row(30, (BID, "1", "3")),
        row(25, (BID, "1", "4")),  # late: it stays where it arrived
        row(40, (BID, "1", "5")),
        gap(60, 7, 9, 45),
        row(60, (BID, "1", "6")),
        row(70, (BID, "1", "7"), snapshot=True),
        row(80, (BID, "1", "8")),
    ]
)


@pytest.mark.parametrize(
    ("time", "bid", "why"),
    [
        (10, "1", "no snapshot came yet"),
        (19, "1", "no snapshot came yet"),
        (20, "2", None),
        (29, "2", None),
        (30, "4", None),
        (44, "5", None),
        (45, "5", "messages 7 to 9 are missing since"),
        (59, "5", "messages 7 to 9 are missing since"),
        (60, "6", "and no snapshot came since"),
        (69, "6", "and no snapshot came since"),
        (70, "7", None),
        (79, "7", None),
        (80, "8", None),
        (81, "8", "nothing is known after 1970-01-01T00:00:00.000000080Z"),
    ],
)
def test_every_record_before_the_first_later_one_is_in_it(
    time: int, bid: str, why: str | None
) -> None:
    state = book_until(Book(), RECORDS, time, is_first=True)

    assert state is not None
    best = state.book.best(BookSide.BID)
    assert best is not None
    assert str(best[1]) == bid
    assert state.reason is None if why is None else why in str(state.reason)
    assert state.is_settled == (time < 80)


def test_there_is_none_before_the_first_record() -> None:
    assert book_until(Book(), RECORDS, 9, is_first=True) is None
    state = book_until(Book(), RECORDS, 9, is_first=False)
    assert state is not None
    assert "no snapshot came yet" in str(state.reason)


def daily(days: int) -> BookMessages:
    """A snapshot, and then a change of one bid a day; the archive gets a chunk a day."""
    number = np.arange(days)
    levels = Levels(
        np.full(days, BookSide.BID, np.uint8),
        Decimals.from_ints(100 + number % 7, -2),
        Decimals.from_ints(number + 1, -3),
    )
    return BookMessages(
        START + number * NS_PER_DAY, number == 0, offsets_of(np.ones(days, np.int64)), levels
    )


async def test_one_chunk_and_two_index_nodes_are_fetched_at_most(tmp_path: Path) -> None:
    records = daily(DAYS)
    fetched = {}
    async with open_store(tmp_path / "publisher", node="publisher") as one:
        async with open_writer(one, tmp_path / "publisher", feed=FEED) as writer:
            await writer.import_batches([records])
        keys = [(await one.core(signer=key_pair(f"{FEED} {log}"))).key for log in LOGS]
        for day in (5, 70, 150, 191, 195, DAYS - 1):
            directory = tmp_path / f"reader {day}"
            async with open_store(directory, node=f"reader {day}") as two:
                await connect(two, one)
                archive, tail = [await two.core(key=key) for key in keys]
                reader = SegmentReader(archive, tail, BOOK, remote=True)

                state = await BookReader(reader).at(START + day * NS_PER_DAY + 3)

                held = await archive.held(0, (await archive.info()).length)
                fetched[day] = [block for start, end in held for block in range(start, end)]
            plain = Book()
            plain.apply(records[: day + 1])
            assert state is not None
            assert (state.reason is None) == (day < DAYS - 1)
            assert state.book.keyframe().equals(plain.keyframe())

    # chunks are the even blocks; the book of a day is that with which the next day's chunk begins
    sums, newest = 2 * 191 + 1, 2 * 198 + 1
    assert fetched == {
        5: [12, 2 * 63 + 1, sums],
        70: [142, 2 * 127 + 1, sums],
        150: [302, sums],
        191: [sums, 384, newest],
        195: [sums, 392, newest],
        DAYS - 1: [sums, 396, newest],
    }
