"""The socket to the sidecar: whole messages in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradercast.errors import SidecarError, SidecarLostError
from tradercast.log.frames import FrameReader


class Wire:
    """A connected socket.

    Parameters
    ----------
    on_message : callable
        Gets every message that arrives.
    on_end : callable
        Called once with the reason when the connection has ended, was ended, or brought what
        is no message.
    """

    def __init__(
        self, on_message: Callable[[list[Any]], None], on_end: Callable[[str], None]
    ) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._protocol = _Protocol(self)
        self._ended = False
        self.heard = 0
        """Grows with every piece that arrives."""

    async def connect(self, path: Path) -> None:
        """Connect to a Unix socket.

        Raises
        ------
        OSError
            If nobody listens there.
        """
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._protocol, str(path))

    async def send(self, frame: bytes) -> None:
        """Send a frame, once the socket has room.

        Raises
        ------
        SidecarLostError
            If the connection has ended.
        """
        await self._protocol.writable.wait()
        if self._ended:
            raise SidecarLostError("the sidecar has closed the connection")
        self.send_now(frame)

    def send_now(self, frame: bytes) -> None:
        """Send a small frame from where nothing can be awaited; nothing if it has ended."""
        if not self._ended and self._protocol.transport is not None:
            self._protocol.transport.write(frame)

    def end(self, reason: str) -> None:
        """End the connection now."""
        if not self._ended:
            self._ended = True
            self._protocol.writable.set()
            if self._protocol.transport is not None:
                self._protocol.transport.abort()
            self._on_end(reason)

    async def closed(self) -> None:
        """Wait until the socket is closed."""
        await self._protocol.closed.wait()

    def _received(self, messages: list[list[Any]]) -> None:
        for message in messages:
            if not self._ended:
                self._on_message(message)


class _Protocol(asyncio.BufferedProtocol):
    """What the event loop calls."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = FrameReader()
        self.transport: asyncio.WriteTransport | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._wire.heard += 1
        try:
            self._wire._received(self._reader.received(nbytes))
        except (SidecarError, ValueError, TypeError, LookupError) as error:
            self._wire.end(f"the sidecar broke the protocol: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.end("the sidecar has ended or closed the connection")
        self.closed.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()
