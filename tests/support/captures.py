"""The shared raw captures of books, and the plainest reading of them."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from support.real_data import real

from tradercast.book_levels import BookSide
from tradercast.market.book import Book

SPOT = ("binance_spot_btcusdt_20240808.jsonl.gz", "binance_spot_btcusdt_20240809.jsonl.gz")
Side = dict[int, int]
FUTURES = ("binance_usdm_btcusdt_20240808.jsonl.gz",)


def first_lines(count: int) -> list[bytes]:
    """The first lines of the first capture that are about trades or the book."""
    with gzip.open(real("l2") / SPOT[0]) as file:
        return list(itertools.islice((each for each in file if b"bookTicker" not in each), count))


def lines_of(folder: Path, names: tuple[str, ...]) -> list[bytes]:
    """The lines of captures that are about the book."""
    lines = []
    for name in names:
        with gzip.open(folder / name) as file:
            lines += [line for line in file if b"depthUpdate" in line or b"lastUpdateId" in line]
    return lines


def plain_books(lines: Iterable[bytes], times: Iterable[int]) -> Iterator[tuple[Side, Side]]:
    """Bids and asks at each of the rising times (ns), by Binance's rule in its plainest form.

    The last snapshot so far, and every change since that is newer than it.  Prices and sizes
    count units of 10^-8.  What is yielded goes on to change.
    """
    bodies = [json.loads(line.split(b" ", 1)[1]) for line in lines]
    bids: Side = {}
    asks: Side = {}
    newest, snapshots = 0, [body for body in bodies if "lastUpdateId" in body]
    changes = [body["data"] for body in bodies if "data" in body]
    at = 0
    for time in times:
        while at < len(changes) and changes[at]["E"] * 1_000_000 <= time:
            change = changes[at]
            at += 1
            if snapshots and change["u"] > snapshots[0]["lastUpdateId"]:
                snapshot = snapshots.pop(0)
                newest = snapshot["lastUpdateId"]
                bids.clear()
                asks.clear()
                _set(bids, snapshot["bids"])
                _set(asks, snapshot["asks"])
            if newest and change["u"] > newest:
                _set(bids, change["b"])
                _set(asks, change["a"])
        yield bids, asks


def plain_side(book: Book, side: BookSide) -> Side:
    """A side of a book in the same form."""
    levels = book.levels(side)
    price, size = (
        (column.mantissa * 10 ** (column.exponent + 8)).tolist()
        for column in (levels.price, levels.size)
    )
    return dict(zip(price, size, strict=True))


def _set(side: Side, levels: list[list[str]]) -> None:
    for price, size in levels:
        at, amount = _units(price), _units(size)
        if amount:
            side[at] = amount
        else:
            side.pop(at, None)


@functools.cache  # the same prices again and again
def _units(text: str) -> int:
    whole, _, part = text.partition(".")
    assert len(part) <= 8
    return int(whole + part.ljust(8, "0"))


def signed_crc(text: str) -> int:
    """A checksum as Bitfinex sends it."""
    return (zlib.crc32(text.encode()) ^ 2**31) - 2**31
