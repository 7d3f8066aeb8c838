"""The shared capture of Bitfinex: its books level by level, and with checksums put into it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from support.captures import plain_side, signed_crc
from support.real_data import real

from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.feed.book_at import book_until
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.pipeline.files.bitfinex_raw import read_bitfinex_book
from tradercast.pipeline.files.sources import source_files

CAPTURE = "BITFINEX.ws.11.0.gz"


@pytest.fixture(scope="module")
def real_lines() -> list[bytes]:
    with gzip.open(real("ws") / CAPTURE) as file:
        return file.readlines()


def bodies(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        if line[:1].isdigit():
            yield json.loads(line.split(b": ", 1)[1])


def plain_book(lines: list[bytes], native: str) -> tuple[int, tuple[Any, Any]]:
    """How many messages a channel has, and the book after them, in the plainest way."""
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    channel, count = None, 0
    for body in bodies(lines):
        if isinstance(body, dict):
            if body.get("channel") == "book" and body.get("symbol") == native:
                channel = body["chanId"]
        elif body[0] == channel and body[1] != "hb":
            count += 1
            for price, orders, amount in body[1] if isinstance(body[1][0], list) else [body[1]]:
                side = sides[amount < 0]
                if orders:
                    side[price] = abs(amount)
                else:
                    del side[price]
    return count, sides


@pytest.mark.parametrize("native", ["tIOTETH", "tDOGUSD", "tMNABTC", "tTESTBTC:TESTUSD"])
def test_the_book_of_the_real_capture(real_lines: list[bytes], native: str) -> None:
    symbol = native[1:].replace(":", "").lower()
    count, plain = plain_book(real_lines, native)

    [run] = read_bitfinex_book([("real", real_lines)], symbol)

    book = Book()
    book.apply(run)
    assert (len(run), int(run.is_snapshot.sum()), len(run.notes)) == (count, 1, 0)
    assert not book.is_crossed
    assert book.valid
    for side, expected in zip(BookSide, plain, strict=True):
        units = {round(price * 10**8): round(size * 10**8) for price, size in expected.items()}
        assert plain_side(book, side) == units
    assert run.levels.count is not None


def with_checksums(lines: list[bytes], native: str, every: int) -> list[bytes]:
    """The capture as it were with checksums: one behind every so many messages of the channel."""
    made: list[bytes] = []
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    channel, count, shift = None, 0, 0
    for line in lines:
        time, _, text = line.rstrip().partition(b": ")
        if not line[:1].isdigit() or text.startswith(b"{"):
            made.append(line.replace(b'"flags":65536', b'"flags":196608'))
            if all(word in text for word in (b"chanId", b'"book"', native.encode())):
                channel = json.loads(text)["chanId"]
            continue
        body = json.loads(text, parse_float=str, parse_int=str)
        start = text[: text.rindex(b",")]
        made.append(b"%s: %s,%d]\n" % (time, start, int(body[-1]) + shift))
        if body[0] == str(channel) and body[1] != "hb":
            for price, orders, amount in body[1] if isinstance(body[1][0], list) else [body[1]]:
                side = sides[amount[0] == "-"]
                side[price] = amount
                if orders == "0":
                    del side[price]
            count += 1
            if count % every == 0:
                bids, asks = (
                    sorted(side.items(), key=lambda item: float(item[0])) for side in sides
                )
                best = zip(bids[::-1][:25], asks[:25], strict=True)
                shift += 1
                value = signed_crc(":".join(":".join([*bid, *ask]) for bid, ask in best))
                frame = (time, int(channel or 0), value, int(body[-1]) + shift)
                made.append(b'%s: [%d,"cs",%d,%d]\n' % frame)
    return made


def test_a_longer_capture_gives_the_same_records_and_more(real_lines: list[bytes]) -> None:
    lines = with_checksums(real_lines, "tDOGUSD", 7)
    [whole] = read_bitfinex_book([("real", lines)], "dogusd")

    for cut in range(400, len(lines), 97):
        part = BookMessages.concat(list(read_bitfinex_book([("real", lines[:cut])], "dogusd")))
        assert part.equals(whole[: len(part)])
    assert len(whole.notes) == 0
    assert (whole.filled("checksum") > -(2**62)).sum() == 55


def test_a_change_that_is_lost_is_found_by_the_next_checksum(real_lines: list[bytes]) -> None:
    lines = with_checksums(real_lines, "tDOGUSD", 7)
    [whole] = read_bitfinex_book([("real", lines)], "dogusd")
    changes = [at for at, line in enumerate(lines) if b"[225206,[" in line and b"[[" not in line]
    # the change of a level among the best: put out of the capture, its number given to a heartbeat
    best = next(
        at for at in changes[100:] if float(lines[at].split(b"[")[2].split(b",")[0]) > 277e3
    )
    number = lines[best].rsplit(b",", 1)[1]
    lines[best] = lines[best].split(b"[")[0] + b'[225206,"hb",' + number

    [run] = read_bitfinex_book([("real", lines)], "dogusd")

    assert len(run.notes) == 1
    at = int(run.notes.row[0])
    assert run[:at].equals(whole[:at])
    before, after = int(run.notes.ref_ts[0]), int(run.ts_event[-1])
    assert run.filled("checksum")[at - 1] == whole.filled("checksum")[at - 1] > -(2**62)
    for time, valid in ((before - 1, True), (before, False), (after, False)):
        state = book_until(Book(), run, time, is_first=False)
        assert state is not None
        assert (state.reason is None) == valid


def test_one_capture_gives_book_and_trades() -> None:
    path = real("ws") / CAPTURE
    book = source_files(FeedId("bitfinex", "dogusd", "book"), [path], form="bitfinex-raw")
    made = source_files(FeedId("bitfinex", "dogusd", "trades"), [path], form="bitfinex-raw")

    assert (book.survey().rows, made.survey().rows) == (385, 30)
    spelt = source_files(
        FeedId("bitfinex", "doge-usd", "book"),
        [path],
        form="bitfinex-raw",
        native_symbol="tDOGUSD",
    )
    assert spelt.survey().rows == 385
