"""Messages of a topic: a run of one feed's records, numbered, as the listener writes them.

A message is msgpack: ``[version, feed, number, flags, columns, corrections]``.  Prices and sizes
are exact decimal text, times int64 ns; a column is one value, so that neither side loops over
records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np

from tradercast.decimal_text import Lines, parse_together
from tradercast.errors import EncodeError, FormatError, TradercastError, UnknownVersionError
from tradercast.feeds import FeedId
from tradercast.records import Decimals, Ids, Kind, Trades
from tradercast.rows import I64
from tradercast.timerange import MIN_TIME_NS

VERSION = 1
MAX_RECORDS = 65_536
MAX_BYTES = 8 << 20
_ANYWHERE = 1  # flag: a record may repeat one at any distance, not only a recent one


@dataclass(frozen=True, slots=True)
class Correction:
    """What a row corrects: the row itself is the trade as it is from now on.

    Attributes
    ----------
    row : int
        The row of the message.
    kind : Kind
        ``BUST`` or ``AMEND``.
    trade_id : str
        The id of the trade that is corrected.
    ts_event : int
        Its time (ns UTC), by which it is found.
    """

    row: int
    kind: Kind
    trade_id: str
    ts_event: int


@dataclass(frozen=True, slots=True)
class Message:
    """A run of one feed's records.

    Attributes
    ----------
    feed : FeedId
    number : int
        ``n``: 0, 1, 2 … of the feed; a number that is left out is a loss.
    trades : Trades
        Without notes; sorted as they arrived.
    corrections : tuple of Correction
        In the order of their rows.
    repeats_anywhere : bool
        A snapshot or a rescan: its records may be in the feed already, at any distance.
    """

    feed: FeedId
    number: int
    trades: Trades
    corrections: tuple[Correction, ...] = field(default=())
    repeats_anywhere: bool = False

    @property
    def records(self) -> Trades:
        """The same as `trades`, as messages of every channel have it."""
        return self.trades


def encode_message(message: Message) -> bytes:
    """The bytes of a message.

    Raises
    ------
    EncodeError
        If there are no records, too many, or an id with a line break.
    """
    trades = message.trades
    if not 0 < len(trades) <= MAX_RECORDS:
        raise EncodeError(f"a message holds 1 to {MAX_RECORDS} records, not {len(trades)}")
    if len(trades.notes):
        raise EncodeError("corrections of a message are given beside its records")
    columns = [
        trades.ts_event.astype("<i8").tobytes(),
        None if trades.ts_recv is None else trades.ts_recv.astype("<i8").tobytes(),
        None if trades.trade_id is None else trades.trade_id.to_lines(),
        trades.side.tobytes(),
        trades.price.to_lines(),
        trades.size.to_lines(),
    ]
    corrections = [[c.row, int(c.kind), c.trade_id, c.ts_event] for c in message.corrections]
    flags = _ANYWHERE if message.repeats_anywhere else 0
    return pack([VERSION, str(message.feed), message.number, flags, columns, corrections])


def pack(values: list[Any]) -> bytes:
    """The bytes of any message.

    Raises
    ------
    EncodeError
        If they are too many.
    """
    packed: bytes = msgpack.packb(values)
    if len(packed) > MAX_BYTES:
        raise EncodeError(f"a message of {len(packed)} bytes is over {MAX_BYTES}")
    return packed


def decode_message(data: bytes) -> Message:
    """Read anybody's bytes.

    Raises
    ------
    FormatError, UnknownVersionError
        If they are no message that this program can read.
    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"a message of {len(data)} bytes is over {MAX_BYTES}")
    try:
        values = msgpack.unpackb(data, max_map_len=0, max_ext_len=0, max_array_len=MAX_RECORDS)
        version, *rest = values
        if type(version) is int and version > VERSION:
            raise UnknownVersionError(f"a message of version {version} is newer than this program")
        feed, number, flags, columns, corrections = rest
        if type(number) is not int or number < 0 or flags not in (0, _ANYWHERE):
            raise FormatError("a message's number or flags are malformed")
        trades = _trades(columns)
        return Message(
            FeedId.parse(feed),
            number,
            trades,
            tuple(_correction(one, len(trades)) for one in corrections),
            flags == _ANYWHERE,
        )
    except FormatError:
        raise
    except (ValueError, TypeError, msgpack.UnpackException, TradercastError) as error:
        raise FormatError(f"the bytes are not a message: {error}") from None


def _trades(columns: Any) -> Trades:
    event, recv, ids, side, price, size = columns
    ts_event = _times(event)
    count = len(ts_event)
    if not 0 < count <= MAX_RECORDS:
        raise FormatError(f"a message of {count} records is malformed")
    texts = [_lines(text, count) for text in (price, size, ids) if text is not None]
    parse_together(texts)
    return Trades(
        ts_event,
        Decimals.from_strings(texts[0]),
        Decimals.from_strings(texts[1]),
        np.frombuffer(side, np.uint8),
        None if recv is None else _times(recv, absent=True),
        None if ids is None else Ids.from_strings(texts[2]),
    )


def _times(data: bytes, *, absent: bool = False) -> I64:
    times = np.frombuffer(data, "<i8").astype(np.int64)
    if not absent and len(times) and int(times.min()) < MIN_TIME_NS:
        raise FormatError("a record has no time")
    return times


def _lines(text: object, count: int) -> Lines:
    if type(text) is not str:
        raise FormatError("a column is no text")
    lines = Lines(text)
    if len(lines) != count:
        raise FormatError(f"a column has {len(lines)} rows, ts_event has {count}")
    return lines


def _correction(values: Any, count: int) -> Correction:
    row, kind, trade_id, ts_event = values
    if type(row) is not int or not 0 <= row < count or type(ts_event) is not int:
        raise FormatError("a correction is malformed")
    if kind not in (Kind.BUST, Kind.AMEND) or type(trade_id) is not str:
        raise FormatError("a correction is malformed")
    return Correction(row, Kind(kind), trade_id, ts_event)
