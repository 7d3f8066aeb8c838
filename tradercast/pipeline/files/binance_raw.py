"""Raw captures of Binance's book: lines of ``<receive time, ns> <message as received>``; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tradercast.book_messages import BookMessages
from tradercast.errors import InputError
from tradercast.pipeline.files.binance_rule import Message, SnapshotRule
from tradercast.pipeline.files.book_rows import BookRows

BATCH_LEVELS = 65_536
_MICROSECONDS = 10**15  # event times from here on are in µs, which spot sends when asked to
_LINE = re.compile(rb"(\d{1,19}) (.*)", re.DOTALL)
_MAX_ID = 2**63 - 1


def read_book(lines: Iterable[bytes], name: str) -> Iterator[BookMessages]:
    """The book messages of a capture, by the exchange's rule of snapshots and changes.

    Parameters
    ----------
    lines : iterable of bytes
        `depthUpdate` messages, alone or in combined streams, and answers of the REST call for
        the book; of spot or futures, of one symbol.  Other messages are passed over.
    name : str
        Of the file, for errors.

    Yields
    ------
    BookMessages
        Batches of about 65,536 levels; see `SnapshotRule` for order and gaps.

    Raises
    ------
    InputError
        If a line is broken or of another symbol; names it.
    """
    rule, rows, symbol = SnapshotRule(), BookRows(name), None
    for number, line in enumerate(lines, 1):
        if b'"depthUpdate"' not in line and b'"lastUpdateId"' not in line:
            continue
        try:
            found, message = _parse(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{name}, line {number}: no book message of Binance ({error!r:.60})"
            ) from None
        if found is not None and found != symbol:
            if symbol is not None:
                raise InputError(
                    f"{name}, line {number}: of {found!r:.20}, the lines before of {symbol!r:.20}",
                    hint="split the capture by symbol",
                )
            symbol = found
        for entry in rule.take(message):
            rows.add(entry)
        if rows.level_count >= BATCH_LEVELS:
            yield rows.flush()
    for entry in rule.finish():
        rows.add(entry)
    if len(rows):
        yield rows.flush()


def _parse(line: bytes) -> tuple[str | None, Message]:
    """The symbol, if the line says it, and the message."""
    matched = _LINE.match(line)
    if matched is None:
        raise ValueError("no receive time")
    body = json.loads(matched[2])
    data = body.get("data", body)
    received = _id(int(matched[1]))
    if "lastUpdateId" in data:
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
