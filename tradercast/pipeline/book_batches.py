"""Messages of a topic of books: a run of one book's records, numbered, as the listener writes them.

A message is msgpack, as of trades (`messages`), with another version and other columns:
``[version, feed, number, 0, columns, gaps]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgpack
import numpy as np

from tradercast.book_levels import Levels
from tradercast.book_messages import OPTIONAL, BookMessages, offsets_of
from tradercast.errors import EncodeError, FormatError, TradercastError
from tradercast.feed.channel import BOOK
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.pipeline.messages import MAX_BYTES, MAX_RECORDS, Message, decode_message, pack
from tradercast.records import Decimals, Kind, Notes
from tradercast.rows import I64
from tradercast.timerange import MIN_TIME_NS

VERSION = 2
_MAX_LEVELS = 1 << 20
_START = bytes([0x96, VERSION])  # an array of six, and the version


@dataclass(frozen=True, slots=True)
class BookBatch:
    """A run of one book's records.

    Attributes
    ----------
    feed : FeedId
    number : int
        ``n``: 0, 1, 2 … of the feed; a number that is left out is a loss.
    records : BookMessages
        Messages and gaps, in the order of the exchange.
    """

    feed: FeedId
    number: int
    records: BookMessages


FeedMessage: TypeAlias = Message | BookBatch


def decode_any(data: bytes) -> FeedMessage:
    """Read anybody's bytes, of trades or of a book.

    Raises
    ------
    FormatError, UnknownVersionError
        If they are no message that this program can read.
    """
    if data.startswith(_START):
        return decode_book_batch(data)
    message = decode_message(data)
    if message.feed.channel == BOOK.name:
        raise FormatError("a message of trades says that it is of a book")
    return message


def encode_book_batch(batch: BookBatch) -> bytes:
    """The bytes of a message.

    Raises
    ------
    EncodeError
        If there are no records, or too many.
    """
    run = batch.records
    if not 0 < len(run) <= MAX_RECORDS:
        raise EncodeError(f"a message holds 1 to {MAX_RECORDS} records, not {len(run)}")
    levels, notes = run.levels, run.notes
    columns = [
        _integers(run.ts_event),
        *(_present(run.filled(name), absent) for name, absent in OPTIONAL.items()),
        run.is_snapshot.astype(np.uint8).tobytes(),
        _integers(run.lengths()),
        levels.side.tobytes(),
        "\n".join(levels.price.to_strings()),
        "\n".join(levels.size.to_strings()),
        _present(levels.counts(), ABSENT),
    ]
    gaps = [column.tolist() for column in (notes.row, notes.ref_seq, notes.ref_end, notes.ref_ts)]
    return pack([VERSION, str(batch.feed), batch.number, 0, columns, gaps])


def decode_book_batch(data: bytes) -> BookBatch:
    """Read anybody's bytes.

    Raises
    ------
    FormatError
        If they are no message of a book.
    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"a message of {len(data)} bytes is over {MAX_BYTES}")
    try:
        values = msgpack.unpackb(data, max_map_len=0, max_ext_len=0, max_array_len=MAX_RECORDS)
        version, feed, number, flags, columns, gaps = values
        if version != VERSION or type(number) is not int or number < 0 or flags != 0:
            raise FormatError("a message's number or flags are malformed")
        of = FeedId.parse(feed)
        if of.channel != BOOK.name:
            raise FormatError(f"a message of a book says that it is of {of}")
        return BookBatch(of, number, _records(columns, gaps))
    except FormatError:
        raise
    except (
        ValueError,
        TypeError,
        OverflowError,
        msgpack.UnpackException,
        TradercastError,
    ) as error:
        raise FormatError(f"the bytes are not a message: {error}") from None


def gap_record(first: int, last: int, before_ns: int, after_ns: int) -> BookMessages:
    """The record that messages `first` to `last` are missing between two times (ns UTC)."""
    return BookMessages(
        np.array([after_ns], np.int64),
        np.zeros(1, np.bool_),
        np.zeros(2, np.int64),
        Levels.empty(),
        notes=Notes.of([(0, Kind.GAP, first, last, before_ns)]),
    )


def _records(columns: Any, gaps: Any) -> BookMessages:
    event, *optional, snapshot, lengths, side, price, size, count = columns
    ts_event, runs = _numbers(event), _numbers(lengths)
    if not 0 < len(ts_event) <= MAX_RECORDS or int(ts_event.min()) < MIN_TIME_NS:
        raise FormatError("a message's times are malformed")
    if len(runs) != len(ts_event) or int(runs.min()) < 0 or int(runs.max()) > _MAX_LEVELS:
        raise FormatError("a message's numbers of levels are malformed")
    rows, first, last, before = gaps
    notes = list(zip(rows, [Kind.GAP] * len(rows), first, last, before, strict=True))
    is_snapshot = np.frombuffer(snapshot, np.uint8)
    if len(is_snapshot) and int(is_snapshot.max()) > 1:
        raise FormatError("a message's snapshots are malformed")
    levels = int(runs.sum())
    return BookMessages(
        ts_event,
        is_snapshot.astype(np.bool_),
        offsets_of(runs),
        Levels(
            np.frombuffer(side, np.uint8),
            Decimals.from_strings(_lines(price, levels)),
            Decimals.from_strings(_lines(size, levels)),
            None if count is None else _numbers(count),
        ),
        **{
            name: None if column is None else _numbers(column)
            for name, column in zip(OPTIONAL, optional, strict=True)
        },
        notes=Notes.of(notes),
    )


def _integers(column: I64) -> bytes:
    return column.astype("<i8").tobytes()


def _present(column: I64, absent: int) -> bytes | None:
    return None if (column == absent).all() else _integers(column)


def _numbers(data: bytes) -> I64:
    return np.frombuffer(data, "<i8").astype(np.int64)


def _lines(text: str, count: int) -> Sequence[str]:
    lines = text.split("\n") if text else []
    if len(lines) != count:
        raise FormatError(f"a column has {len(lines)} rows, not {count}")
    return lines
