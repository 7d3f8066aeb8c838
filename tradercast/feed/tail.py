"""The part of a segment that its archive does not hold yet."""

from __future__ import annotations

from dataclasses import dataclass

from tradercast.chunks import ChunkHeader, TailInfo, decode_header
from tradercast.errors import FormatError, IncompleteError
from tradercast.log import Core
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS

KEEP_TAIL = 1_024
"""Sealed tail blocks that stay, so that followers seldom need the archive."""

_MAX_STEPS_BACK = 64
_EMPTY_BYTES = 200  # of a block without records, about


@dataclass(frozen=True, slots=True)
class TailPart:
    """The tail blocks that carry the records behind the archive's end.

    Attributes
    ----------
    start_block, end_block : int
        Half-open range of tail blocks.  The first may hold records of the archive too.
    first_seq, end_seq : int
        Half-open range of the records that only the tail has.
    min_ns, max_ns : int
        Bounds of the records' times; the whole of time where they are not known.
    bytes : int
        An estimate of the blocks' bytes: unlike the archive, the tail has no index.
    """

    start_block: int
    end_block: int
    first_seq: int
    end_seq: int
    min_ns: int
    max_ns: int
    bytes: int

    @property
    def count(self) -> int:
        """Number of records."""
        return self.end_seq - self.first_seq


async def locate_tail(
    core: Core, length: int, archive_end_seq: int, *, wait: bool, stall_s: float
) -> TailPart | None:
    """Find the tail blocks behind `archive_end_seq`, or None if there are none.

    The newest block names the block where the unsealed run began, so one small block is
    enough as long as the archive is up to date; otherwise it goes back run by run.

    Parameters
    ----------
    core : Core
        The tail.
    length : int
        Its length; block ``length - 1`` has to be had.
    archive_end_seq : int
        Records before it are in the archive.
    wait : bool
        Fetch blocks from peers; otherwise only those that are held are looked at.
    stall_s : float
        How long to wait for peers without any progress.

    Raises
    ------
    IncompleteError
        If the archive is so far behind that the tail can not bridge the distance.
    """
    if length == 0:
        return None
    data = await _block(core, length - 1, wait, stall_s)
    newest = decode_header(data)
    if newest.end_seq <= archive_end_seq:
        return None
    info = _tail_info(newest)
    count = newest.end_seq - archive_end_seq
    a_record = max(0, len(data) - _EMPTY_BYTES) / newest.count

    def part(block: int, min_ns: int = MIN_TIME_NS, max_ns: int = MAX_TIME_NS) -> TailPart:
        size = int(count * a_record) + (length - block) * _EMPTY_BYTES
        return TailPart(block, length, archive_end_seq, newest.end_seq, min_ns, max_ns, size)

    if info.open_seq <= archive_end_seq:
        return part(info.open_block, info.open_min_ns, info.open_max_ns)
    if not wait:
        block = await _first_held(core, length, archive_end_seq)
        return part(block)
    block = info.open_block
    for _ in range(_MAX_STEPS_BACK):
        header = await _header(core, block, wait, stall_s)
        if header.first_seq <= archive_end_seq:
            return part(block)
        if block == 0:
            break
        block = _tail_info(await _header(core, block - 1, wait, stall_s)).open_block
    raise IncompleteError(
        f"records {archive_end_seq} to {newest.end_seq} are sealed, but their chunks are not here",
        hint="run the sync again; the archive follows its tail within seconds",
    )


async def _first_held(core: Core, length: int, after_seq: int) -> int:
    """The first held block of those behind record `after_seq`; there is one."""
    ranges = await core.held(0, length)
    blocks = [block for start, end in ranges for block in range(start, end)]
    low, high = 0, len(blocks) - 1
    while low < high:
        middle = (low + high) // 2
        header = await _header(core, blocks[middle], wait=False, stall_s=0)
        low, high = (low, middle) if header.end_seq > after_seq else (middle + 1, high)
    return blocks[low]


async def _header(core: Core, block: int, wait: bool, stall_s: float) -> ChunkHeader:
    return decode_header(await _block(core, block, wait, stall_s))


async def _block(core: Core, block: int, wait: bool, stall_s: float) -> bytes:
    data = await core.get(block, wait=wait, stall_s=stall_s)
    if data is None:
        raise IncompleteError(
            f"tail block {block} is not held here", hint="connect to a peer that has it"
        )
    return data


def _tail_info(header: ChunkHeader) -> TailInfo:
    if header.tail is None:
        raise FormatError("a tail block does not say where its run began")
    return header.tail
