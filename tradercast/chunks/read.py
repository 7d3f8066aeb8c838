"""Chunks of trades: decoding, into new arrays or into a large read's buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from tradercast import decimal_form
from tradercast.chunks.buffers import TradeBuffers
from tradercast.chunks.columns import ColumnReader
from tradercast.chunks.field_reads import (
    read_aside,
    read_notes,
    read_recv,
    read_times,
    settle_times,
)
from tradercast.chunks.header import ChunkHeader
from tradercast.chunks.opening import open_chunk
from tradercast.chunks.texts import read_texts
from tradercast.chunks.trades import CHANNEL, ID_INT, ID_TEXT
from tradercast.errors import FormatError, UsageError
from tradercast.ids import MAX_ID_BYTES
from tradercast.records import ABSENT, Side, Trades
from tradercast.rows import I64, U8, shifted


@dataclass(frozen=True, slots=True)
class OpenChunk:
    """A chunk whose header is read, and whose columns are not decoded yet.

    Attributes
    ----------
    header : ChunkHeader
    reader : ColumnReader
        Decodes each column once.
    """

    header: ChunkHeader
    reader: ColumnReader

    def into(self, out: TradeBuffers, at: int) -> None:
        """Decode it; parameters and errors as of `decode_trades_into`."""
        _decode(self.header, self.reader, out, at, (out.price_exponent, out.size_exponent))


def open_trades(block: bytes) -> OpenChunk:
    """Read a chunk's header, and where its columns are.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk that this program can read.
    """
    return OpenChunk(*open_chunk(block, CHANNEL))


def decode_trades(block: bytes) -> tuple[ChunkHeader, Trades]:
    """All records of a chunk.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk of trades that this program can read.
    """
    chunk = open_trades(block)
    header = chunk.header
    buffers = TradeBuffers.allocate(
        header.count,
        price_exponent=header.price_exponent,
        size_exponent=header.size_exponent,
        with_recv=header.has_recv,
        with_ids=header.has_ids,
    )
    chunk.into(buffers, 0)
    return header, buffers.trades()


def decode_trades_into(block: bytes, out: TradeBuffers, at: int) -> ChunkHeader:
    """Decode a chunk into rows ``[at, at + count)`` of preallocated columns.

    Parameters
    ----------
    block : bytes
        The chunk.
    out : TradeBuffers
        Its rows hold nothing useful if this raises.
    at : int
        The row of the chunk's first record.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk of trades that this program can read.
    UsageError
        If the buffers have no room for the chunk there.
    """
    chunk = open_trades(block)
    chunk.into(out, at)
    return chunk.header


def decode_neighbours(chunks: Sequence[OpenChunk], out: TradeBuffers, at: int) -> None:
    """Decode chunks without notes, one behind the other from row `at` on.

    Prices and sizes stay in units of each chunk's own exponents.  Much quicker than one by one
    where several threads decode: what is short for one chunk is done for all at once.

    Raises
    ------
    FormatError
        If the bytes of one are broken, or it has notes.
    UsageError
        If the buffers have no room for them there.
    """
    places = []
    end = at
    for chunk in chunks:
        places.append(slice(end, end + chunk.header.count))
        end = places[-1].stop
    _require_room(out, at, end)
    for chunk, rows in zip(chunks, places, strict=True):
        if chunk.header.notes:
            raise FormatError("a chunk of plain trades has notes")
        chunk.reader.into("ts", out.ts_event[rows])
        exponents = (chunk.header.price_exponent, chunk.header.size_exponent)
        _values(chunk.header, chunk.reader, out, rows, exponents)
    settle_times([chunk.header for chunk in chunks], out.ts_event[at:end])
    if any(chunk.reader.count("side") for chunk in chunks):
        for chunk, rows in zip(chunks, places, strict=True):
            _side(chunk.reader, out.side[rows])
    else:
        out.side[at:end] = Side.UNKNOWN
    for chunk, rows in zip(chunks, places, strict=True):
        _optional(chunk.header, chunk.reader, out, rows)


def _decode(
    header: ChunkHeader,
    reader: ColumnReader,
    out: TradeBuffers,
    at: int,
    exponents: tuple[int, int],
) -> None:
    rows = slice(at, at + header.count)
    _require_room(out, at, rows.stop)
    notes = read_notes(reader, header.count)
    read_times(header, reader, out.ts_event[rows], notes)
    _values(header, reader, out, rows, exponents)
    _side(reader, out.side[rows])
    _optional(header, reader, out, rows)
    if len(notes):
        out.notes.append((at, notes))


def _require_room(out: TradeBuffers, at: int, end: int) -> None:
    if not 0 <= at <= end <= len(out):
        raise UsageError(f"{end - at} records do not fit at row {at} of {len(out)}")


def _values(
    header: ChunkHeader,
    reader: ColumnReader,
    out: TradeBuffers,
    rows: slice,
    exponents: tuple[int, int],
) -> None:
    """Prices and sizes."""
    price_escapes = _decimals(reader, "px", header.price_exponent, out.price[rows], exponents[0])
    size_escapes = _decimals(reader, "sz", header.size_exponent, out.size[rows], exponents[1])
    out.price_escapes.update(shifted(price_escapes, rows.start))
    out.size_escapes.update(shifted(size_escapes, rows.start))


def _optional(header: ChunkHeader, reader: ColumnReader, out: TradeBuffers, rows: slice) -> None:
    """Receive times and ids, where there is room for them; the times must be there."""
    if out.ts_recv is not None:
        read_recv(header, reader, out.ts_event[rows], out.ts_recv[rows])
    id_escapes = {} if out.trade_id is None else _ids(reader, out.trade_id[rows])
    reader.finish(*_skipped(out))
    out.id_escapes.update(shifted(id_escapes, rows.start))


def _skipped(out: TradeBuffers) -> list[str]:
    """Prefixes of the columns that the buffers do not take."""
    no_recv = ["recv"] if out.ts_recv is None else []
    return no_recv + (["id"] if out.trade_id is None else [])


def _decimals(
    reader: ColumnReader, name: str, exponent: int, out: I64, wanted: int
) -> dict[int, Decimal]:
    reader.into(name, out)
    escapes: dict[int, Decimal] = {}
    if exponent != wanted:
        escapes = decimal_form.rescale_in_place(out, exponent, wanted)
    aside = read_aside(reader, name, len(out))
    if aside:
        out[list(aside)] = 0
    return escapes | aside


def _side(reader: ColumnReader, out: U8) -> None:
    if not reader.count("side"):
        out[:] = Side.UNKNOWN
        return
    reader.into("side", out)
    if out.max() > max(Side):
        raise FormatError("a side is not 0, 1 or 2")


def _ids(reader: ColumnReader, out: I64) -> dict[int, str]:
    out[:] = ABSENT
    if not reader.count("id_kind"):
        return {}
    kind = np.empty(len(out), np.uint8)
    reader.into("id_kind", kind)
    whole = kind == ID_INT
    count = int(whole.sum())
    if kind.max() > ID_TEXT or count != reader.count("id"):
        raise FormatError("the ids are not as many as the rows that have one")
    if count == len(out):
        reader.into("id", out)
    elif count:
        out[whole] = reader.read("id", np.int64)
    if count and int(out.min()) < (0 if count == len(out) else ABSENT):
        raise FormatError("an id is negative")
    rows = np.flatnonzero(kind == ID_TEXT).tolist()
    texts = read_texts(reader, "id", MAX_ID_BYTES)
    if len(texts) != len(rows):
        raise FormatError(f"{len(texts)} ids stand aside for {len(rows)} rows")
    return dict(zip(rows, texts, strict=True))
