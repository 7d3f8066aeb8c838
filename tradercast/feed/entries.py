"""Entries of a catalog, one block each: bytes <-> a publisher's or a feed's description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import msgpack

from tradercast.errors import FormatError, TradercastError, UnknownVersionError, UsageError
from tradercast.feeds import FeedId, check_name

VERSION = 1
MAX_ENTRY = 64 * 1024
MAX_SEGMENTS = 256
MAX_TEXT = 1_024
MAIN = "main"
_PUBLISHER = "publisher"
_FEED = "feed"
_MAX_RANK = 2**31 - 1
_MAX_DIGITS = 60
_TEXTS = ("native_symbol", "base", "quote", "type")
_INCREMENTS = ("contract_size", "price_increment", "size_increment")


@dataclass(frozen=True, slots=True)
class PublisherInfo:
    """Who publishes, and under which terms.

    Parameters
    ----------
    name, licence, terms_url : str
        Text for people, at most 1,024 bytes each; the licence as an SPDX id if there is one.
    """

    name: str = ""
    licence: str = ""
    terms_url: str = ""

    def __post_init__(self) -> None:
        for value in (self.name, self.licence, self.terms_url):
            _check_text(value)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a feed that was written as one: its tail and its archive.

    Segments are read in the order of (rank, name), each by its ``seq``.  Nothing is merged:
    where two overlap in time, the records of the earlier segment come first, and all of both
    are returned.

    Parameters
    ----------
    name : str
        Unique within the feed; ``main`` unless told otherwise.
    rank : int
        Its place; ``main`` has 0, history that is loaded later gets a lower one.
    tail_key, archive_key : bytes
        The keys of its two logs (32 bytes).
    """

    name: str
    rank: int
    tail_key: bytes
    archive_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name, "segment")
        if type(self.rank) is not int or abs(self.rank) > _MAX_RANK:
            raise UsageError(f"the rank of segment {self.name} is out of range")
        for key in (self.tail_key, self.archive_key):
            if type(key) is not bytes or len(key) != 32:
                raise UsageError(f"a key of segment {self.name} has not 32 bytes")


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """What the catalog says of a feed.

    Parameters
    ----------
    feed : FeedId
        Its name.
    segments : tuple of Segment
        Its parts, in any order given; kept in reading order, names unique, at most 256.
    native_symbol : str
        The exchange's own spelling, e.g. ``tBTCUSD``.
    base, quote : str
        E.g. ``BTC`` and ``USD``.
    type : str
        ``spot``, ``perpetual``, ``future``, ``option`` or another word; may be empty.
    contract_size, price_increment, size_increment : Decimal, optional
        Exact; `None` where it is not known.
    """

    feed: FeedId
    segments: tuple[Segment, ...]
    native_symbol: str = ""
    base: str = ""
    quote: str = ""
    type: str = ""
    contract_size: Decimal | None = None
    price_increment: Decimal | None = None
    size_increment: Decimal | None = None

    def __post_init__(self) -> None:
        names = {segment.name for segment in self.segments}
        if len(names) != len(self.segments) or not 1 <= len(names) <= MAX_SEGMENTS:
            raise UsageError(f"{self.feed} has no segment, too many, or two of one name")
        ordered = tuple(sorted(self.segments, key=lambda segment: (segment.rank, segment.name)))
        object.__setattr__(self, "segments", ordered)
        for value in (self.native_symbol, self.base, self.quote, self.type):
            _check_text(value)
        for name in _INCREMENTS:
            value = getattr(self, name)
            if value is not None:
                _decimal_text(value)

    def by_name(self, name: str) -> Segment:
        """The segment of this name.

        Raises
        ------
        UsageError
            If there is none.
        """
        for segment in self.segments:
            if segment.name == name:
                return segment
        names = ", ".join(segment.name for segment in self.segments)
        raise UsageError(f"{self.feed} has no segment {name!r}", hint=f"it has: {names}")


def with_segment(
    held: FeedEntry | None,
    feed: FeedId,
    name: str,
    tail_key: bytes,
    archive_key: bytes,
    **details: Any,
) -> FeedEntry:
    """The entry of a feed with this segment in it.

    ``main`` has rank 0; any other segment that is new is earlier history and comes before
    all that is there.

    Parameters
    ----------
    held : FeedEntry or None
        The entry so far.
    feed, name, tail_key, archive_key
        The feed and the segment.
    **details
        Other fields of `FeedEntry` to set.

    Raises
    ------
    UsageError
        If a segment of this name has other logs.
    """
    segments = held.segments if held else ()
    same = [segment for segment in segments if segment.name == name]
    if same and (same[0].tail_key, same[0].archive_key) != (tail_key, archive_key):
        raise UsageError(f"segment {name!r} of {feed} belongs to another identity")
    if not same:
        rank = 0 if name == MAIN else min([0, *(segment.rank for segment in segments)]) - 1
        segments = (*segments, Segment(name, rank, tail_key, archive_key))
    if held is None:
        return FeedEntry(feed, segments, **details)
    return replace(held, segments=segments, **details)


