"""Passes TCP on, every byte a while later.  ``python -m bench.servers.relay HOST PORT DELAY_MS``.

Listens on a free port of HOST and connects to PORT of the loopback interface for each connection.
Many kernels have no `netem`; a relay holds the bytes back instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

from bench.children import say

_PIECE = 64 << 10
_UNDER_WAY = 1 << 20  # bytes that are held back at most, each way


async def main(host: str, port: int, delay_s: float) -> None:
    """Relay until the process is ended; the first line says on which port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            await asyncio.gather(
                _delayed(reader, far_writer, delay_s), _delayed(far_reader, writer, delay_s)
            )

    server = await asyncio.start_server(connected, host, 0)
    say(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _delayed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.get_running_loop()
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY // _PIECE)

    async def take() -> None:
        while piece := await reader.read(_PIECE):
            await held.put((loop.time() + delay_s, piece))
        await held.put((loop.time() + delay_s, b""))

    taking = asyncio.create_task(take())
    try:
        while True:
            due, piece = await held.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                return
            writer.write(piece)
            await writer.drain()
    finally:
        taking.cancel()
        writer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1e3))
