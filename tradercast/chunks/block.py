"""The frame of every block: magic, version, kind, a canonical msgpack header, sections."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgpack
import pcodec

from tradercast.errors import BadNameError, EncodeError, FormatError, UnknownVersionError
from tradercast.feeds import FeedId

VERSION = 1
ENCODER = "pco-1.1.0"
MAX_BLOCK = 1 << 20
MAX_RECORDS = 65_536
MAX_HEADER = (1 << 16) - 1
CHUNK = b"c"
INDEX = b"i"

_MAGIC = b"TC"
_PREFIX = 6  # magic, version, kind, u16 header length

Header = dict[str, Any]
Keys = tuple[str, ...]


def require_encoder() -> None:
    """Refuse to encode with a pcodec that may write other bytes than the format states.

    Raises
    ------
    EncodeError
        If the installed pcodec is not the one that `ENCODER` names.
    """
    installed = f"pco-{pcodec.__version__}"
    if installed != ENCODER:
        raise EncodeError(
            f"blocks are written with {ENCODER}, but {installed} is installed",
            hint=f"pip install pcodec=={ENCODER.removeprefix('pco-')}",
        )


def pack_block(kind: bytes, header: Header, sections: list[bytes]) -> bytes:
    """One block from its parts; `header` is written in the order of its keys.

    Raises
    ------
    EncodeError
        If the header is longer than a block's header may be.
    """
    packed = msgpack.packb(header, use_bin_type=True)
    if len(packed) > MAX_HEADER:
        raise EncodeError(f"a block header of {len(packed)} bytes is over {MAX_HEADER}")
    prefix = _MAGIC + bytes([VERSION]) + kind + len(packed).to_bytes(2, "little")
    return b"".join((prefix, packed, *sections))


def require_room(block: bytes, first_seq: int, count: int) -> None:
    """Raise `EncodeError` if a block of these records is too large to be one."""
    if len(block) > MAX_BLOCK:
        raise EncodeError(
            f"records {first_seq} to {first_seq + count - 1} take {len(block)} bytes, "
            f"over {MAX_BLOCK}",
            hint="encode fewer records at once",
        )


def unpack_block(block: bytes, kind: bytes) -> tuple[Header, int]:
    """The header of a block, checked to be canonical, and where the sections begin.

    Raises
    ------
    UnknownVersionError
        If the block is of a newer format or from an unknown encoder.
    FormatError
        If it is not a block of this kind.
    """
    if len(block) < _PREFIX or block[:2] != _MAGIC:
        raise FormatError("the bytes are not a block of Tradercast")
    if block[2] != VERSION:
        raise UnknownVersionError(
            f"the block has format version {block[2]}, this program reads {VERSION}",
            hint="upgrade tradercast",
        )
    if block[3:4] != kind:
        raise FormatError(f"the block is of kind {block[3:4]!r}, not {kind!r}")
    if len(block) > MAX_BLOCK:
        raise FormatError(f"a block of {len(block)} bytes is over {MAX_BLOCK}")
    start = _PREFIX + int.from_bytes(block[4:6], "little")
    if start > len(block):
        raise FormatError("the block ends within its header")
    header = _unpack_header(bytes(block[_PREFIX:start]))
    encoder = header.get("enc")
    if encoder != ENCODER:
        shown = repr(encoder)[:60]
        raise UnknownVersionError(f"the block's encoder {shown} is not known", hint="upgrade")
    return header, start


def _unpack_header(packed: bytes) -> Header:
    try:
        header = msgpack.unpackb(packed, raw=False, strict_map_key=True)
        canonical = msgpack.packb(header, use_bin_type=True) == packed
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise FormatError(f"the block's header can not be read: {error!s:.80}") from None
    if not isinstance(header, dict) or not canonical:
        raise FormatError("the block's header is not a canonical map")
    return header


def check_keys(header: Header, first: Keys, optional: Keys, last: Keys) -> None:
    """Refuse a header without exactly the known keys in the stated order.

    Raises
    ------
    FormatError
        If one is missing, unknown, or out of its place.
    """
    expected = [*first, *(key for key in optional if key in header), *last]
    if list(header) != expected:
        raise FormatError(f"the block's header has the keys {list(header)!r:.120}")


def take_int(value: object, what: str, low: int, high: int) -> int:
    """`value` if it is an integer in ``[low, high]``.

    Raises
    ------
    FormatError
        If it is not.
    """
    if type(value) is not int or not low <= value <= high:
        raise FormatError(f"{what} is {value!r:.40}, not an integer from {low} to {high}")
    return value


def take_list(value: object, what: str, length: int) -> list[Any]:
    """`value` if it is a list of `length` entries.

    Raises
    ------
    FormatError
        If it is not.
    """
    if not isinstance(value, list) or len(value) != length:
        raise FormatError(f"{what} is {value!r:.60}, not a list of {length}")
    return value


_parse_feed = lru_cache(FeedId.parse)  # the same name in every block of a log


def take_feed(value: object) -> FeedId:
    """The feed that `value` names.

    Raises
    ------
    FormatError
        If it names none.
    """
    try:
        if isinstance(value, str) and value.count("/") == 2:
            return _parse_feed(value)
    except BadNameError:
        pass
    raise FormatError(f"{value!r:.80} is not a feed")
