"""Bytes of a book's chunks beside the capture's lines; rates of reading, coding and applying."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np

from bench.codec import best
from bench.market import default_file
from tradercast import chunks
from tradercast.book_levels import Keyframe
from tradercast.book_messages import BookMessages
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.market.book_steps import BookSteps
from tradercast.pipeline.files.binance_raw import read_book

FEED = FeedId("binance-futures", "btcusdt", "book")
CAPTURE = "binance_usdm_btcusdt_20240808.jsonl.gz"
BATCH = 1_000  # messages applied at once
STEP_NS = 100_000_000


def default_capture() -> Path:
    """The shared capture of futures, the densest one."""
    return default_file().parents[1] / "l2" / CAPTURE


def cut(run: BookMessages) -> list[tuple[BookMessages, Keyframe]]:
    """The chunks' messages, each with the book before them."""
    cuts, _ = chunks.find_cuts(run.times(), chunks.CutState(), run.weights())
    book, parts = Book(), []
    for start, stop in itertools.pairwise([0, *cuts, len(run)]):
        parts.append((run[start:stop], book.keyframe()))
        book.apply(run[start:stop])
    return parts


def encode(parts: list[tuple[BookMessages, Keyframe]]) -> list[bytes]:
    """The blocks; the last one without a keyframe, as it would be in the tail."""
    top = 2**63 - 1
    keys = [*(key for _, key in parts[:-1]), None]
    return [
        chunks.encode_book(run, feed=FEED, first_seq=0, running_max_ns=top, keyframe=key)
        for (run, _), key in zip(parts, keys, strict=True)
    ]


def apply(run: BookMessages, batch: int) -> None:
    """A book built from `batch` messages at a time."""
    book = Book()
    for start in range(0, len(run), batch):
        book.apply(run[start : start + batch])


def one_by_one(run: BookMessages) -> None:
    """The book of all messages, one after the other, as a strategy sees them."""
    book = Book()
    for row in range(len(run)):
        book.apply_row(run, row)


def steps(run: BookMessages) -> int:
    """15 levels of the book every 100 ms; how many times it was taken."""
    first, last = int(run.ts_event[np.argmax(run.is_snapshot)]), int(run.ts_event[-1])
    times = np.arange(first, last, STEP_NS)
    taken = BookSteps(times, 15)
    taken.begin()
    taken.take(0, Keyframe.empty(), run)
    return len(times)


def measure(path: Path, repeats: int = 5) -> dict[str, float]:
    """All figures; rates are of level changes, one thread."""
    with gzip.open(path) as file:
        lines = list(file)
    source = sum(len(line) for line in lines if b"depthUpdate" in line)
    run = BookMessages.concat(list(read_book([(path.name, lines)])))
    parts = cut(run)
    blocks = encode(parts)
    count, size = len(run.levels), sum(map(len, blocks))
    return {
        "book_levels": count,
        "book_bytes_per_level": size / count,
        "book_lines_vs_chunks": source / size,
        "book_parse_levels_per_s": count / best(lambda: list(read_book([(path.name, lines)])), 2),
        "book_encode_levels_per_s": count / best(lambda: encode(parts), repeats),
        "book_decode_levels_per_s": count
        / best(lambda: [chunks.decode_book(block) for block in blocks], repeats),
        "book_apply_levels_per_s": count / best(lambda: apply(run, BATCH), repeats),
        "book_steps_per_s": steps(run) / best(lambda: steps(run), 1),
        "book_apply_one_by_one_levels_per_s": count / best(lambda: one_by_one(run), 1),
    }
