"""From a block to what a range has of it: decode, check, correct, filter."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TypeVar

import numpy as np

from tradercast.chunks import ChunkHeader
from tradercast.errors import FormatError
from tradercast.feed.archive import ChunkRef
from tradercast.feed.channel import TRADES, Channel
from tradercast.feed.fixes import Fixes, settle
from tradercast.feed.piece import Piece
from tradercast.records import Gap
from tradercast.timerange import TimeRange

T = TypeVar("T")


def decode_piece(
    data: bytes,
    ref: ChunkRef | None,
    first_seq: int,
    end_seq: int,
    fixes: Fixes,
    time_range: TimeRange,
    channel: Channel = TRADES,
    keep_gaps: bool = False,
) -> tuple[Piece, list[Gap]]:
    """What a block has for the range: its records ``[first_seq, end_seq)``, corrected and filtered.

    Raises
    ------
    FormatError
        If it is no chunk of the channel, or not the one of `ref`.
    """
    header, records = channel.decode(data)
    check_header(header, ref)
    if (first_seq, end_seq) != (header.first_seq, header.end_seq):
        records = records[first_seq - header.first_seq : end_seq - header.first_seq]
    inside = time_range.start_ns <= header.min_ns and header.max_ns < time_range.end_ns
    if inside and not header.notes and not fixes.touch(first_seq, end_seq):
        return Piece(records, [range(first_seq, end_seq)]), []
    seq = np.arange(first_seq, end_seq, dtype=np.int64)
    records, seq, gaps = settle(records, seq, fixes, time_range, keep_gaps=keep_gaps)
    return Piece(records, seq), gaps


def check_header(header: ChunkHeader, ref: ChunkRef | None) -> None:
    """Refuse a chunk that is not the one its index promised.

    Raises
    ------
    FormatError
        If its records or their number of notes differ.
    """
    if ref is None:
        return
    if (header.first_seq, header.count) != (ref.first_seq, ref.count):
        raise FormatError(
            f"chunk {ref.number} holds records {header.first_seq} to {header.end_seq}, "
            f"its index says {ref.first_seq} to {ref.end_seq}"
        )
    if header.notes != ref.notes:
        raise FormatError(
            f"chunk {ref.number} holds {header.notes} corrections and gaps, "
            f"its index says {ref.notes}"
        )


async def result_of(decoded: Future[T]) -> T:
    """What a thread has decoded, or will have.

    To be woken by a thread costs a tenth of a chunk; most are done when they are asked.
    """
    return decoded.result() if decoded.done() else await asyncio.wrap_future(decoded)
