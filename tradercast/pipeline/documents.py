"""Documents of trades, as MongoDB holds them <-> columns.  Pure, and a whole batch at a time.

A document is ``{exchange, symbol, native_symbol, trade_id, ts_event, ts_recv, side, price, size}``:
times int64 ns UTC, price and size exact decimal text, the id text, the side ``buy``, ``sell`` or
``unknown``.  ``ts_recv``, ``side`` and ``native_symbol`` may be missing.  Numbers of other types
are read too where they are exact: integers, Decimal128, and doubles as the shortest decimal that
reads back as the same double.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradercast.errors import BadNameError, InputError
from tradercast.feeds import FeedId
from tradercast.ids import MAX_ID_BYTES
from tradercast.pipeline.columnar import (
    FIELDS,
    Column,
    Columnar,
    Document,
    as_list,
    combinations,
)
from tradercast.records import NO_TIME, Decimals, Ids, Side, Trades
from tradercast.rows import I64, U8
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS, NS_PER_DAY

_SIDES = {"buy": Side.BUY, "sell": Side.SELL, "unknown": Side.UNKNOWN, None: Side.UNKNOWN}
_SIDE_NAMES = ("unknown", "buy", "sell")
MAX_DELAY_NS = NS_PER_DAY
_MAX_ID = 2**63 - 1


class Reason(StrEnum):
    """Why a document is no trade, or no message of a book."""

    BAD_NAME = "bad_name"
    NO_TIME = "no_time"
    BAD_TIME = "bad_time"
    FAR_TIME = "far_time"
    NO_ID = "no_id"
    BAD_ID = "bad_id"
    BAD_SIDE = "bad_side"
    NO_PRICE = "no_price"
    BAD_PRICE = "bad_price"
    NO_SIZE = "no_size"
    BAD_SIZE = "bad_size"
    NEGATIVE_SIZE = "negative_size"
    # of books only
    BAD_NUMBER = "bad_number"
    BAD_KIND = "bad_kind"
    BAD_GAP = "bad_gap"
    BAD_LEVEL = "bad_level"
    BAD_COUNT = "bad_count"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that is no trade.

    Attributes
    ----------
    row : int
        Its place in the batch.
    reason : Reason
        The first of all that apply, in the order of `Reason`.
    detail : str
        The value that is wrong, shortened.
    """

    row: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class TradeDocuments:
    """What a batch of documents says.

    Attributes
    ----------
    trades : Trades
        The accepted documents, in their order.
    row : int64 array
        Per trade the place of its document in the batch.
    feed : int64 array
        Per trade the place of its feed in `feeds`.
    feeds : tuple of FeedId
    rejected : tuple of Rejected
        In the order of rows.
    """

    trades: Trades
    row: I64
    feed: I64
    feeds: tuple[FeedId, ...]
    rejected: tuple[Rejected, ...]

    def by_feed(self) -> Iterator[tuple[FeedId, I64, Trades]]:
        """Per feed its trades in order, and their rows in the batch."""
        for number, feed in enumerate(self.feeds):
            mine = np.flatnonzero(self.feed == number)
            if len(mine):
                yield feed, self.row[mine], self.trades[mine]


def to_documents(
    feed: FeedId, trades: Trades, *, native_symbol: str | None = None
) -> list[dict[str, Any]]:
    """One document a trade; `trades` are plain and have ids."""
    ids = Ids.absent(len(trades)) if trades.trade_id is None else trades.trade_id
    recv = [NO_TIME] * len(trades) if trades.ts_recv is None else trades.ts_recv.tolist()
    names = {"exchange": feed.exchange, "symbol": feed.symbol}
    if native_symbol is not None:
        names["native_symbol"] = native_symbol
    documents = []
    for trade_id, ts_event, ts_recv, side, price, size in zip(
        ids.to_strings(),
        trades.ts_event.tolist(),
        recv,
        trades.side.tolist(),
        trades.price.to_strings(),
        trades.size.to_strings(),
        strict=True,
    ):
        document: dict[str, Any] = {**names, "trade_id": trade_id, "ts_event": ts_event}
        if ts_recv != NO_TIME:
            document["ts_recv"] = ts_recv
        documents.append(document | {"side": _SIDE_NAMES[side], "price": price, "size": size})
    return documents


