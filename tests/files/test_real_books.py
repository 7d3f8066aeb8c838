"""The shared captures: every message, in a tenth of the bytes."""

import itertools
from pathlib import Path

import pytest
from support.captures import FUTURES, SPOT, lines_of

from tradercast.book_messages import BookMessages
from tradercast.chunks import CutState, decode_book, encode_book, find_cuts
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.pipeline.files.binance_raw import read_book

FEED = FeedId("binance", "btcusdt", "book")


def read(lines: list[bytes]) -> BookMessages:
    return BookMessages.concat(list(read_book([("capture", lines)], "btcusdt")))


def archive(run: BookMessages) -> tuple[list[bytes], bytes]:
    """The chunks of the finished runs, and the rest as a tail block."""
    cuts, _ = find_cuts(run.times(), CutState(), run.weights())
    book, blocks = Book(), []
    for start, stop in itertools.pairwise([0, *cuts]):
        part, key = run[start:stop], book.keyframe()
        highest = run[:stop].span()[1]
        blocks.append(
            encode_book(part, feed=FEED, first_seq=start, running_max_ns=highest, keyframe=key)
        )
        book.apply(part)
    rest = run[cuts[-1] :]
    highest = run.span()[1]
    return blocks, encode_book(rest, feed=FEED, first_seq=cuts[-1], running_max_ns=highest)


@pytest.mark.parametrize("names", [SPOT, FUTURES], ids=["spot", "futures"])
def test_captures_take_a_tenth_of_their_bytes(real_books: Path, names: tuple[str, ...]) -> None:
    lines = lines_of(real_books, names)
    changes = [line for line in lines if b"depthUpdate" in line]
    run = read(lines)

    blocks, rest = archive(run)

    assert 10 * sum(map(len, [*blocks, rest])) <= sum(map(len, changes))
    again = BookMessages.concat([decode_book(block)[2] for block in [*blocks, rest]])
    assert again.equals(run)
    assert len(run) == len(changes) + 1
