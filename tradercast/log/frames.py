"""Messages on the socket to the sidecar: a length and one msgpack array.

Pure: bytes in, lists out.  Every limit is checked before memory is spent on what it limits.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack

from tradercast.errors import SidecarError

MAX_FRAME = 16 << 20
"""Bytes of the msgpack array at most."""

MAX_ITEMS = 262_144
"""Members of any one array or map of a frame at most."""

REQUEST, RESULT, FAILURE, EVENT, ITEM, CANCEL, GRANT = range(7)

_LENGTH = struct.Struct("<I")
_SMALL = 1 << 18
_LARGE = 4 << 20


class FrameError(SidecarError):
    """Bytes from the sidecar that are no frame."""

    code = "BAD_FRAME"


def encode(message: list[Any]) -> bytes:
    """One frame.

    Raises
    ------
    FrameError
        If the message does not fit into a frame.
    """
    try:
        body: bytes = msgpack.packb(message, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"a message to the sidecar can not be encoded: {error}") from None
    if len(body) > MAX_FRAME:
        raise FrameError(
            f"a message of {len(body)} bytes is over the limit of {MAX_FRAME}",
            hint="send fewer blocks at a time",
        )
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes | bytearray | memoryview) -> list[Any]:
    """The message of one frame's body.

    Raises
    ------
    FrameError
        If the body is not exactly one msgpack array within the limits, beginning with its kind.
    """
    if len(body) > MAX_FRAME:
        raise FrameError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME}")
    try:
        message = msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=False,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
            max_ext_len=0,
        )
    except Exception as error:  # msgpack raises ValueError, StackError, ExtraData, OverflowError…
        raise FrameError(f"a frame is not msgpack: {type(error).__name__}: {error}") from None
    if not isinstance(message, list) or len(message) < 2 or type(message[0]) is not int:
        raise FrameError("a frame is not a message")
    return message


class FrameReader:
    """Puts frames together from whatever pieces the socket delivers.

    The socket writes straight into `buffer`, so a byte is copied once, out of it.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(_SMALL)
        self._filled = 0

    def buffer(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return memoryview(self._buffer)[self._filled :]

    def received(self, count: int) -> list[list[Any]]:
        """The messages complete after `count` more bytes in `buffer`.

        Raises
        ------
        FrameError
            If what arrived breaks a limit or is not a message; the connection is then useless.
        """
        self._filled += count
        messages: list[list[Any]] = []
        at = 0
        need = 0
        with memoryview(self._buffer) as view:
            while self._filled - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(view, at)
                if length > MAX_FRAME:
                    raise FrameError(f"a frame of {length} bytes is over the limit of {MAX_FRAME}")
                end = at + _LENGTH.size + length
                if end > self._filled:
                    need = _LENGTH.size + length
                    break
                with view[at + _LENGTH.size : end] as body:
                    messages.append(decode(body))
                at = end
        self._make_room(at, need)
        return messages

    def _make_room(self, at: int, need: int) -> None:
        rest = self._filled - at
        size = max(_SMALL, 1 << (need - 1).bit_length() if need else 0)
        have = len(self._buffer)
        if size > have or (have > _LARGE and size < have):
            fresh = bytearray(size)
            fresh[:rest] = self._buffer[at : self._filled]
            self._buffer = fresh
        elif at:
            self._buffer[:rest] = self._buffer[at : self._filled]
        self._filled = rest