def read_documents(documents: Sequence[Document], channel: str = "trades") -> TradeDocuments:
    """Read a batch; what is no trade is set aside with its reason, and nothing raises.

    Parameters
    ----------
    documents : sequence of mappings
        As the driver decodes them; fields that are not named above are ignored.
    channel : str
        Of the feeds.
    """
    read = _Batch(documents)
    feed, feeds = read.feeds(channel)
    ts_event = read.times("ts_event", needed=True)
    ts_recv = read.times("ts_recv", needed=False)
    read.check_delay(ts_event, ts_recv)
    ids = read.ids()
    side = read.sides()
    price = read.numbers("price", Reason.NO_PRICE, Reason.BAD_PRICE)
    size = read.numbers("size", Reason.NO_SIZE, Reason.BAD_SIZE)
    read.check_sign(size)
    trades = Trades(ts_event, price, size, side, ts_recv, ids)
    row = read.accepted()
    if len(row) < len(documents):
        trades, feed = trades[row], feed[row]
    rejected = tuple(Rejected(at, *read.rejected[at]) for at in sorted(read.rejected))
    return TradeDocuments(trades, row, feed, feeds, rejected)


class _Batch:
    """Documents by column; a row that is wrong gets a harmless value and a reason."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._columns = _whole_columns(documents)
        self.rejected: dict[int, tuple[Reason, str]] = {}

    def accepted(self) -> I64:
        good = np.ones(len(self._documents), np.bool_)
        good[list(self.rejected)] = False
        return np.flatnonzero(good)

    def feeds(self, channel: str) -> tuple[I64, tuple[FeedId, ...]]:
        exchange, symbol = self._texts("exchange"), self._texts("symbol")
        if exchange is not None and symbol is not None:
            feed, found = combinations(exchange, symbol)
            with contextlib.suppress(BadNameError):  # one of them is to be rejected
                return feed, tuple(FeedId(*name, channel) for name in found)
        numbers: dict[tuple[str, str], int] = {}
        feeds: list[FeedId] = []
        names = list(zip(self._column("exchange"), self._column("symbol"), strict=True))
        try:
            for name in dict.fromkeys(names):
                feeds.append(FeedId(*name, channel))
                numbers[name] = len(numbers)
            return np.array([numbers[name] for name in names], np.int64), tuple(feeds)
        except (BadNameError, TypeError):  # one of them is to be rejected
            numbers, feeds = {}, []
        feed = np.zeros(len(names), np.int64)
        for row, name in enumerate(names):
            try:
                number = numbers.get(name)
                if number is None:
                    feeds.append(FeedId(*name, channel))
                    number = numbers[name] = len(feeds) - 1
                feed[row] = number
            except (BadNameError, TypeError):
                self._reject(row, Reason.BAD_NAME, name)
        return feed, tuple(feeds)

    def times(self, field: str, *, needed: bool) -> I64:
        known = self._columns.get(field)
        if isinstance(known, np.ndarray) and known.dtype.kind == "i" and _all_times(known):
            return known.astype(np.int64, copy=False)
        values = self._column(field)
        types = set(map(type, values))
        if all(is_int(each) for each in types) and values:
            with contextlib.suppress(OverflowError):
                times = np.array(values, np.int64)
                if _all_times(times):
                    return times
        times = np.zeros(len(values), np.int64) if needed else _no_times(len(values))
        for row, value in enumerate(values):
            if value is None:
                if needed:
                    self._reject(row, Reason.NO_TIME, field)
            elif is_int(type(value)) and MIN_TIME_NS <= value <= MAX_TIME_NS:
                times[row] = value
            else:
                self._reject(row, Reason.BAD_TIME, value)
        return times

    def check_delay(self, ts_event: I64, ts_recv: I64) -> None:
        known = ts_recv != NO_TIME
        # Two times may lie further apart than an int64 counts, which no float minds.
        delay = np.abs(ts_event.astype(np.float64) - np.where(known, ts_recv, ts_event))
        exact = np.where(delay > 2 * MAX_DELAY_NS, delay, np.abs(ts_event - ts_recv))
        for row in np.flatnonzero(known & (exact > MAX_DELAY_NS)).tolist():
            self._reject(row, Reason.FAR_TIME, f"{ts_event[row]}, received {ts_recv[row]}")

    def ids(self) -> Ids:
        known = self._texts("trade_id")
        if known is not None and known.dtype.itemsize <= MAX_ID_BYTES and (known != b"").all():
            return Ids.from_strings(known)
        values = self._column("trade_id")
        if set(map(type, values)) == {str} and all(values):
            joined = "".join(values)
            short = max(map(len, values)) <= MAX_ID_BYTES
            if short and joined.isascii() and joined.isprintable():
                return Ids.from_strings(values)
        texts: list[str | None] = [None] * len(values)
        for row, value in enumerate(values):
            text = str(value) if is_int(type(value)) and 0 <= value <= _MAX_ID else value
            if text is None or text == "":
                self._reject(row, Reason.NO_ID, "trade_id")
            elif not _is_id(text):
                self._reject(row, Reason.BAD_ID, value)
            else:
                texts[row] = text
        return Ids.from_strings(texts)

    def sides(self) -> U8:
        known = self._texts("side")
        if known is not None:
            sides = np.where(known == b"buy", np.uint8(Side.BUY), np.uint8(Side.UNKNOWN))
            sides[known == b"sell"] = Side.SELL
            if (known[sides == Side.UNKNOWN] == b"unknown").all():
                return sides
        values = self._column("side")
        try:
            return np.array([_SIDES[value] for value in values], np.uint8)
        except (KeyError, TypeError):  # one of them is to be rejected
            side = np.zeros(len(values), np.uint8)
        for row, value in enumerate(values):
            one = _SIDES.get(value) if isinstance(value, str | None) else None
            if one is None:
                self._reject(row, Reason.BAD_SIDE, value)
            else:
                side[row] = one
        return side

    def numbers(self, field: str, missing: Reason, bad: Reason) -> Decimals:
        known = self._texts(field)
        if known is not None:
            with contextlib.suppress(InputError):
                return Decimals.from_strings(known)
        values = self._column(field)
        texts: Sequence[str] = values
        if set(map(type, values)) != {str}:
            texts = [self._number(row, value, missing, bad) for row, value in enumerate(values)]
        try:
            return Decimals.from_strings(texts)
        except InputError:
            return Decimals.from_strings(
                [self._checked(row, text, bad) for row, text in enumerate(texts)]
            )

    def check_sign(self, size: Decimals) -> None:
        below = set(np.flatnonzero(size.mantissa < 0).tolist())
        below.update(row for row, value in size.escapes.items() if value < 0)
        for row in sorted(below):
            self._reject(row, Reason.NEGATIVE_SIZE, self._documents[row]["size"])

    def _texts(self, field: str) -> NDArray[np.bytes_] | None:
        column = self._columns.get(field)
        if isinstance(column, np.ndarray) and column.dtype.kind == "S" and len(column):
            return column
        return None

    def _column(self, field: str) -> Sequence[Any]:
        if field in self._columns:
            return as_list(self._columns[field])
        return [document.get(field) for document in self._documents]

    def _number(self, row: int, value: Any, missing: Reason, bad: Reason) -> str:
        if value is None:
            self._reject(row, missing, missing)
            return "0"
        text = _number_text(value)
        if text is None:
            self._reject(row, bad, value)
            return "0"
        return text

    def _checked(self, row: int, text: str, bad: Reason) -> str:
        try:
            Decimals.from_strings([text])
        except InputError:
            self._reject(row, bad, text)
            return "0"
        return text

    def _reject(self, row: int, reason: Reason, value: object) -> None:
        if row not in self.rejected:
            self.rejected[row] = (reason, shown(value))


def _all_times(values: I64) -> bool:
    return len(values) > 0 and bool(values.min() >= MIN_TIME_NS and values.max() <= MAX_TIME_NS)


def _whole_columns(documents: Sequence[Document]) -> dict[str, Column]:
    """The columns of documents that have all fields, which takes half as long as each alone."""
    if isinstance(documents, Columnar):
        return dict(documents.columns)
    try:
        rows = map(itemgetter(*FIELDS), documents)
        return dict(zip(FIELDS, zip(*rows, strict=True), strict=bool(documents)))
    except KeyError:
        return {}


def shown(value: object) -> str:
    """A value in a few characters, for a dead letter."""
    try:
        return f"{value!s:.120}".encode("utf-8", "replace").decode()
    except ValueError:  # an integer that is too long to be written
        return type(value).__name__


def _no_times(count: int) -> I64:
    return np.full(count, NO_TIME, np.int64)


def is_int(kind: type) -> bool:
    """Whether it is an integer type, such as the driver's Int64, but not bool."""
    return issubclass(kind, int) and kind is not bool


def _is_id(value: Any) -> bool:
    if not isinstance(value, str) or not value.isprintable():
        return False
    return len(value.encode("utf-8", "replace")) <= MAX_ID_BYTES


def _number_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if is_int(type(value)):
        return str(int(value)) if -(10**200) < value < 10**200 else None
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else None
    exact: Callable[[], object] | None = getattr(value, "to_decimal", None)  # bson's Decimal128
    return str(exact()) if callable(exact) else None
