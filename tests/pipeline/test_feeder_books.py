"""The feeder on messages of books in memory: each once, in order, and no hole unsaid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.books import changes
from support.damage import cut, write_ahead_log
from support.feeding import feed
from support.feeds import Logs, logs_of, open_writer
from support.stores import kill_sidecar, open_store

from tradercast.book_messages import BookMessages
from tradercast.chunks import decode_book
from tradercast.errors import SourceHoleError
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.pipeline.book_batches import BookBatch, encode_book_batch
from tradercast.records import Gap, Notes

FEED = FeedId("bitfinex", "btcusd", "book")
RUN = changes(24_000)


def encoded(run: BookMessages, size: int) -> list[bytes]:
    """Numbered messages of so many records."""
    parts = [run[at : at + size] for at in range(0, len(run), size)]
    return [encode_book_batch(BookBatch(FEED, n, part)) for n, part in enumerate(parts)]


def records(logs: Logs) -> BookMessages:
    """All that the tail has."""
    return BookMessages.concat([decode_book(block)[2] for block in logs.tail if block is not None])


async def fed(directory: Path, messages: list[bytes], ends: list[int], **options: object) -> Logs:
    """The logs after feeders that each ended at one of these messages."""
    async with open_store(directory) as store:
        for end in ends:
            await feed(store, directory, messages[:end], **options)  # type: ignore[arg-type]
        return await logs_of(store, FEED)


async def test_the_archive_is_that_of_an_embedded_collector_whatever_the_batches_are(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path / "embedded") as store:
        async with open_writer(store, tmp_path / "embedded", feed=FEED) as writer:
            for at in range(0, len(RUN), 900):
                await writer.append([RUN[at : at + 900]])
        embedded = await logs_of(store, FEED)
    messages = encoded(RUN, 170)

    logs = await fed(tmp_path / "fed", messages, [60, 61, len(messages)], sizes=[7, 1])

    assert len(logs.archive) > 4
    assert logs.archive == embedded.archive
    assert records(logs).equals(RUN)
    numbers = [decode_book(block)[0].message for block in logs.tail if block is not None]
    assert numbers == list(range(len(messages)))


async def test_a_message_that_is_missing_stops_the_feed_until_it_is_given_up(
    tmp_path: Path,
) -> None:
    messages = encoded(RUN[:400], 100)
    with pytest.raises(SourceHoleError, match="messages 2 to 2"):
        await fed(tmp_path, [*messages[:2], messages[3]], [3])

    logs = await fed(tmp_path, [*messages[:2], messages[3]], [3], accept_gaps=[FEED])

    found = records(logs)
    times = RUN.ts_event
    assert gaps(found) == [Gap(200, 2, 2, int(times[199]), int(times[300]))]
    assert found.without_notes().equals(BookMessages.concat([RUN[:200], RUN[300:400]]))
    book = Book()
    book.apply(found[:200])
    assert book.valid
    book.apply(found[200:])
    assert not book.valid


async def test_blocks_that_were_lost_are_derived_again(tmp_path: Path) -> None:
    messages = encoded(RUN, 400)
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, messages[:-2], sizes=[4])
        before = await logs_of(store, FEED)
        await kill_sidecar(tmp_path)
    cut(write_ahead_log(tmp_path), 100_000)
    async with open_store(tmp_path) as store:
        left = await logs_of(store, FEED)
    assert len(left.tail) < len(before.tail)

    logs = await fed(tmp_path, messages, [len(messages)], writer_s=0.5)

    assert logs.tail[: len(before.tail)] == before.tail
    assert logs.archive[: len(before.archive)] == before.archive
    assert records(logs).equals(RUN)


def gaps(run: BookMessages) -> list[Gap]:
    notes: Notes = run.notes
    columns = (notes.row, notes.ref_seq, notes.ref_end, notes.ref_ts, run.ts_event[notes.row])
    return [Gap(*map(int, each)) for each in np.stack(columns).T]
