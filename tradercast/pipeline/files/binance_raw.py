"""Raw captures of Binance's book: lines of ``<receive time, ns> <message as received>``; pure."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tradercast.book_messages import BookMessages
from tradercast.errors import InputError
from tradercast.feeds import normalise_symbol
from tradercast.pipeline.files.binance_rule import Message, SnapshotRule
from tradercast.pipeline.files.book_rows import BookRows

_log = logging.getLogger(__name__)

BATCH_LEVELS = 65_536
_MICROSECONDS = 10**15  # event times from here on are in µs, which spot sends when asked to
_LINE = re.compile(rb"(\d{1,19}) (.*)", re.DOTALL)
_MAX_ID = 2**63 - 1
_OTHER_SYMBOL = (
    "publish each symbol from a capture of its own; --native-symbol says the exchange's spelling"
)


def read_book(
    captures: Iterable[tuple[str, Iterable[bytes]]], symbol: str | None = None
) -> Iterator[BookMessages]:
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
    for name, message in _messages(captures, symbol):
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


def _messages(
    captures: Iterable[tuple[str, Iterable[bytes]]], symbol: str | None
) -> Iterator[tuple[str, Message]]:
    """Every book message, and the name of its capture."""
    for name, lines in captures:
        for number, line in enumerate(lines, 1):
            if b'"depthUpdate"' not in line and b'"lastUpdateId"' not in line:
                continue
            try:
                of, message = _parse(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{name}, line {number}: no book message of Binance ({error!r:.60})"
                ) from None
            if of is not None:
                symbol = _same_symbol(of, symbol, f"{name}, line {number}")
            if message is not None:
                yield name, message


def _nothing(waiting: int) -> InputError:
    if not waiting:
        return InputError(
            "there is no book message of Binance",
            hint="a line is: RECEIVE_TIME_NS MESSAGE_AS_RECEIVED",
        )
    return InputError(
        f"{waiting} book messages, but no snapshot that they go on from",
        hint="give the capture before it first: one that holds an answer of /api/v3/depth",
    )


def _same_symbol(found: str, symbol: str | None, place: str) -> str:
    spelt = normalise_symbol(str(found))
    if symbol is not None and spelt != symbol:
        raise InputError(f"{place}: of {spelt!r:.30}, not of {symbol!r:.30}", hint=_OTHER_SYMBOL)
    return spelt


def _parse(line: bytes) -> tuple[str | None, Message | None]:
    """The symbol, if the line says it, and the message; a part of a book is none."""
    matched = _LINE.match(line)
    if matched is None:
        raise ValueError("no receive time")
    body = json.loads(matched[2])
    data = body.get("data", body)
    received = _id(int(matched[1]))
    if "lastUpdateId" in data:
        if "stream" in body:  # the best levels only, sent again and again
            return None, None
        last = _id(data["lastUpdateId"])
        event = _time(data["E"]) if "E" in data else None
        bids, asks = _levels(data["bids"]), _levels(data["asks"])
        return None, Message(event, received, None, last, None, True, bids, asks)
    prev = _id(data["pu"]) if "pu" in data else None
    first, last = _id(data["U"]), _id(data["u"])
    if first > last:
        raise ValueError("the first update is after the last")
    bids, asks = _levels(data["b"]), _levels(data["a"])
    message = Message(_time(data["E"]), received, first, last, prev, False, bids, asks)
    return data["s"], message


def _id(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_ID:
        raise ValueError(f"{value!r:.30} is no number of an update")
    return value


def _levels(value: Any) -> list[list[str]]:
    if type(value) is not list or not all(type(level) is list for level in value):
        raise ValueError("the levels are no lists")
    return value


def _time(value: Any) -> int:
    return _id(_id(value) * (1_000 if value >= _MICROSECONDS else 1_000_000))
