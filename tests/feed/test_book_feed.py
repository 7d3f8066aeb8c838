"""Feeds of books: the same writer, logs and reader as for trades."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.books import EVENING, changes
from support.feeds import append_rest, logs_of, market, open_writer, read_here
from support.stores import open_store

from tradercast.chunks import decode_book
from tradercast.errors import UsageError
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.timerange import NS_PER_HOUR, TimeRange

FEED = FeedId("binance", "btcusdt", "book")


async def test_any_messages_and_a_restart_give_the_same_blocks_as_an_import(
    tmp_path: Path,
) -> None:
    messages = changes(30_000)

    async with open_store(tmp_path / "once") as store:
        once = await append_rest(store, tmp_path / "once", FEED, messages, 700)
    async with open_store(tmp_path / "twice") as store:
        await append_rest(store, tmp_path / "twice", FEED, messages[:21_001], 131)
        twice = await append_rest(store, tmp_path / "twice", FEED, messages, 2_000)
    async with open_store(tmp_path / "import") as store:
        async with open_writer(store, tmp_path / "import", feed=FEED) as writer:
            report = await writer.import_batches([messages[:9_000], messages[9_000:]])
        imported = await logs_of(store, FEED)

    assert (report.added, report.total) == (30_000, 30_000)
    assert len(once.archive) >= 6
    assert once.archive == twice.archive == imported.archive


async def test_a_feed_is_read_as_it_was_written_and_any_chunk_is_a_book_of_its_own(
    tmp_path: Path,
) -> None:
    messages = changes(30_000)
    part = TimeRange(EVENING + NS_PER_HOUR, EVENING + 2 * NS_PER_HOUR + 1)
    async with open_store(tmp_path) as store:
        logs = await append_rest(store, tmp_path, FEED, messages, 700)

        whole = await read_here(store, FEED, TimeRange(EVENING - 1, EVENING + 9 * NS_PER_HOUR))
        inside = await read_here(store, FEED, part)

    assert whole.equals(messages)
    assert inside.equals(messages[10_000:20_001])
    chunk = logs.archive[-2]
    assert chunk is not None
    header, keyframe, last = decode_book(chunk)
    assert keyframe is not None
    plain, resumed = Book(), Book.from_keyframe(keyframe)
    plain.apply(messages[: header.end_seq])
    resumed.apply(last)
    assert header.first_seq > 0
    assert resumed.keyframe().equals(plain.keyframe())


async def test_another_feeds_records_are_refused(tmp_path: Path) -> None:
    async with (
        open_store(tmp_path) as store,
        open_writer(store, tmp_path, feed=FEED) as writer,
    ):
        with pytest.raises(UsageError, match="Trades are no BookMessages"):
            await writer.append([market(3)])

        assert writer.end_seq == 0
        await writer.append([changes(5)])
        assert writer.end_seq == 5
