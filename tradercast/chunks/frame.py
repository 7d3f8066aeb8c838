"""What every chunk says, whatever its records are: checks, the times, the header."""

from __future__ import annotations

from typing import Any, Protocol, Required, TypedDict

from tradercast.chunks.block import CHUNK, pack_block, require_encoder
from tradercast.chunks.columns import ColumnWriter
from tradercast.chunks.fields import check_frame, check_running, refuse
from tradercast.chunks.header import ChunkHeader, TailInfo
from tradercast.chunks.units import in_unit
from tradercast.feeds import FeedId
from tradercast.notes import NO_TIME
from tradercast.rows import I64


class Frame(TypedDict, total=False):
    """What a chunk is told besides its records.

    Attributes
    ----------
    feed : FeedId
        A feed of the records' channel.
    first_seq : int
        The number of the first record.
    running_max_ns : int
        The largest time (see `Trades.times`) of the segment, these records included.
    chain : bytes
        The hash of all records up to the end of these, or empty.
    tail : TailInfo, optional
        In tail blocks only.
    message : int, optional
        The number of the source's message that these records came in.
    """

    feed: Required[FeedId]
    first_seq: Required[int]
    running_max_ns: Required[int]
    chain: bytes
    tail: TailInfo | None
    message: int | None


class Run(Protocol):
    """Records of any channel."""

    @property
    def ts_event(self) -> I64:
        """Their times."""

    def span(self) -> tuple[int, int]:
        """The smallest and the largest of them."""

    def __len__(self) -> int: ...


def begin_chunk(records: Run, channel: str, frame: Frame) -> tuple[ColumnWriter, int]:
    """Columns with the times in them, and the power of ten of their unit.

    Raises
    ------
    EncodeError
        If no chunk of `channel` can say this, or the installed pcodec is not the format's.
    """
    require_encoder()
    times, chain = records.ts_event, frame.get("chain", b"")
    check_frame(frame["feed"], channel, len(records), frame["first_seq"], chain)
    lowest, highest = records.span()
    if lowest == NO_TIME:
        refuse(times == NO_TIME, "has no ts_event in int64", frame["first_seq"])
    check_running(frame["running_max_ns"], highest)
    writer = ColumnWriter()
    unit, counts = in_unit(times)
    writer.add("ts", counts, delta=1)
    return writer, unit


def finish_chunk(writer: ColumnWriter, records: Run, frame: Frame, **details: Any) -> bytes:
    """The block of all columns; `details` are those of `ChunkHeader` that the channel knows."""
    low, high = records.span()
    header = ChunkHeader(count=len(records), min_ns=low, max_ns=high, **frame, **details)
    return pack_block(CHUNK, header.to_map(writer.entries), writer.sections)
