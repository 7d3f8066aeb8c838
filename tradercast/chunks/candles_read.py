"""Chunks of candles: decoding."""

from __future__ import annotations

import numpy as np

from tradercast.candles import Candles
from tradercast.chunks.block import take_int
from tradercast.chunks.candles import CHANNEL
from tradercast.chunks.columns import ColumnReader
from tradercast.chunks.field_reads import read_aside, read_notes, read_present, read_times
from tradercast.chunks.header import MAX_SCALE, ChunkHeader
from tradercast.chunks.opening import open_chunk
from tradercast.decimals import Decimals
from tradercast.errors import FormatError, UsageError
from tradercast.ids import ABSENT
from tradercast.rows import I64


def decode_candles(block: bytes) -> tuple[ChunkHeader, Candles]:
    """The header and all records of a chunk.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk of candles that this program can read.
    """
    header, reader = open_chunk(block, CHANNEL)
    try:
        candles = _decode(header, reader)
    except UsageError as error:
        raise FormatError(f"the chunk's columns do not fit: {error.message:.80}") from None
    reader.finish()
    return header, candles


def _decode(header: ChunkHeader, reader: ColumnReader) -> Candles:
    count = header.count
    notes = read_notes(reader, count)
    times = np.empty(count, np.int64)
    read_times(header, reader, times, notes)
    prices = _prices(reader, count)
    close = prices[3 * count :]
    form = _with_aside(reader, "px", prices, header.price_exponent)
    volume = _with_aside(reader, "vol", _column(reader, "vol", count), header.size_exponent)
    opens, high, low, closes = (form[at : at + count] for at in range(0, 4 * count, count))
    return Candles(
        times,
        opens,
        high,
        low,
        closes,
        volume,
        _quote(header, reader, close * volume.mantissa),
        _counts(reader, count),
        notes,
    )


def _column(reader: ColumnReader, name: str, count: int) -> I64:
    out = np.empty(count, np.int64)
    reader.into(name, out)
    return out


def _prices(reader: ColumnReader, count: int) -> I64:
    """The mantissas of all opens, highs, lows and closes, one column behind the other."""
    columns = {name: _column(reader, name, count) for name in ("op", "cl", "hi", "lo")}
    close = np.cumsum(columns["op"] + columns["cl"])
    opens = close - columns["cl"]
    high = np.maximum(opens, close) + columns["hi"]
    low = np.minimum(opens, close) - columns["lo"]
    return np.concatenate([opens, high, low, close])


def _with_aside(reader: ColumnReader, name: str, mantissa: I64, exponent: int) -> Decimals:
    aside = read_aside(reader, name, len(mantissa))
    if mantissa[list(aside)].any():
        raise FormatError(f"a value of {name!r} stands aside and has a mantissa")
    return Decimals(mantissa, exponent, aside)


def _quote(header: ChunkHeader, reader: ColumnReader, products: I64) -> Decimals | None:
    if not reader.count("qv"):
        return None
    exponents = _column(reader, "qv_exp", 1)
    exponent = take_int(int(exponents[0]), "the quote volume's exponent", -MAX_SCALE, MAX_SCALE)
    mantissa = _column(reader, "qv", header.count)
    if exponent == header.price_exponent + header.size_exponent:
        mantissa += products
    return _with_aside(reader, "qv", mantissa, exponent)


def _counts(reader: ColumnReader, count: int) -> I64 | None:
    if not reader.count("cnt"):
        return None
    present = read_present(reader, "cnt", count)
    values: I64 = reader.read("cnt", np.int64)
    if (values < 0).any():
        raise FormatError("a candle has a negative number of trades")
    if present is None:
        if len(values) != count:
            raise FormatError(f"column 'cnt' has {len(values)} values, not {count}")
        return values
    counts = np.full(count, ABSENT, np.int64)
    counts[present] = values
    return counts
