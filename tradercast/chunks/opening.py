"""A chunk's header, checked, and where its columns are: the same for all channels."""

from __future__ import annotations

from collections.abc import Mapping

from tradercast.chunks import book, candles, trades
from tradercast.chunks.block import CHUNK, unpack_block
from tradercast.chunks.columns import ColumnReader, Layout
from tradercast.chunks.header import ChunkHeader
from tradercast.errors import FormatError

LAYOUTS: Mapping[str, Layout] = {
    trades.CHANNEL: trades.LAYOUT,
    book.CHANNEL: book.LAYOUT,
    candles.CHANNEL: candles.LAYOUT,
}


def open_chunk(block: bytes, channel: str | None = None) -> tuple[ChunkHeader, ColumnReader]:
    """Read a chunk's header, and where its columns are.

    Parameters
    ----------
    block : bytes
        The chunk.
    channel : str, optional
        Refuse those of another one.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk that this program can read.
    """
    fields, start = unpack_block(block, CHUNK)
    header = ChunkHeader.from_map(fields)
    name = header.feed.channel
    if name not in LAYOUTS or channel not in (None, name):
        wanted = channel or "of a channel that is known"
        raise FormatError(f"the block holds records of {header.feed}, not {wanted}")
    reader = ColumnReader(block, start, fields["cols"], LAYOUTS[name])
    if header.notes > header.count:
        raise FormatError(f"{header.notes} notes are about {header.count} records")
    if header.key and "k_px" not in LAYOUTS[name]:
        raise FormatError(f"a chunk of {name} has no keyframe")
    if header.key and header.key.bids + header.key.asks != reader.count("k_px"):
        raise FormatError("the keyframe has not as many levels as it says")
    return header, reader


def decode_header(block: bytes) -> ChunkHeader:
    """What a chunk says about itself; its columns are not touched.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not a chunk that this program can read.
    """
    return open_chunk(block)[0]
