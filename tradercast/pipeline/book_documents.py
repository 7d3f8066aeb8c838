"""Documents of order books, as MongoDB holds them <-> columns.  Pure.

A document is one message of the exchange::

    {_id: {exchange, symbol, number}, after, native_symbol, ts_event, ts_recv, is_snapshot,
     first_id, last_id, prev_id, checksum, bids: [[price, size, count], …], asks: […]}

``number`` counts up from message to message of a book, perhaps with holes; ``after`` is that of the
message before, null for the very first: so who reads knows what is missing, and what came again.
Prices and sizes are exact decimal text, times int64 ns UTC; what the source does not say is left
out.  Where the collector itself knows of missing messages, the document is a gap:
``{_id, after, native_symbol, ts_event, gap: {first, last, ts_before}}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradercast.book_messages import BookMessages
from tradercast.errors import BadNameError, InputError
from tradercast.exchanges.book_entries import Entry, Hole, Message
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.pipeline.columnar import Document
from tradercast.pipeline.documents import MAX_DELAY_NS, Reason, Rejected, is_int, shown
from tradercast.pipeline.exchange_trades import RecvPrecision
from tradercast.pipeline.files.book_rows import BookRows
from tradercast.records import NO_TIME, Decimals
from tradercast.rows import I64
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS

CHANNEL = "book"
# Of a message: a broker takes a megabyte.
MAX_LEVELS = 16_384
MAX_TEXT = 500_000
_MAX = 2**63 - 1
_NONE = -1
_MANY = 512
_EXPANDED = 200  # characters that an exponent may stand for
_IDS = ("first_id", "last_id", "prev_id")


@dataclass(frozen=True, slots=True)
class BookRun:
    """The accepted documents of a feed, in their order.

    Attributes
    ----------
    feed : FeedId
    messages : BookMessages
    number, after : int64 arrays
        Per message its own number, and that of the one before; -1 for none.
    """

    feed: FeedId
    messages: BookMessages
    number: I64
    after: I64


def to_book_documents(
    feed: FeedId,
    entries: Sequence[Entry],
    precision: RecvPrecision,
    *,
    first: int,
    after: int | None,
    native_symbol: str,
) -> list[dict[str, Any]]:
    """One document a message or hole.

    Parameters
    ----------
    feed : FeedId
        Whose they are.
    entries : sequence of Message or Hole
        In their order.
    precision : RecvPrecision
        How exactly the times of arrival are kept.
    first : int
        The number of the first of them.
    after : int or None
        The number of the message before it.
    native_symbol : str
        The exchange's own.
    """
    documents = []
    for number, entry in enumerate(entries, first):
        documents.append(
            {
                "_id": {"exchange": feed.exchange, "symbol": feed.symbol, "number": number},
                "after": after,
                "native_symbol": native_symbol,
                **(_hole(entry) if isinstance(entry, Hole) else _message(entry, precision)),
            }
        )
        after = number
    return documents


def _hole(hole: Hole) -> dict[str, Any]:
    gap = {"first": hole.first, "last": hole.last, "ts_before": hole.before_ns}
    return {"ts_event": hole.after_ns, "gap": gap}


def _message(message: Message, precision: RecvPrecision) -> dict[str, Any]:
    said: dict[str, Any] = {
        "ts_event": message.ts_recv if message.ts_event is None else message.ts_event,
        "ts_recv": precision.of(message.ts_recv),
        "is_snapshot": message.is_snapshot,
        "first_id": message.first,
        "last_id": None if message.last == ABSENT else message.last,
        "prev_id": message.prev,
        "checksum": message.checksum,
        "bids": list(message.bids),
        "asks": list(message.asks),
    }
    return {name: value for name, value in said.items() if value is not None}


def read_book_documents(
    documents: Sequence[Document],
) -> tuple[list[BookRun], tuple[Rejected, ...]]:
    """Read a batch; what is no message is set aside with its reason, and nothing raises."""
    rejected: dict[int, Rejected] = {}
    found: dict[FeedId, _Feed] = {}
    names: dict[tuple[str, str], FeedId] = {}
    for row, document in enumerate(documents):
        try:
            feed, number = _identity(document, names)
            entry, after = _entry(document), _integer(document.get("after"), 0)
        except _BadError as error:
            rejected[row] = Rejected(row, error.reason, shown(error.value))
            continue
        known = found.setdefault(feed, _Feed([], [], [], []))
        known.rows.append(row)
        known.entries.append(entry)
        known.numbers.append(number)
        known.afters.append(_NONE if after is None else after)
    runs = [run for feed, known in found.items() for run in known.runs(feed, rejected)]
    return runs, tuple(rejected[row] for row in sorted(rejected))


class _BadError(Exception):
    def __init__(self, reason: Reason, value: object) -> None:
        self.reason = reason
        self.value = value


@dataclass(slots=True)
class _Feed:
    rows: list[int]
    entries: list[Entry]
    numbers: list[int]
    afters: list[int]

    def runs(self, feed: FeedId, rejected: dict[int, Rejected]) -> Iterator[BookRun]:
        """What is accepted; who is to blame is looked for only if something is wrong."""
        kept: Sequence[int] = range(len(self.rows))
        try:
            messages = _columns(self.entries)
        except InputError:
            kept, parts = [], []
            for at, entry in enumerate(self.entries):
                try:
                    parts.append(_columns([_checked(entry)]))
                    kept.append(at)
                except _BadError as error:
                    row = self.rows[at]
                    rejected[row] = Rejected(row, error.reason, shown(error.value))
            messages = BookMessages.concat(parts)
        if kept:
            numbers, afters = np.array(self.numbers, np.int64), np.array(self.afters, np.int64)
            yield BookRun(feed, messages, numbers[kept], afters[kept])


def _columns(entries: Sequence[Entry]) -> BookMessages:
    rows = BookRows()
    for entry in entries:
        rows.add(entry)
    return rows.flush()


def _identity(document: Document, names: dict[tuple[str, str], FeedId]) -> tuple[FeedId, int]:
    identity = document.get("_id")
    if not isinstance(identity, Mapping):
        raise _BadError(Reason.BAD_NAME, identity)
    try:
        name = identity["exchange"], identity["symbol"]
        feed = names.get(name) or names.setdefault(name, FeedId(*name, CHANNEL))
    except (BadNameError, TypeError, KeyError):
        raise _BadError(Reason.BAD_NAME, identity) from None
    number = _integer(identity.get("number"), 0)
    if number is None:
        raise _BadError(Reason.BAD_NUMBER, "number")
    return feed, number


def _entry(document: Document) -> Entry:
    event = _time(document.get("ts_event"))
    if event is None:
        raise _BadError(Reason.NO_TIME, "ts_event")
    if "gap" in document:
        return _gap(document["gap"], event)
    received = _time(document.get("ts_recv"))
    if received is not None and abs(event - received) > MAX_DELAY_NS:
        raise _BadError(Reason.FAR_TIME, f"{event}, received {received}")
    is_snapshot = document.get("is_snapshot")
    if type(is_snapshot) is not bool:
        raise _BadError(Reason.BAD_KIND, is_snapshot)
    first, last, prev = (_integer(document.get(name), 0) for name in _IDS)
    bids, asks = _levels(document, "bids"), _levels(document, "asks")
    _check_size(bids, asks)
    return Message(
        event,
        NO_TIME if received is None else received,
        first,
        ABSENT if last is None else last,
        prev,
        is_snapshot,
        bids,
        asks,
        _integer(document.get("checksum"), -_MAX),
    )


def _gap(gap: Any, event: int) -> Hole:
    if not isinstance(gap, Mapping):
        raise _BadError(Reason.BAD_GAP, gap)
    before = _time(gap.get("ts_before"))
    first, last = (_integer(gap.get(name), -_MAX) for name in ("first", "last"))
    if before is None or first is None or last is None or first > last:
        raise _BadError(Reason.BAD_GAP, gap)
    return Hole(first, last, before, event)


def _time(value: Any) -> int | None:
    if value is None:
        return None
    if not is_int(type(value)) or not MIN_TIME_NS <= value <= MAX_TIME_NS:
        raise _BadError(Reason.BAD_TIME, value)
    return int(value)


def _integer(value: Any, least: int) -> int | None:
    if value is None:
        return None
    if not is_int(type(value)) or not least <= value <= _MAX:
        raise _BadError(Reason.BAD_NUMBER, value)
    return int(value)


def _levels(document: Document, side: str) -> list[Any]:
    levels = document.get(side)
    if not isinstance(levels, list) or {*map(type, levels)} - {list}:
        raise _BadError(Reason.BAD_LEVEL, levels)
    return levels


def _check_size(bids: list[Any], asks: list[Any]) -> None:
    count = len(bids) + len(asks)
    if count > MAX_LEVELS:
        raise _BadError(Reason.TOO_LARGE, f"{count} levels, over {MAX_LEVELS}")
    if count > _MANY:
        texts = [str(value).lower() for level in (*bids, *asks) for value in level[:2]]
        size = sum(len(text) + _EXPANDED * ("e" in text) for text in texts)
        if size > MAX_TEXT:
            raise _BadError(Reason.TOO_LARGE, f"{size} characters in its levels, over {MAX_TEXT}")


def _checked(entry: Entry) -> Entry:
    """The same message with the plain types that columns are made of."""
    if isinstance(entry, Hole):
        return entry
    counted = {len(each) for each in (*entry.bids, *entry.asks)}
    if counted - {2, 3} or len(counted) > 1:
        raise _BadError(Reason.BAD_LEVEL, "levels are [price, size] or [price, size, count]")
    bids, asks = ([_level(each) for each in side] for side in (entry.bids, entry.asks))
    return Message(
        entry.ts_event,
        entry.ts_recv,
        entry.first,
        entry.last,
        entry.prev,
        entry.is_snapshot,
        bids,
        asks,
        entry.checksum,
    )


def _level(level: list[Any]) -> list[Any]:
    price, size, *counts = level
    for value, missing, bad in (
        (price, Reason.NO_PRICE, Reason.BAD_PRICE),
        (size, Reason.NO_SIZE, Reason.BAD_SIZE),
    ):
        if value is None:
            raise _BadError(missing, missing)
        if type(value) is not str:  # a double may not be exact
            raise _BadError(bad, value)
        try:
            number = Decimals.from_strings([value])
        except InputError:
            raise _BadError(bad, value) from None
        if bad is Reason.BAD_SIZE and (
            number.mantissa[0] < 0 or min(number.escapes.values(), default=0) < 0
        ):
            raise _BadError(Reason.NEGATIVE_SIZE, value)
    if not all(is_int(type(each)) and 0 <= each <= _MAX for each in counts):
        raise _BadError(Reason.BAD_COUNT, counts)
    return [price, size, *map(int, counts)]
