"""Rows -> numbered messages of feeds.  Pure: the same rows give the same records and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tradercast.feeds import FeedId
from tradercast.pipeline.documents import read_documents
from tradercast.pipeline.listener_events import DeadLetter, Fix, Rows
from tradercast.pipeline.messages import Correction, Message, encode_message
from tradercast.records import Decimals, Kind, Side, Trades
from tradercast.rows import I64

MAX_RECORDS = 8_192
# Brokers take a megabyte unless told otherwise.
MAX_BYTES = 900_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """A message as it goes out.

    Attributes
    ----------
    feed : FeedId
    number : int
    records : int
    payload : bytes
    newest : int
        The latest ``ts_event`` in it (ns UTC).
    """

    feed: FeedId
    number: int
    records: int
    payload: bytes
    newest: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch of rows gives.

    Attributes
    ----------
    messages : tuple of Encoded
        Per feed in the order of its records.
    letters : tuple of DeadLetter
    numbers : mapping of FeedId to int
        The next number of every feed.
    """

    messages: tuple[Encoded, ...]
    letters: tuple[DeadLetter, ...]
    numbers: Mapping[FeedId, int]


def to_messages(
    rows: Rows, numbers: Mapping[FeedId, int], *, repeats_anywhere: bool = False
) -> Outcome:
    """Make messages of a batch.

    Parameters
    ----------
    rows : Rows
        In the order in which they happened.
    numbers : mapping of FeedId to int
        The next number of every feed; a feed that is missing begins at 0.
    repeats_anywhere : bool
        Records may be in the feed already, at any distance.
    """
    read = read_documents(rows.mapped)
    letters = tuple(
        DeadLetter(rows.collections[one.row], one.reason, one.detail, rows.documents[one.row])
        for one in read.rejected
    )
    following = dict(numbers)
    messages: list[Encoded] = []
    for feed, places, trades in read.by_feed():
        fixes: tuple[Correction, ...] = ()
        if rows.fixes:
            trades, fixes = _corrected(rows.fixes, places, trades)
        for start in range(0, len(trades), MAX_RECORDS):
            part = Message(
                feed,
                following.get(feed, 0),
                trades[start : start + MAX_RECORDS],
                _shifted(fixes, start, start + MAX_RECORDS),
                repeats_anywhere,
            )
            for encoded in _encoded(part):
                messages.append(encoded)
                following[feed] = encoded.number + 1
    return Outcome(tuple(messages), letters, following)


def _corrected(
    known: Mapping[int, Fix], places: I64, trades: Trades
) -> tuple[Trades, tuple[Correction, ...]]:
    """The corrections among a feed's rows; a busted trade keeps nothing but its id and time."""
    fixes = []
    busts = np.zeros(len(trades), np.bool_)
    for at, place in enumerate(places.tolist()):
        fix = known.get(place)
        if fix is not None and fix.target is not None:
            fixes.append(Correction(at, fix.kind, fix.target.trade_id, fix.target.ts_event))
            busts[at] = fix.kind is Kind.BUST
    if busts.any():
        trades = replace(
            trades,
            price=_zeroed(trades.price, busts),
            size=_zeroed(trades.size, busts),
            side=np.where(busts, np.uint8(Side.UNKNOWN), trades.side),
        )
    return trades, tuple(fixes)


def _zeroed(column: Decimals, rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Decimals:
    escapes = {row: value for row, value in column.escapes.items() if not rows[row]}
    return Decimals(np.where(rows, 0, column.mantissa), column.exponent, escapes)


def _encoded(message: Message) -> Iterator[Encoded]:
    """One message, or as many halves as it takes to be small enough."""
    payload = encode_message(message)
    count = len(message.trades)
    if len(payload) <= MAX_BYTES or count == 1:
        newest = int(message.trades.ts_event.max())
        yield Encoded(message.feed, message.number, count, payload, newest)
        return
    half, number = count // 2, message.number
    for start, stop in ((0, half), (half, count)):
        part = replace(
            message,
            number=number,
            trades=message.trades[start:stop],
            corrections=_shifted(message.corrections, start, stop),
        )
        for encoded in _encoded(part):
            yield encoded
            number = encoded.number + 1


def _shifted(fixes: Sequence[Correction], start: int, stop: int) -> tuple[Correction, ...]:
    return tuple(replace(fix, row=fix.row - start) for fix in fixes if start <= fix.row < stop)
