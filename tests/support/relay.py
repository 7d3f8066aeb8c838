"""A line between two nodes that can be slow, cut and counted.

It stands before a node's address and forwards TCP both ways::

    with relay(serving.peer, bytes_per_s=500_000) as line:
        reader.start("sync", link, "--peer", line.address)
        line.received                       # bytes that went to whoever dialled, so far
        line.cut()                          # nothing is forwarded any more, nothing is closed
        line.unplug()                       # all connections end, and none is taken
        line.mend()                         # as before

It runs in a thread of its own, so that tests stay plain functions.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

HOST = "127.0.0.1"
_PIECE = 16 << 10


class Relay:
    """One relay; made by `relay`.

    Attributes
    ----------
    received : int
        Bytes forwarded to those who dialled.
    sent : int
        Bytes forwarded from them.
    """

    def __init__(self, target: str, bytes_per_s: float | None) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.bytes_per_s = bytes_per_s
        self.received = 0
        self.sent = 0
        self.address = ""
        self._open = asyncio.Event()
        self._unplugged = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None] | None] = set()

    def cut(self) -> None:
        """Forward nothing more, in either direction, on old connections and on new ones."""
        self._call(self._open.clear)

    def unplug(self) -> None:
        """End all connections, and every new one at once."""
        self._call(self._pull)

    def mend(self) -> None:
        """Take connections and forward again."""
        self._call(self._plug)

    def drop(self) -> None:
        """End all connections; new ones are taken."""
        self._call(self._abort)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _pull(self) -> None:
        self._unplugged = True
        self._abort()

    def _plug(self) -> None:
        self._unplugged = False
        self._open.set()

    def _call(self, action: object) -> None:
        assert self._loop is not None
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (action(), done.set()))  # type: ignore[operator]
        assert done.wait(5)

    async def _serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        self._open.set()
        server = await asyncio.start_server(self._accept, HOST, 0, limit=_PIECE)
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        started.set()
        await stop.wait()
        server.close()
        self._open.set()
        self._abort()
        while self._tasks:
            await asyncio.sleep(0.01)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            await self._connect(reader, writer)
        finally:
            self._tasks.discard(asyncio.current_task())

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._unplugged:
            writer.transport.abort()
            return
        _small_buffer(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=_PIECE)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(far_reader, writer, inward=True))
                group.create_task(self._forward(reader, far_writer, inward=False))
        except* (OSError, EOFError):
            pass
        finally:
            for each in both:
                each.transport.abort()
            self._writers -= both

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, inward: bool
    ) -> None:
        while True:
            piece = await reader.read(_PIECE)
            await self._open.wait()
            if not piece:
                raise EOFError
            writer.write(piece)
            await writer.drain()
            if not inward:
                self.sent += len(piece)
                continue
            self.received += len(piece)
            if self.bytes_per_s is not None:
                await asyncio.sleep(len(piece) / self.bytes_per_s)


@contextlib.contextmanager
def relay(target: str, bytes_per_s: float | None = None) -> Iterator[Relay]:
    """A relay to ``HOST:PORT`` for as long as the block lasts; the rate is towards the dialler."""
    made = Relay(target, bytes_per_s)
    started, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        made._loop = asyncio.get_running_loop()
        await made._serve(started, stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert started.wait(5), "the relay did not start"
    try:
        yield made
    finally:
        assert made._loop is not None
        made._loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def _small_buffer(writer: asyncio.StreamWriter) -> None:
    """Let what was forwarded be what has arrived, but for a little."""
    writer.transport.set_write_buffer_limits(high=0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)