Entry: TypeAlias = PublisherInfo | FeedEntry


def encode_entry(entry: Entry) -> bytes:
    """The block of an entry; equal entries give equal bytes.

    Raises
    ------
    UsageError
        If it is larger than 64 KiB.
    """
    if isinstance(entry, PublisherInfo):
        kind, fields = _PUBLISHER, _publisher_fields(entry)
    else:
        kind, fields = _FEED, _feed_fields(entry)
    block: bytes = msgpack.packb([VERSION, kind, dict(sorted(fields.items()))])
    if len(block) > MAX_ENTRY:
        raise UsageError(f"the catalog entry is larger than {MAX_ENTRY} bytes")
    return block


def decode_entry(block: bytes) -> Entry:
    """Read a block of anyone's catalog.  Fields that are not known are ignored.

    Raises
    ------
    UnknownVersionError
        If it is an entry of a newer version or of a kind that is not known; skip it.
    FormatError
        If it is no entry.
    """
    if len(block) > MAX_ENTRY:
        raise FormatError(f"the catalog entry is larger than {MAX_ENTRY} bytes")
    version, kind, fields = _unpacked(block)
    if version != VERSION:
        raise UnknownVersionError(f"the catalog entry has version {version}, not {VERSION}")
    try:
        if kind == _PUBLISHER:
            return _publisher(fields)
        if kind == _FEED:
            return _feed(fields)
    except (TradercastError, ValueError, TypeError, LookupError, InvalidOperation) as error:
        raise FormatError(f"the catalog entry is not readable: {error}") from None
    raise UnknownVersionError(f"the catalog entry is of the unknown kind {kind[:40]!r}")


def _publisher_fields(info: PublisherInfo) -> dict[str, Any]:
    return {"name": info.name, "licence": info.licence, "terms_url": info.terms_url}


def _publisher(fields: Mapping[str, Any]) -> PublisherInfo:
    names = ("name", "licence", "terms_url")
    return PublisherInfo(*(fields.get(name, "") for name in names))


def _feed_fields(entry: FeedEntry) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "feed": str(entry.feed),
        "native_symbol": entry.native_symbol,
        "base": entry.base,
        "quote": entry.quote,
        "type": entry.type,
        "segments": [[s.name, s.rank, s.tail_key, s.archive_key] for s in entry.segments],
    }
    for name in _INCREMENTS:
        value = getattr(entry, name)
        fields[name] = None if value is None else _decimal_text(value)
    return fields


def _feed(fields: Mapping[str, Any]) -> FeedEntry:
    # A later program may say more of a segment: what comes after the four is ignored.
    segments = tuple(Segment(*values[:4]) for values in fields["segments"])
    others: dict[str, Any] = {}
    for name in _INCREMENTS:
        text = fields.get(name)
        others[name] = None if text is None else _decimal(text)
    for name in _TEXTS:
        others[name] = fields.get(name, "")
    _check_text(fields["feed"])
    return FeedEntry(FeedId.parse(fields["feed"]), segments, **others)


def _unpacked(block: bytes) -> tuple[int, str, Mapping[str, Any]]:
    try:
        values = msgpack.unpackb(block, max_array_len=MAX_SEGMENTS, max_map_len=64, max_ext_len=0)
    except (ValueError, TypeError, msgpack.UnpackException):
        raise FormatError("the bytes are not a catalog entry") from None
    # Only the first value is sure in every version.
    if not isinstance(values, list) or not values or type(values[0]) is not int:
        raise FormatError("the bytes are not a catalog entry")
    if values[0] != VERSION:
        return values[0], "", {}
    kinds = tuple(type(value) for value in values)
    if kinds != (int, str, dict):
        raise FormatError("the bytes are not a catalog entry")
    return values[0], values[1], values[2]


def _check_text(value: object) -> None:
    if type(value) is not str or len(value.encode("utf-8", "replace")) > MAX_TEXT:
        raise UsageError(f"a text of the catalog is longer than {MAX_TEXT} bytes or no text")
    if not value.isprintable():
        raise UsageError("a text of the catalog holds characters that can not be printed")


def _decimal(text: object) -> Decimal:
    if type(text) is not str or len(text) > _MAX_DIGITS + 2:
        raise UsageError("a number of the catalog is not a text of digits")
    return Decimal(text)


def _decimal_text(value: Decimal) -> str:
    if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
        raise UsageError("a size or increment of the catalog is not a positive decimal")
    if abs(value.adjusted()) > _MAX_DIGITS:
        raise UsageError("a size or increment of the catalog has too many digits")
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if len(text) > _MAX_DIGITS:
        raise UsageError("a size or increment of the catalog has too many digits")
    return text
