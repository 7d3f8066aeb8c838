"""The book of raw captures of Binance; pure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from tradercast.book_messages import BookMessages
from tradercast.errors import InputError
from tradercast.exchanges.book_entries import Message
from tradercast.pipeline.files.binance_lines import (
    LINE_HINT,
    Captures,
    messages_of,
    natural,
    time_ns,
)
from tradercast.pipeline.files.binance_rule import SnapshotRule
from tradercast.pipeline.files.book_rows import BATCH_LEVELS, BookRows

_log = logging.getLogger(__name__)

_MARKS = (b'"depthUpdate"', b'"lastUpdateId"')


def read_book(captures: Captures, symbol: str | None = None) -> Iterator[BookMessages]:
    """The book messages of captures, by the exchange's rule of snapshots and changes.

    Of a longer capture they are the same, and more: a message whose place among the others is
    not settled at the end is not given.

    Parameters
    ----------
    captures : iterable of (name, lines)
        In order, each going on where the one before ends.  Of their lines those are read that
        are `depthUpdate` messages, alone or in combined streams, and answers of the REST call for
        the book; of spot or futures.  Others are passed over.
    symbol : str, optional
        What the captures must be of, as `normalise_symbol` spells it; else any one symbol.

    Yields
    ------
    BookMessages
        Batches of about 65,536 levels; see `SnapshotRule` for order and gaps.

    Raises
    ------
    InputError
        If a line is broken or of another symbol, or there is no snapshot to begin with.
    """
    rule, rows, given = SnapshotRule(), BookRows(), False
    for name, message in messages_of(captures, _MARKS, _parse, "book message", symbol):
        if len(rows) and (rows.level_count >= BATCH_LEVELS or rows.name != name):
            given = True
            yield rows.flush()
        rows.name = name
        for entry in rule.take(message):
            rows.add(entry)
    if len(rows):
        yield rows.flush()
    elif not given:
        raise _nothing(rule.waiting)
    if rule.waiting:
        _log.warning(
            "the last %d messages have no settled place yet: they come once the capture goes on",
            rule.waiting,
        )


def _nothing(waiting: int) -> InputError:
    if not waiting:
        return InputError(
            "there is no book message of Binance",
            hint=LINE_HINT,
        )
    return InputError(
        f"{waiting} book messages, but no snapshot that they go on from",
        hint="give the capture before it first: one that holds an answer of /api/v3/depth",
    )


def _parse(received: int, body: dict[str, Any]) -> tuple[str | None, Message | None]:
    """The symbol, if the line says it, and the message; a part of a book is none."""
    data = body.get("data", body)
    if "lastUpdateId" in data:
        if "stream" in body:  # the best levels only, sent again and again
            return None, None
        last = natural(data["lastUpdateId"])
        event = time_ns(data["E"]) if "E" in data else None
        bids, asks = _levels(data["bids"]), _levels(data["asks"])
        return None, Message(event, received, None, last, None, True, bids, asks)
    prev = natural(data["pu"]) if "pu" in data else None
    first, last = natural(data["U"]), natural(data["u"])
    if first > last:
        raise ValueError("the first update is after the last")
    bids, asks = _levels(data["b"]), _levels(data["a"])
    message = Message(time_ns(data["E"]), received, first, last, prev, False, bids, asks)
    return data["s"], message


def _levels(value: Any) -> list[list[str]]:
    if type(value) is not list or not all(type(level) is list for level in value):
        raise ValueError("the levels are no lists")
    return value
