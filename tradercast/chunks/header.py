"""What a chunk says about itself before its columns are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tradercast.chunks.block import (
    ENCODER,
    MAX_RECORDS,
    VERSION,
    Header,
    check_keys,
    take_feed,
    take_int,
    take_list,
)
from tradercast.errors import FormatError
from tradercast.feeds import FeedId
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS

MAX_SEQ = 2**62
MAX_KEYFRAME = 1 << 18  # levels of a whole book
MAX_SCALE = 128  # of exponents, either way
CHAIN_BYTES = 16
_REQUIRED = ("enc", "feed", "n", "seq", "t")
_OPTIONAL = ("chain", "tail", "msg", "key")
_LAST = ("exp", "unit", "cols")


@dataclass(frozen=True, slots=True)
class TailInfo:
    """What the newest tail block says about all records since the last cut.

    Parameters
    ----------
    open_seq : int
        The first record that is not in a finished chunk yet.
    open_block : int
        The tail block that holds it.
    open_min_ns, open_max_ns : int
        Minimum and maximum time of the records from there to the end of this block.
    """

    open_seq: int
    open_block: int
    open_min_ns: int
    open_max_ns: int


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a chunk of a book says about the book that it begins with.

    Parameters
    ----------
    valid : bool
        Whether it is the exchange's book; see `Keyframe`.
    bids, asks : int
        Numbers of levels.
    """

    valid: bool
    bids: int
    asks: int


@dataclass(frozen=True, slots=True)
class ChunkHeader:
    """The header of a chunk.

    Attributes
    ----------
    feed : FeedId
    count, first_seq, end_seq : int
        The chunk holds the records ``[first_seq, end_seq)`` of its segment.
    min_ns, max_ns : int
        Over ``ts_event`` and the notes' ``ref_ts``, inclusive.
    running_max_ns : int
        The largest time of the segment up to and including this chunk.
    chain : bytes
        16 bytes, the hash of all records up to here (see `extend_chain`), or empty.
    price_exponent, size_exponent : int
        Of the mantissas.
    tail : TailInfo or None
    message : int or None
        The number of the source's message that the records came in.
    key : KeyInfo or None
        In archive chunks of books only.
    time_unit, recv_unit : int
        Times are stored in units of ``10**unit`` ns.
    notes : int
        How many of the records are no plain trades; of a decoded header.
    columns : frozenset of str
        Names of the columns that there are; of a decoded header.
    encoder : str
    version : int
    """

    feed: FeedId
    count: int
    first_seq: int
    min_ns: int
    max_ns: int
    running_max_ns: int
    chain: bytes = b""
    price_exponent: int = 0
    size_exponent: int = 0
    tail: TailInfo | None = None
    message: int | None = None
    key: KeyInfo | None = None
    time_unit: int = 0
    recv_unit: int = 0
    notes: int = 0
    columns: frozenset[str] = frozenset()
    encoder: str = ENCODER
    version: int = VERSION

    @property
    def end_seq(self) -> int:
        """The number of the record after the last one."""
        return self.first_seq + self.count

    @property
    def has_recv(self) -> bool:
        """Whether any record has a receive time."""
        return any(name.startswith("recv") for name in self.columns)

    @property
    def has_ids(self) -> bool:
        """Whether any record has an id."""
        return any(name.startswith("id") for name in self.columns)

    def to_map(self, columns: dict[str, list[int]]) -> Header:
        """The msgpack map of this header, in the order of the format."""
        header: Header = {
            "enc": self.encoder,
            "feed": str(self.feed),
            "n": self.count,
            "seq": self.first_seq,
            "t": [self.min_ns, self.max_ns, self.running_max_ns],
        }
        if self.chain:
            header["chain"] = self.chain
        if self.tail is not None:
            tail = self.tail
            header["tail"] = [tail.open_seq, tail.open_block, tail.open_min_ns, tail.open_max_ns]
        if self.message is not None:
            header["msg"] = self.message
        if self.key is not None:
            header["key"] = [int(self.key.valid), self.key.bids, self.key.asks]
        header["exp"] = [self.price_exponent, self.size_exponent]
        header["unit"] = [self.time_unit, self.recv_unit]
        header["cols"] = columns
        return header

    @classmethod
    def from_map(cls, header: Header) -> ChunkHeader:
        """Check and take over a map from a block; its columns are for `ColumnReader` to check.

        Raises
        ------
        FormatError
            If a field is missing, unknown or out of range.
        """
        check_keys(header, _REQUIRED, _OPTIONAL, _LAST)
        low, high, running = (_time(t) for t in take_list(header["t"], "the time span", 3))
        if not low <= high <= running:
            raise FormatError("the chunk's times are not minimum, maximum, running maximum")
        chain = header.get("chain", b"")
        if "chain" in header and (not isinstance(chain, bytes) or len(chain) != CHAIN_BYTES):
            raise FormatError(f"the chunk's chain hash is {chain!r:.60}")
        scales = take_list(header["exp"], "the exponents", 2)
        price, size = (take_int(e, "an exponent", -MAX_SCALE, MAX_SCALE) for e in scales)
        columns = header["cols"]
        if not isinstance(columns, dict):
            raise FormatError("the block's list of columns is not a map")
        units = take_list(header["unit"], "the time units", 2)
        time_unit, recv_unit = (take_int(unit, "a time unit", 0, 9) for unit in units)
        return cls(
            feed=take_feed(header["feed"]),
            count=take_int(header["n"], "the count", 1, MAX_RECORDS),
            first_seq=take_int(header["seq"], "the first seq", 0, MAX_SEQ),
            min_ns=low,
            max_ns=high,
            running_max_ns=running,
            chain=chain,
            price_exponent=price,
            size_exponent=size,
            tail=_tail(header["tail"]) if "tail" in header else None,
            message=take_int(header["msg"], "the message", 0, MAX_SEQ) if "msg" in header else None,
            key=_key(header["key"]) if "key" in header else None,
            time_unit=time_unit,
            recv_unit=recv_unit,
            notes=_notes(columns),
            columns=frozenset(columns),
            encoder=header["enc"],
        )


def _notes(columns: dict[str, Any]) -> int:
    entry = columns.get("note_row")
    count: int = entry[0] if isinstance(entry, list) and entry else 0
    return count


def _time(value: object) -> int:
    return take_int(value, "a time", MIN_TIME_NS, MAX_TIME_NS)


def _tail(value: object) -> TailInfo:
    seq, block, low, high = take_list(value, "the tail's state", 4)
    if _time(low) > _time(high):
        raise FormatError("the tail's minimum time is after its maximum")
    return TailInfo(
        take_int(seq, "the open seq", 0, MAX_SEQ),
        take_int(block, "the open block", 0, MAX_SEQ),
        low,
        high,
    )


def _key(value: object) -> KeyInfo:
    valid, bids, asks = take_list(value, "the keyframe", 3)
    return KeyInfo(
        take_int(valid, "the keyframe's validity", 0, 1) == 1,
        take_int(bids, "the number of bids", 0, MAX_KEYFRAME),
        take_int(asks, "the number of asks", 0, MAX_KEYFRAME),
    )
