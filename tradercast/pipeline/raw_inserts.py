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

from tradercast.pipeline.columnar import FIELDS, Column, Columnar, Document, as_list
from tradercast.rows import I64, U8

_Decoder = CodecOptions[dict[str, Any]]
_MOST_LAYOUTS = 64
_SLAB = 512 << 10  # bytes of events that are looked at together: they stay in the cache
_SMALLEST = 5
_DOUBLE, _TEXT, _OBJECT, _BINARY, _INT32, _INT64 = 0x01, 0x02, 0x03, 0x05, 0x10, 0x12
_SIZES = {_DOUBLE: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, _INT32: 4, 0x11: 8, _INT64: 8, 0x13: 16}
_COUNTED = {_TEXT: 4, _OBJECT: 0, 0x04: 0, _BINARY: 5}
_OPAQUE = (0, 4)  # kinds of binary data, plain and UUID, of which any bytes make a value
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
        columns: dict[str, Column],
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
    data = np.frombuffer(raw, np.uint8)
    starts = np.array(_starts(raw, at), np.int64)
    if not len(starts):
        return None
    if (data[starts - 1] != 0).any():
        raise _OtherError
    sizes = sliding_window_view(data, 4)[starts].view("<i4").ravel()
    parts: dict[str, list[tuple[I64, Column]]] = {name: [] for name in FIELDS}
    collections = set()
    layouts = 0
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        every = sliding_window_view(data, size)
        while len(rows):
            layouts += 1
            if layouts > _MOST_LAYOUTS:
                raise _OtherError
            first = int(starts[rows[0]])
            layout = _Layout(raw[first : first + size], codec)
            collections.add(layout.collection)
            others = []
            for some in np.split(rows, range(_SLAB // size + 1, len(rows), _SLAB // size + 1)):
                events = every[starts[some]]
                same = layout.fits(events)
                if not same.all():
                    others.append(some[~same])
                    some, events = some[same], events[same]
                if len(some):
                    for name, values in layout.read(events).items():
                        parts[name].append((some, values))
            rows = np.concatenate([rows[:0], *others])
    [collection] = collections
    columns = {name: _joined(some, len(starts)) for name, some in parts.items()}
    return Inserts(raw, starts, collection, columns, codec)


def _joined(parts: list[tuple[I64, Column]], count: int) -> Column:
    """One column of values that are for several rows each: a list if they are not of one type."""
    arrays = [part for _, part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts) and len({part.dtype.kind for part in arrays}) == 1:
        column = np.zeros(count, np.result_type(*{part.dtype for part in arrays}))
    else:
        column = np.empty(count, object)
    for rows, part in parts:
        column[rows] = as_list(part) if column.dtype.kind == "O" else part
    return column.tolist() if column.dtype.kind in "Of" else column


def _starts(raw: bytes, at: int) -> list[int]:
    """Where the documents of an array begin; what is before each has to be looked at yet."""
    starts: list[int] = []
    end = at + _I32.unpack_from(raw, at)[0] - 1
    unpack, at, digits, more = _I32.unpack_from, at + 4, 1, 10
    while at < end:
        if raw[at] != _OBJECT:
            raise _OtherError
        if len(starts) == more:
            digits, more = digits + 1, 10 * more
        at += digits + 2
        starts.append(at)
        (size,) = unpack(raw, at)
        if size < _SMALLEST:
            raise _OtherError
        at += size
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
            elif name not in ("operationType", "ns"):
                self._free(kind, start, end, inside=True)

    def fits(self, events: U8) -> NDArray[np.bool_]:
        """Which events are like the example but for their values."""
        other = events ^ self._event
        other &= self._fixed
        same: NDArray[np.bool_] = np.logical_not(other.any(axis=1))
        return same

    def read(self, events: U8) -> dict[str, Column]:
        """The fields' values in events that fit, of which there are some."""
        return {name: self._values(name, events) for name in FIELDS}

    def _values(self, name: str, events: U8) -> Column:
        kind, start, end = self._places.get(name, (0, 0, 0))
        if kind == _TEXT and end - start > 5:
            start, end = start + 4, end - 1
            text = np.ascontiguousarray(events[:, start:end])
            # Other bytes may be no text; and nobody knows how these are decoded as well as bson.
            if text.min() < 0x20 or text.max() > 0x7E:
                raise _OtherError
            return text.view(f"S{end - start}").ravel()
        if kind in _NUMBERS:
            return np.ascontiguousarray(events[:, start:end]).view(_NUMBERS[kind]).ravel()
        return [self._document.get(name)] * len(events)  # the same for all, or none

    def _free(self, kind: int, start: int, end: int, *, inside: bool = False) -> None:
        if kind == _TEXT:
            start, end = start + 4, end - 1  # its length is fixed
        elif kind == _BINARY and self._event[start + 4] in _OPAQUE:
            start += 5
        elif kind == _OBJECT and inside:
            for place in _places(self._event.tobytes(), start).values():
                self._free(*place, inside=True)
            return
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
