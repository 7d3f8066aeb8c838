"""Inserts of a change stream, read from their bytes into columns.  Pure.

Documents of one program are laid out alike: the same names, types and lengths in the same places.
So one of them is decoded and looked through; all others whose bytes are the same but for the
values themselves must decode to the same, with other values, and these are cut out of all of them
at once.  Where anything else is met, nothing is read in this way.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, overload

import bson
import numpy as np
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tradercast.pipeline.documents import FIELDS, Columnar, Document
from tradercast.rows import U8

_Decoder = CodecOptions[dict[str, Any]]
_MOST_LAYOUTS = 64
_SMALLEST = 5
_DOUBLE, _TEXT, _OBJECT, _INT32, _INT64 = 0x01, 0x02, 0x03, 0x10, 0x12
_SIZES = {_DOUBLE: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, _INT32: 4, 0x11: 8, _INT64: 8, 0x13: 16}
_COUNTED = {_TEXT: 4, _OBJECT: 0, 0x04: 0, 0x05: 5}
# Any bytes of these make a value; the others have to be the same everywhere.
_FREE = frozenset((_DOUBLE, 0x07, 0x09, _INT32, 0x11, _INT64))
_NUMBERS = {_DOUBLE: "<f8", _INT32: "<i4", _INT64: "<i8"}
_I32 = struct.Struct("<i")


class Inserts(Columnar):
    """The events of inserts into one collection; each is decoded when it is asked for.

    Attributes
    ----------
    collection : str
        ``database.collection``.
    """

    def __init__(
        self,
        raw: bytes,
        starts: NDArray[np.int64],
        collection: str,
        columns: dict[str, list[Any]],
        codec: _Decoder,
        part: str | None = None,
    ) -> None:
        self.collection = collection
        self.columns = columns
        self._raw = raw
        self._starts = starts
        self._codec = codec
        self._part = part

    @property
    def documents(self) -> Inserts:
        """What was inserted."""
        found = self._raw, self._starts, self.collection, self.columns, self._codec
        return Inserts(*found, "fullDocument")

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, at: int) -> Document: ...
    @overload
    def __getitem__(self, at: slice) -> list[Document]: ...
    def __getitem__(self, at: int | slice) -> Document | list[Document]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        start = int(self._starts[at])
        size = _I32.unpack_from(self._raw, start)[0]
        found = bson.decode(self._raw[start : start + size], self._codec)
        inner: Document = found if self._part is None else found[self._part]
        return inner


def read_inserts(raw: bytes, at: int, codec: _Decoder) -> Inserts | None:
    """Read the array of a change stream's events.

    Parameters
    ----------
    raw : bytes
        A document of BSON.
    at : int
        Where the array begins in it.
    codec : CodecOptions
        How events are decoded.

    Returns
    -------
    Inserts or None
        None if they are not all inserts into one collection, of a few layouts.
    """
    try:
        return _read(raw, at, codec)
    except (_OtherError, BSONError, struct.error, IndexError, ValueError, KeyError, TypeError):
        return None


class _OtherError(Exception):
    """Something that is not read in this way."""


def _read(raw: bytes, at: int, codec: _Decoder) -> Inserts | None:
    starts = np.array(_starts(raw, at), np.int64)
    if not len(starts):
        return None
    data = np.frombuffer(raw, np.uint8)
    sizes = sliding_window_view(data, 4)[starts].view("<i4").ravel()
    columns = {name: np.empty(len(starts), object) for name in FIELDS}
    collections = set()
    layouts = 0
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        while len(rows):
            layouts += 1
            if layouts > _MOST_LAYOUTS:
                raise _OtherError
            first = int(starts[rows[0]])
            layout = _Layout(raw[first : first + size], codec)
            collections.add(layout.collection)
            events = sliding_window_view(data, size)[starts[rows]]
            same = layout.fits(events)
            layout.read(events if same.all() else events[same], rows[same], columns)
            rows = rows[~same]
    [collection] = collections
    lists = {name: column.tolist() for name, column in columns.items()}
    return Inserts(raw, starts, collection, lists, codec)


def _starts(raw: bytes, at: int) -> list[int]:
    """Where the documents of an array begin."""
    starts: list[int] = []
    end = at + _I32.unpack_from(raw, at)[0] - 1
    unpack, at, digits, more = _I32.unpack_from, at + 4, 1, 10
    while at < end:
        if raw[at] != _OBJECT:
            raise _OtherError
        if len(starts) == more:
            digits, more = digits + 1, 10 * more
        start = at + 2 + digits
        if raw[start - 1]:
            raise _OtherError
        starts.append(start)
        size = unpack(raw, start)[0]
        if size < _SMALLEST:
            raise _OtherError
        at = start + size
    if at != end or raw[at]:
        raise _OtherError
    return starts


class _Layout:
    """What is in which place of an event.

    Parameters
    ----------
    event : bytes
        The example.
    """

    def __init__(self, event: bytes, codec: _Decoder) -> None:
        self._event = np.frombuffer(event, np.uint8)
        self._fixed = np.full(len(event), 0xFF, np.uint8)
        self._texts: list[tuple[int, int]] = []
        decoded = bson.decode(event, codec)
        self._document: Document = decoded["fullDocument"]
        if decoded["operationType"] != "insert" or not isinstance(self._document, dict):
            raise _OtherError
        self.collection = f"{decoded['ns']['db']}.{decoded['ns']['coll']}"
        for name, (kind, start, end) in _places(event, 0).items():
            if name == "fullDocument":
                self._places = _places(event, start)
                for inner, place in self._places.items():
                    if inner not in FIELDS or place[0] == _TEXT or place[0] in _NUMBERS:
                        self._free(*place)
            elif name == "_id" and kind == _OBJECT:
                for place in _places(event, start).values():
                    self._free(*place)
            elif name not in ("operationType", "ns"):
                self._free(kind, start, end)

    def fits(self, events: U8) -> NDArray[np.bool_]:
        """Which events are like the example but for their values."""
        other = events ^ self._event
        other &= self._fixed
        same: NDArray[np.bool_] = np.logical_not(other.any(axis=1))
        return same

    def read(
        self, events: U8, rows: NDArray[np.int64], columns: dict[str, NDArray[np.object_]]
    ) -> None:
        """Put the values of events that fit into their rows."""
        for start, end in self._texts:
            text = events[:, start:end]
            # Other bytes may be no text; and nobody knows how these are decoded as well as bson.
            if end > start and (text.min() < 0x20 or text.max() > 0x7E):
                raise _OtherError
        for name, column in columns.items():
            column[rows] = self._values(name, events)

    def _values(self, name: str, events: U8) -> list[Any]:
        kind, start, end = self._places.get(name, (0, 0, 0))
        if kind in _NUMBERS:
            values: list[Any] = (
                np.ascontiguousarray(events[:, start:end]).view(_NUMBERS[kind]).ravel().tolist()
            )
            return values
        if kind != _TEXT or end - start <= 5:  # the same for all, or none
            return [self._document.get(name)] * len(events)
        text = events[:, start + 4 : end - 1]
        if (text == text[0]).all():
            return [self._document[name]] * len(events)
        joined, size = text.tobytes().decode("ascii"), text.shape[1]
        return [joined[at : at + size] for at in range(0, len(joined), size)]

    def _free(self, kind: int, start: int, end: int) -> None:
        if kind == _TEXT:
            start, end = start + 4, end - 1  # its length is fixed
            self._texts.append((start, end))
        elif kind not in _FREE:
            return
        self._fixed[start:end] = 0


def _places(raw: bytes, at: int) -> dict[str, tuple[int, int, int]]:
    found = list(elements(raw, at))
    places = {name: (kind, start, end) for name, kind, start, end in found}
    if len(places) < len(found):  # of two values with one name the last would hold
        raise _OtherError
    return places


def elements(raw: bytes, at: int) -> Iterator[tuple[str, int, int, int]]:
    """Name, type, first byte and end of the values of a document that begins at `at`.

    Raises
    ------
    KeyError
        At a type that is not looked into.
    """
    at += 4
    while raw[at]:
        kind = raw[at]
        end = raw.index(0, at + 1)
        name, at = raw[at + 1 : end].decode(), end + 1
        size = _SIZES.get(kind)
        if size is None:
            size = _I32.unpack_from(raw, at)[0] + _COUNTED[kind]
        yield name, kind, at, at + size
        at += size
