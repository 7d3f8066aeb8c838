"""Best bid and ask at each change: those of the book after each message."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market.test_book_steps import parts
from support.books import ASK, BID, gap, messages, messages_of, row
from support.captures import SPOT, lines_of
from support.real_data import real

from tradercast.book_messages import BookMessages
from tradercast.market.bbo import Bbo, BestPrices
from tradercast.market.book import Book
from tradercast.pipeline.files.binance_raw import read_book

EVER = (-(2**63), 2**63 - 1)


def found(run: BookMessages, edges: list[int], within: tuple[int, int] = EVER) -> Bbo:
    prices = BestPrices(*within)
    prices.begin()
    return Bbo.concat([prices.take(*part) for part in parts(run, edges)])


def rows_of(bbo: Bbo) -> list[tuple[Any, ...]]:
    columns = [
        getattr(bbo, name).to_decimals()
        for name in ("bid_price", "bid_size", "ask_price", "ask_size")
    ]
    return list(zip(bbo.ts_event.tolist(), bbo.valid.tolist(), *columns, strict=True))


def plain(run: BookMessages, within: tuple[int, int] = EVER) -> list[tuple[Any, ...]]:
    """A look at the book after every message."""
    book, rows, last = Book(), [], (False, *[Decimal(0)] * 4)
    for at, time in enumerate(run.ts_event.tolist()):
        book.apply(run[at : at + 1])
        tops = [book.best(side) or (Decimal(0), Decimal(0)) for side in (BID, ASK)]
        now: tuple[Any, ...] = (False, *[Decimal(0)] * 4)
        if book.valid:
            now = (True, *tops[0], *tops[1])
        if within[0] <= time < within[1] and (now != last or not rows):
            rows.append((time, *now))
        last = now
    return rows


def test_a_row_at_each_change() -> None:
    run = messages_of(
        [
            row(1, (BID, "1", "9")),
            row(2, (BID, "10", "4"), (BID, "9", "1"), (ASK, "11", "5"), snapshot=True),
            row(3, (BID, "8", "4")),
            row(4, (BID, "10", "0"), (ASK, "10.5", "1")),
            row(5, (ASK, "10.5", "0"), (ASK, "10.5", "1")),
            row(6, (BID, "9", "0"), (BID, "8", "0")),
            gap(8, 1, 2, 6),
            row(9, (BID, "9", "1")),
            row(10, (ASK, "7", "1"), snapshot=True),
        ]
    )

    rows = [tuple(map(str, each)) for each in rows_of(found(run, [2, 5]))]

    assert rows == [
        ("1", "False", "0", "0", "0", "0"),
        ("2", "True", "10", "4", "11", "5"),
        ("4", "True", "9", "1", "10.5", "1"),
        ("6", "True", "0", "0", "10.5", "1"),
        ("8", "False", "0", "0", "0", "0"),
        ("10", "True", "0", "0", "7", "1"),
    ]
    assert [each[0] for each in rows_of(found(run, [], (5, 9)))] == [5, 6, 8]


@settings(max_examples=25, deadline=None)
@given(messages(14), st.lists(st.integers(0, 14), max_size=3))
def test_it_is_what_a_look_after_every_message_gives(run: BookMessages, edges: list[int]) -> None:
    assert rows_of(found(run, [edge for edge in edges if edge <= len(run)])) == plain(run)


def test_that_of_a_real_capture() -> None:
    folder: Path = real("l2")
    lines = lines_of(folder, SPOT[:1])[:700]
    run = BookMessages.concat(list(read_book([("capture", lines)])))
    half = int(run.ts_event[300])

    rows = rows_of(found(run, [250, 500]))

    assert rows == plain(run)
    assert rows_of(found(run, [250], (half, EVER[1]))) == plain(run, (half, EVER[1]))
    assert 100 < len(rows) < len(run)
    assert all(bid < ask for _, valid, bid, _, ask, _ in rows if valid)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 65])
def test_one_level_that_lives_for_any_time(count: int) -> None:
    run = messages_of(
        [
            row(0, (ASK, "5", "1"), (BID, "1", "1"), snapshot=True),
            *(row(1 + at, (BID, "2", str(at + 1))) for at in range(count)),
            row(1 + count, (BID, "2", "0")),
        ]
    )

    assert rows_of(found(run, [])) == plain(run)
