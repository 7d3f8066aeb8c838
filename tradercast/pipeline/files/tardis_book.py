"""Books in the CSV of tardis.dev (``incremental_book_L2``): a row a level, times in µs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide, Levels
from tradercast.book_messages import BookMessages, offsets_of
from tradercast.decimals import Decimals
from tradercast.errors import InputError, TradercastError
from tradercast.feeds import normalise_symbol
from tradercast.pipeline.files import values
from tradercast.pipeline.files.bad_rows import RowError
from tradercast.pipeline.files.columns import TimeRule
from tradercast.pipeline.files.convert import ColumnOf, checked, shown
from tradercast.pipeline.files.csv_file import open_named
from tradercast.pipeline.files.opening import Limits, open_bytes
from tradercast.records import NO_TIME
from tradercast.rows import I64, U8

HEAD_BYTES = 1 << 20
COLUMNS = (
    "symbol",
    "timestamp",
    "local_timestamp",
    "is_snapshot",
    "side",
    "price",
    "amount",
)
_TIME = TimeRule("us")


@dataclass(frozen=True, eq=False, slots=True)
class _Rows:
    """Some rows in columns."""

    event: I64
    recv: I64
    snapshot: NDArray[np.bool_]
    side: U8
    price: Decimals
    size: Decimals

    def __len__(self) -> int:
        return len(self.event)

    def part(self, rows: slice) -> _Rows:
        return _Rows(*(getattr(self, each.name)[rows] for each in fields(self)))

    def followed_by(self, other: _Rows) -> _Rows:
        return _Rows(
            np.concatenate([self.event, other.event]),
            np.concatenate([self.recv, other.recv]),
            np.concatenate([self.snapshot, other.snapshot]),
            np.concatenate([self.side, other.side]),
            Decimals.concat([self.price, other.price]),
            Decimals.concat([self.size, other.size]),
        )

    def begins(self) -> NDArray[np.bool_]:
        """The rows at which a message begins: those of one came at one time."""
        came = np.where(self.recv == NO_TIME, self.event, self.recv)
        begins = np.ones(len(self), np.bool_)
        begins[1:] = (came[1:] != came[:-1]) | (self.snapshot[1:] != self.snapshot[:-1])
        return begins

    def messages(self) -> BookMessages:
        starts = np.flatnonzero(self.begins())
        lengths = np.diff(np.append(starts, len(self)))
        recv = self.recv[starts]
        return BookMessages(
            np.maximum.reduceat(self.event, starts),
            self.snapshot[starts],
            offsets_of(lengths),
            Levels(self.side, self.price, self.size),
            None if (recv == NO_TIME).all() else recv,
        )


def read_tardis(paths: Sequence[Path], symbol: str) -> Iterator[BookMessages]:
    """The messages of files, in order; rows that came at one time are one message.

    A message does not go on from one file to the next.  These files do not say what is missing:
    after a lost connection they go on with a snapshot.

    Parameters
    ----------
    paths : sequence of Path
        Packed or not.
    symbol : str
        What all rows must be of, as `normalise_symbol` spells it.

    Raises
    ------
    InputError
        About the first broken row.
    """
    limits = Limits()
    for path in paths:
        with open_bytes(path, limits) as stream:
            head = stream.read(HEAD_BYTES)
            rows = open_named(stream, head, COLUMNS, lambda column: _rows(column, symbol), limits)
            held: _Rows | None = None
            for batch in rows.batches():
                found = batch if held is None else held.followed_by(batch)
                last = int(np.flatnonzero(found.begins())[-1])
                if last:
                    yield found.part(slice(0, last)).messages()
                held = found.part(slice(last, len(found)))
            if held is None:
                raise InputError(f"{path.name} has no rows")
            yield held.messages()


def _rows(column: ColumnOf, symbol: str) -> _Rows:
    names = column("symbol")
    for name in np.unique(names).tolist():
        if normalise_symbol(name.decode("utf-8", "replace")) != symbol:
            row = int(np.flatnonzero(names == name)[0])
            raise RowError(row, f"symbol {shown(name)!r} is not {symbol!r}")
    size = checked("amount", column("amount"), _sizes, "is no number from 0 on")
    return _Rows(
        checked("timestamp", column("timestamp"), _times, "is not a time in us"),
        checked("local_timestamp", column("local_timestamp"), _optional, "is not a time in us"),
        checked("is_snapshot", column("is_snapshot"), _booleans, "is neither true nor false"),
        checked("side", column("side"), _sides, "is neither bid nor ask"),
        checked("price", column("price"), Decimals.from_strings, "is not a number"),
        size,
    )


def _times(texts: values.Bytes) -> I64:
    return values.times_from_text(texts, _TIME)


def _optional(texts: values.Bytes) -> I64:
    return values.optional_times(texts, _TIME)


def _sizes(texts: values.Bytes) -> Decimals:
    sizes = Decimals.from_strings(texts)
    if (sizes.mantissa < 0).any() or any(value < 0 for value in sizes.escapes.values()):
        raise InputError("a size is negative")
    return sizes


def _booleans(texts: values.Bytes) -> NDArray[np.bool_]:
    return _words(texts, {b"false": 0, b"true": 1}).astype(np.bool_)


def _sides(texts: values.Bytes) -> U8:
    return _words(texts, {b"bid": int(BookSide.BID), b"ask": int(BookSide.ASK)})


def _words(texts: values.Bytes, codes: dict[bytes, int]) -> U8:
    out, known = np.zeros(len(texts), np.uint8), np.zeros(len(texts), np.bool_)
    for word, code in codes.items():
        hit = texts == word
        out[hit] = code
        known |= hit
    if not known.all():
        raise TradercastError("a word is not known")
    return out
