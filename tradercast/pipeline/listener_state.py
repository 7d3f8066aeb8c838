"""Where a listener is: what of MongoDB has become messages, and their numbers.  One record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgpack

from tradercast.errors import FormatError, TradercastError, UnknownVersionError
from tradercast.feeds import FeedId

VERSION = 2
_WITHOUT_BOOKS = 1  # of earlier programs, which can still read it
ClusterTime: TypeAlias = tuple[int, int]  # seconds, and the count within the second
BEGINNING: ClusterTime = (0, 0)


@dataclass(frozen=True, slots=True)
class Scan:
    """Collections being read as they are, one after the other, by ``_id``.

    Attributes
    ----------
    since : ClusterTime
        The change stream begins here once the scan is over.
    remaining : tuple of str
        Collections that are not finished; the first is being read.
    last_id : bytes or None
        BSON of the last document that was taken of it.
    rescan : bool
        What it finds may be in the feeds already.
    """

    since: ClusterTime
    remaining: tuple[str, ...]
    last_id: bytes | None = None
    rescan: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """A place in MongoDB's history.

    Attributes
    ----------
    collections : tuple of str
        What is listened to, sorted.
    scan : Scan or None
        Under way.
    token : bytes or None
        BSON of the change stream's resume token; None begins at `at`.
    at : ClusterTime
        Of the last change that was taken.
    repeats_until : ClusterTime
        Changes up to here may be in the feeds already.
    """

    collections: tuple[str, ...] = ()
    scan: Scan | None = None
    token: bytes | None = None
    at: ClusterTime = BEGINNING
    repeats_until: ClusterTime = BEGINNING


@dataclass(frozen=True, slots=True)
class BookPlace:
    """The last document of a book that was taken.

    Attributes
    ----------
    number : int
        Its own.
    ts_event : int
        ns UTC.
    last_id : int
        Its number at the exchange, `ABSENT` if it has none.
    """

    number: int
    ts_event: int
    last_id: int


@dataclass(frozen=True, slots=True)
class ListenerState:
    """All that a listener has to know to go on.

    Attributes
    ----------
    position : Position
    numbers : mapping of FeedId to int
        The number of each feed's next message.
    books : mapping of FeedId to BookPlace
        How far each book is.
    """

    position: Position = field(default_factory=Position)
    numbers: Mapping[FeedId, int] = field(default_factory=dict)
    books: Mapping[FeedId, BookPlace] = field(default_factory=dict)


def encode_state(state: ListenerState) -> bytes:
    """The bytes of a state."""
    at = state.position
    scan = at.scan
    books = {
        str(feed): [place.number, place.ts_event, place.last_id]
        for feed, place in state.books.items()
    }
    packed: bytes = msgpack.packb(
        [
            VERSION if books else _WITHOUT_BOOKS,
            list(at.collections),
            scan and [list(scan.since), list(scan.remaining), scan.last_id, scan.rescan],
            at.token,
            list(at.at),
            list(at.repeats_until),
            {str(feed): number for feed, number in state.numbers.items()},
            *([books] if books else ()),
        ]
    )
    return packed


def decode_state(data: bytes) -> ListenerState:
    """Read what `encode_state` wrote.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are no state that this program can read.
    """
    try:
        values = msgpack.unpackb(data, max_ext_len=0)
        version, *rest = values
        if type(version) is int and version > VERSION:
            raise UnknownVersionError(f"a state of version {version} is newer than this program")
        collections, scan, token, at, repeats_until, numbers, *more = rest
        [books] = more if version == VERSION else [{}, *more]
        return ListenerState(
            Position(
                _names(collections),
                None if scan is None else _scan(scan),
                _optional_bytes(token),
                _time(at),
                _time(repeats_until),
            ),
            {FeedId.parse(feed): _number(number) for feed, number in numbers.items()},
            {FeedId.parse(feed): _place(place) for feed, place in books.items()},
        )
    except FormatError:
        raise
    except (ValueError, TypeError, AttributeError, msgpack.UnpackException) as error:
        raise FormatError(f"the bytes are not a listener's state: {error}") from None
    except TradercastError as error:
        raise FormatError(f"the bytes are not a listener's state: {error.message}") from None


def _scan(values: Any) -> Scan:
    since, remaining, last_id, rescan = values
    if type(rescan) is not bool or not remaining:
        raise FormatError("a scan is malformed")
    return Scan(_time(since), _names(remaining), _optional_bytes(last_id), rescan)


def _place(values: Any) -> BookPlace:
    number, ts_event, last_id = values
    if type(ts_event) is not int or type(last_id) is not int:
        raise FormatError("a place in a book is malformed")
    return BookPlace(_number(number), ts_event, last_id)


def _names(values: Any) -> tuple[str, ...]:
    if type(values) is not list or any(type(each) is not str for each in values):
        raise FormatError("collections are malformed")
    return tuple(values)


def _optional_bytes(value: Any) -> bytes | None:
    if value is not None and type(value) is not bytes:
        raise FormatError("a token or an id is malformed")
    return value


def _time(value: Any) -> ClusterTime:
    seconds, count = value
    return _number(seconds), _number(count)


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise FormatError("a number is malformed")
    return value
