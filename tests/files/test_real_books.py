"""The shared captures: the same book as the plainest reading of them, in a tenth of the bytes."""

import gzip
import itertools
import json
import random
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from support.books import rows_of

from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.chunks import CutState, decode_book, encode_book, find_cuts
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.pipeline.files.binance_raw import read_book

FEED = FeedId("binance", "btcusdt", "book")
SPOT = ("binance_spot_btcusdt_20240808.jsonl.gz", "binance_spot_btcusdt_20240809.jsonl.gz")
FUTURES = ("binance_usdm_btcusdt_20240808.jsonl.gz",)
Side = dict[Decimal, Decimal]


def lines_of(folder: Path, names: tuple[str, ...]) -> list[bytes]:
    lines = []
    for name in names:
        with gzip.open(folder / name) as file:
            lines += [line for line in file if b"depthUpdate" in line or b"lastUpdateId" in line]
    return lines


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


def plain_books(lines: list[bytes], wanted: set[int]) -> dict[int, tuple[Side, Side]]:
    """By the last number of each wanted message: the book by Binance's rule, in the plainest way.

    Everything from the snapshot on is applied that is newer than it.
    """
    bodies = [json.loads(line.split(b" ", 1)[1]) for line in lines]
    snapshot = next(body for body in bodies if "lastUpdateId" in body)
    bids, asks = ({Decimal(p): Decimal(q) for p, q in snapshot[side]} for side in ("bids", "asks"))
    found = {}
    for body in bodies:
        data = body.get("data", {})
        if data.get("u", 0) <= snapshot["lastUpdateId"]:
            continue
        for side, changes in ((bids, data["b"]), (asks, data["a"])):
            for price, size in changes:
                side[Decimal(price)] = Decimal(size)
        if data["u"] in wanted:
            found[data["u"]] = tuple({p: q for p, q in s.items() if q} for s in (bids, asks))
    return found


def sides_of(book: Book) -> tuple[Side, Side]:
    bids, asks = (book.levels(side) for side in BookSide)
    return tuple(
        dict(zip(side.price.to_decimals(), side.size.to_decimals(), strict=True))
        for side in (bids, asks)
    )


@pytest.mark.parametrize("names", [SPOT, FUTURES], ids=["spot, over midnight", "futures"])
def test_a_book_from_one_chunk_is_the_book_of_the_capture(
    real_books: Path, names: tuple[str, ...]
) -> None:
    lines = lines_of(real_books, names)
    run = read(lines)
    blocks, rest = archive(run)
    snapshot = int(np.flatnonzero(run.is_snapshot)[0])
    chosen = sorted(random.Random(7).sample(range(snapshot + 1, len(run)), 40))
    plain = plain_books(lines, {int(run.filled("last_id")[at]) for at in chosen})

    found = [decode_book(block) for block in blocks]
    for at in chosen:
        header, key, messages = next(
            (entry for entry in found if entry[0].first_seq <= at < entry[0].end_seq), found[-1]
        )
        assert key is not None
        book = Book.from_keyframe(key)
        book.apply(messages[: at + 1 - header.first_seq])
        if at >= header.end_seq:
            book.apply(decode_book(rest)[2][: at + 1 - header.end_seq])

        assert book.valid
        assert not book.is_crossed
        assert sides_of(book) == plain[int(run.filled("last_id")[at])]


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


def test_a_hole_in_a_capture_is_a_gap_and_an_invalid_book(real_books: Path) -> None:
    lines = lines_of(real_books, SPOT[:1])
    whole = read(lines)
    at = next(
        k for k, line in enumerate(lines) if b'"u":%d,' % whole.filled("last_id")[500] in line
    )

    run = read(lines[:at] + lines[at + 3 :])

    gaps = [row["gap"] for row in rows_of(run) if row["gap"]]
    first, last = whole.filled("first_id")[500], whole.filled("last_id")[502]
    assert gaps == [(first, last, whole.ts_event[499])]
    book = Book()
    book.apply(run[:500])
    assert book.valid
    book.apply(run[500:])
    assert not book.valid
