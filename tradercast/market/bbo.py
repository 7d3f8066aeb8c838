"""Best bid and ask at each change, of many messages at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide, Keyframe
from tradercast.book_messages import BookMessages
from tradercast.decimals import Decimals
from tradercast.market.book import Book
from tradercast.market.exact import Whole, to_decimals, to_whole
from tradercast.rows import I64, Rows

_Top = tuple[Whole, Whole]  # price and size, 0 where there is no level


@dataclass(frozen=True, eq=False, slots=True)
class Bbo:
    """Best bids and asks, a row each time that one of them changes.

    Parameters
    ----------
    ts_event : int64 array
        Of the message that changed them (ns UTC).
    valid : bool array
        Whether the book is the exchange's: false from a gap until the next snapshot.
    bid_price, bid_size, ask_price, ask_size : Decimals
        The size is 0 where the side is empty, or the book is not valid.
    """

    ts_event: I64
    valid: NDArray[np.bool_]
    bid_price: Decimals
    bid_size: Decimals
    ask_price: Decimals
    ask_size: Decimals

    @classmethod
    def concat(cls, parts: Sequence[Bbo]) -> Bbo:
        """All rows of `parts`, one after the other."""
        columns = [[getattr(part, each.name) for part in parts] for each in fields(cls)]
        return cls(
            np.concatenate([np.zeros(0, np.int64), *columns[0]]),
            np.concatenate([np.zeros(0, np.bool_), *columns[1]]),
            *(Decimals.concat(column) for column in columns[2:]),
        )

    def __len__(self) -> int:
        return len(self.ts_event)

    def __getitem__(self, rows: Rows) -> Bbo:
        return Bbo(*(getattr(self, each.name)[rows] for each in fields(self)))


class BestPrices:
    """Finds the best prices while the messages of a book pass by.

    Parameters
    ----------
    start_ns, end_ns : int
        Only messages of this range give rows; the first of them always does.
    """

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self._range = start_ns, end_ns
        self._is_first = True
        self._end_seq: int | None = None
        self._book = Book()

    def begin(self) -> None:
        """The next records are the first of a segment, or all before them are before the range."""
        self._end_seq = None

    def take(self, first_seq: int, keyframe: Keyframe | None, messages: BookMessages) -> Bbo:
        """The rows of the next records of a segment; parameters as of `BookSteps.take`."""
        if first_seq != self._end_seq:
            self._book = Book.from_keyframe(keyframe or Keyframe.empty())
        self._end_seq = first_seq + len(messages)
        unit = self._book.refine(messages.levels)
        valid = _validity(self._book.valid, messages)
        bids, asks = (_tops(self._book, side, unit, messages, valid) for side in BookSide)
        is_new = valid[1:] != valid[:-1]
        for column in (*bids, *asks):
            is_new |= column[1:] != column[:-1]
        start, end = self._range
        within = (messages.ts_event >= start) & (messages.ts_event < end)
        if self._is_first and within.any():
            is_new[within.argmax()] = True
            self._is_first = False
        rows = np.flatnonzero(is_new & within)
        self._book.apply(messages)
        found = [
            to_decimals(column[rows + 1], unit[at % 2]) for at, column in enumerate((*bids, *asks))
        ]
        return Bbo(messages.ts_event[rows], valid[rows + 1], *found)


def _validity(before: bool, messages: BookMessages) -> NDArray[np.bool_]:
    """Before the messages and after each of them: whether the last mark is a snapshot."""
    rows = np.arange(1, len(messages) + 1)
    snapshot = np.where(messages.is_snapshot, rows, 0)
    gap = np.full(len(messages), -1, np.int64)
    gap[messages.notes.row] = messages.notes.row + 1
    last_snapshot = np.maximum.accumulate(np.concatenate([[0], snapshot]))
    last_gap = np.maximum.accumulate(np.concatenate([[-1 if before else 0], gap]))
    found: NDArray[np.bool_] = last_snapshot > last_gap
    return found


def _tops(
    book: Book,
    side: BookSide,
    unit: tuple[int, int],
    messages: BookMessages,
    valid: NDArray[np.bool_],
) -> _Top:
    """The best level of a side before the messages and after each of them."""
    held, rows = book.levels(side), messages.levels.side == side
    changed = messages.levels[rows]
    message = np.repeat(np.arange(1, len(messages) + 1), messages.lengths())[rows]
    at = np.concatenate([np.zeros(len(held), np.int64), message])
    price = np.concatenate([to_whole(each.price, unit[0]) for each in (held, changed)])
    size = np.concatenate([to_whole(each.size, unit[1]) for each in (held, changed)])
    ends = np.append(np.flatnonzero(messages.is_snapshot) + 1, len(messages) + 1)
    best, sizes = _best(at, price, size, ends, is_bid=side == BookSide.BID)
    return np.where(valid, best, 0), np.where(valid, sizes, 0)


def _best(at: I64, price: Whole, size: Whole, ends: I64, *, is_bid: bool) -> _Top:
    """The best price at each of some points in time, and its size.

    A level lives from the point at which it is set to that at which it is set again, or to the
    next snapshot.  Of all lives the best one at each point is found by covering each with two
    spans of a power of two, and handing down what is best from longer spans to shorter ones.

    Parameters
    ----------
    at, price, size
        The point of each change, rising, and what it sets.
    ends : int64 array
        Points at which all lives that began before them end; the last is the number of points.
    is_bid : bool
        Whether the highest price is the best.
    """
    count = int(ends[-1])
    if not len(at):
        return np.zeros(count, np.int64), np.zeros(count, np.int64)
    order = np.argsort(price, kind="stable")
    at, price, size = at[order], price[order], size[order]
    is_first = np.ones(len(price), np.bool_)
    np.not_equal(price[1:], price[:-1], out=is_first[1:])
    prices, number = price[is_first], np.cumsum(is_first, dtype=np.int64)
    until = ends[np.searchsorted(ends, at, "right")]
    until[:-1] = np.where(is_first[1:], until[:-1], np.minimum(until[:-1], at[1:]))
    rank: I64 = number if is_bid else len(prices) + 1 - number
    lives = np.flatnonzero((size > 0) & (until > at))
    best = _covered(at[lives], until[lives], rank[lives], count)
    chosen = best if is_bid else len(prices) + 1 - best
    points = np.arange(count)
    row = np.searchsorted(number * count + at, chosen * count + points, "right") - 1
    none = best == 0
    row[none] = 0
    chosen[none] = 1
    return np.where(none, 0, prices[chosen - 1]), np.where(none, 0, size[row])


def _covered(start: I64, end: I64, rank: I64, count: int) -> I64:
    """The highest rank of the spans ``[start, end)`` over each point; 0 where there is none."""
    if not len(start):
        return np.zeros(count, np.int64)
    power = np.frexp((end - start).astype(np.float64))[1].astype(np.int64) - 1
    spans = np.zeros((int(power.max()) + 1, count), np.int64)
    np.maximum.at(spans, (power, start), rank)
    np.maximum.at(spans, (power, end - (1 << power)), rank)
    for at in range(len(spans) - 1, 0, -1):
        longer, shorter, half = spans[at], spans[at - 1], 1 << (at - 1)
        np.maximum(shorter, longer, out=shorter)
        np.maximum(shorter[half:], longer[: count - half], out=shorter[half:])
    found: I64 = spans[0]
    return found
