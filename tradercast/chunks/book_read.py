"""Chunks of book messages: decoding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide, Keyframe, Levels
from tradercast.book_messages import NO_CHECKSUM, BookMessages, offsets_of
from tradercast.chunks.book import CHANNEL, id_bases
from tradercast.chunks.columns import ColumnReader
from tradercast.chunks.field_reads import (
    read_aside,
    read_notes,
    read_present,
    read_recv,
    read_times,
)
from tradercast.chunks.header import ChunkHeader
from tradercast.chunks.opening import open_chunk
from tradercast.chunks.price_lists import STEPS, PriceLists
from tradercast.decimals import Decimals
from tradercast.errors import FormatError, UsageError
from tradercast.ids import ABSENT
from tradercast.notes import NO_TIME
from tradercast.rows import I64, U8


@dataclass(frozen=True, slots=True)
class OpenBookChunk:
    """A chunk whose header is read, and whose columns are not decoded yet.

    Attributes
    ----------
    header : ChunkHeader
    reader : ColumnReader
        Decodes each column once.
    """

    header: ChunkHeader
    reader: ColumnReader

    @property
    def level_count(self) -> int:
        """Levels of all messages together."""
        return self.reader.count("side")

    def decode(self) -> tuple[Keyframe | None, BookMessages]:
        """The book at the chunk's start, if it says, and all records.

        Raises
        ------
        FormatError
            If the columns are not those of a chunk.
        """
        try:
            found = _decode(self.header, self.reader)
        except UsageError as error:
            raise FormatError(f"the chunk's columns do not fit: {error.message:.80}") from None
        self.reader.finish()
        return found


def open_book(block: bytes) -> OpenBookChunk:
    """Read a chunk's header, and where its columns are.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk of book messages that this program can read.
    """
    return OpenBookChunk(*open_chunk(block, CHANNEL))


def decode_book(block: bytes) -> tuple[ChunkHeader, Keyframe | None, BookMessages]:
    """The header, the keyframe (`None` in tail blocks), and all records of a chunk.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk of book messages that this program can read.
    """
    chunk = open_book(block)
    return chunk.header, *chunk.decode()


def _decode(header: ChunkHeader, reader: ColumnReader) -> tuple[Keyframe | None, BookMessages]:
    count = header.count
    notes = read_notes(reader, count)
    times = np.empty(count, np.int64)
    read_times(header, reader, times, notes)
    recv = None
    if header.has_recv:
        recv = np.empty(count, np.int64)
        read_recv(header, reader, times, recv)
    lengths = np.empty(count, np.int64)
    reader.into("len", lengths)
    if int(lengths.min()) < 0 or int(lengths.max()) > reader.count("side"):
        raise FormatError("a message has not as many levels as it says")
    last = _ids(reader, "last", count, None)
    bases = None if last is None else id_bases(last)
    offsets = offsets_of(lengths)
    key, levels = _levels(header, reader, offsets)
    messages = BookMessages(
        times,
        _snapshots(reader, count),
        offsets,
        levels,
        recv,
        _ids(reader, "first", count, bases),
        last,
        _ids(reader, "prev", count, bases),
        _sparse(reader, "sum", count, NO_CHECKSUM),
        notes,
    )
    return key, messages


def _snapshots(reader: ColumnReader, count: int) -> NDArray[np.bool_]:
    if not reader.count("snap"):
        return np.zeros(count, np.bool_)
    snap = np.empty(count, np.uint8)
    reader.into("snap", snap)
    if snap.max() > 1:
        raise FormatError("a message is neither a snapshot nor none")
    is_snapshot: NDArray[np.bool_] = snap == 1
    return is_snapshot


def _sparse(reader: ColumnReader, name: str, count: int, absent: int) -> I64 | None:
    """A column with `absent` in the rows that have no value; `None` if none has one."""
    if not reader.count(name):
        return None
    present = read_present(reader, name, count)
    values: I64 = reader.read(name, np.int64)
    if (values == absent).any():
        raise FormatError(f"a value of {name!r} is {absent}")
    if present is None:
        if len(values) != count:
            raise FormatError(f"column {name!r} has {len(values)} values, not {count}")
        return values
    out = np.full(count, absent, np.int64)
    out[present] = values
    return out


def _ids(reader: ColumnReader, name: str, count: int, bases: I64 | None) -> I64 | None:
    ids = _sparse(reader, name, count, NO_TIME)
    if ids is None:
        return None
    absent = ids == NO_TIME
    if bases is not None:
        ids += bases
    ids[absent] = ABSENT
    if (ids < ABSENT).any() or ((ids == ABSENT) & ~absent).any():
        raise FormatError(f"a number of {name!r} is negative")
    return ids


def _levels(
    header: ChunkHeader, reader: ColumnReader, offsets: I64
) -> tuple[Keyframe | None, Levels]:
    start, more = reader.count("k_px"), reader.count("side")
    price, size = np.zeros(start + more, np.int64), np.zeros(start + more, np.int64)
    side = np.empty(start + more, np.uint8)
    for name, out in (("k_px", price[:start]), ("side", side[start:]), ("k_sz", size[:start])):
        if len(out):
            reader.into(name, out)
    price[start:] = _prices(reader, side[start:], offsets)
    stays = np.ones(more, np.bool_)
    if reader.count("gone"):
        gone = np.empty(more, np.uint8)
        reader.into("gone", gone)
        if gone.max() > 1:
            raise FormatError("a level is neither gone nor there")
        stays = gone == 0
    sizes = reader.read("sz", np.int64)
    if len(sizes) != np.count_nonzero(stays):
        raise FormatError("the sizes are not as many as the levels that have one")
    size[start:][stays] = sizes
    size_aside = _aside(reader, "sz", size)
    if np.count_nonzero(size == 0) != more - np.count_nonzero(stays) + len(size_aside):
        raise FormatError("a level that is not gone has no size")
    key = header.key
    side[:start] = BookSide.ASK
    side[: key.bids if key else 0] = BookSide.BID
    all_levels = Levels(
        side,
        Decimals(price, header.price_exponent, _aside(reader, "px", price)),
        Decimals(size, header.size_exponent, size_aside),
    )
    levels = _counted(reader, "cnt", all_levels[start:])
    return _keyframe(header, _counted(reader, "k_cnt", all_levels[:start])), levels


def _prices(reader: ColumnReader, side: U8, offsets: I64) -> I64:
    if offsets[-1] != len(side):
        raise FormatError("the messages have not as many levels as there are sides")
    lists = PriceLists.of(side, offsets)
    columns = {"px": reader.read("px", np.int64)}
    counts = {"px": len(lists.begins)}
    for one, name in STEPS.items():
        columns[name], counts[name] = reader.read(name, np.int64), len(lists.inner(one))
    for name, column in columns.items():
        if len(column) != counts[name]:
            raise FormatError(f"column {name!r} has {len(column)} values, not {counts[name]}")
    return lists.join(columns)


def _aside(reader: ColumnReader, name: str, out: I64) -> dict[int, Decimal]:
    aside = read_aside(reader, name, len(out))
    if out[list(aside)].any():
        raise FormatError(f"a value of {name!r} stands aside and has a mantissa")
    return aside


def _counted(reader: ColumnReader, name: str, levels: Levels) -> Levels:
    count = _sparse(reader, name, len(levels), ABSENT)
    return levels if count is None else replace(levels, count=count)


def _keyframe(header: ChunkHeader, levels: Levels) -> Keyframe | None:
    if header.key is None:
        if len(levels):
            raise FormatError("the keyframe's levels belong to no keyframe")
        return None
    price, bids = levels.price, header.key.bids
    if not price.escapes:
        rising = np.diff(price.mantissa) > 0
        if not np.delete(rising, bids - 1 if 0 < bids < len(levels) else []).all():
            raise FormatError("the keyframe's prices do not rise")
    return Keyframe(levels, header.key.valid)
