"""A made-up Bitfinex in a process of its own, with a control channel on its pipes.

    with exchange() as bitfinex:
        bitfinex.url                               # for --url, TRADERCAST_WS_URL_BITFINEX
        bitfinex.wait("subscribed", symbol="tBTCUSD")
        bitfinex.trade("tBTCUSD", 1, "0.5", "100.1")      # te and tu to whoever has subscribed
        bitfinex.do("close", code=1012)            # and other faults: see `Exchange` below

It keeps the trades of each symbol, also those that nobody heard of, and sends the newest as a
snapshot on each subscription.  A book is what `levels` made it, its snapshot is all of it.  Every
message is numbered, and every change of a book has its checksum, if the client asks for it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import gzip
import itertools
import json
import queue
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
SNAPSHOT = 30
T0_MS = 1_700_000_000_000


class FakeExchange:
    """The test's side: the process, what it tells, and what it is told."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        self._unread: list[dict[str, Any]] = []  # what was told before an answer came
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = f"ws://{HOST}:{self.wait('listening')['port']}/ws/2"

    def wait(self, event: str, timeout_s: float = 20.0, **fields: Any) -> dict[str, Any]:
        """The next event of this name with these fields; others before it are passed over."""
        until = time.monotonic() + timeout_s
        seen = []
        while True:
            told = self._unread.pop(0) if self._unread else self._next(until)
            assert told is not None, f"no {event} {fields}; there were {seen[-20:]}"
            seen.append(told)
            if told["event"] == event and fields.items() <= told.items():
                return told

    def do(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Tell it something, and wait until it has done so; events stay there for `wait`."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": action, **arguments}) + "\n")
        self.process.stdin.flush()
        until = time.monotonic() + 60.0
        while True:
            told = self._next(until)
            assert told is not None, f"{action} was not done; there were {self._unread[-20:]}"
            if told["event"] == "done":
                return told
            self._unread.append(told)

    def _next(self, until: float) -> dict[str, Any] | None:
        try:
            return self._told.get(timeout=max(0.01, until - time.monotonic()))
        except queue.Empty:
            return None

    def trade(self, symbol: str, number: int, amount: str, price: str, **more: Any) -> None:
        """A trade happens: id `number`, at a time that follows from it."""
        self.do("trade", symbol=symbol, rows=[row(number, amount, price)], **more)

    def trades(self, symbol: str, rows: list[str], **more: Any) -> None:
        self.do("trade", symbol=symbol, rows=rows, **more)

    def levels(self, symbol: str, *levels: tuple[str, int, str], **more: Any) -> None:
        """Changes of a book, a message each: price, orders (0 removes it), amount."""
        self.do("levels", symbol=symbol, rows=levels, **more)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self._reader.join(5)
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._told.put(json.loads(line))


@contextlib.contextmanager
def exchange(*arguments: str) -> Iterator[FakeExchange]:
    made = FakeExchange(*arguments)
    try:
        yield made
    finally:
        made.close()


def row(number: int, amount: str, price: str) -> str:
    """A trade as Bitfinex writes it; numbers keep their digits."""
    return f"[{number},{T0_MS + number},{amount},{price}]"


class Exchange:
    """The server's side; every public coroutine is an action of the control channel."""

    def __init__(self, heartbeat_s: float, capture: list[str] | None) -> None:
        self.heartbeat_s = heartbeat_s
        self.capture = capture
        self.history: dict[str, list[str]] = {}
        self.books: dict[str, dict[str, tuple[int, str]]] = {}
        self.refused: dict[str, str] = {}
        self.clients: list[Client] = []
        self.deny_status = 0
        self.stalled = False
        self.connections = 0
        self.later_ms = 0

    async def later(self, ms: int) -> None:
        """What happens from now on happens so much later."""
        self.later_ms += ms

    async def trade(
        self, symbol: str, rows: list[str], kinds: list[str] | None = None, heard: bool = True
    ) -> None:
        """Trades happen; `kinds` are the messages of each, `heard` whether anybody is told."""
        self.history.setdefault(symbol, []).extend(rows)
        if heard:
            for each in rows:
                for kind in ["te", "tu"] if kinds is None else kinds:
                    await self.tell(symbol, kind, each)

    async def tell(self, symbol: str, kind: str, row: str) -> None:
        """One update, whether it happened or not."""
        for client in self.clients:
            for channel, subscribed in client.channels.items():
                if subscribed == symbol:
                    await client.data(f'[{channel},"{kind}",{row}')

    async def levels(
        self, symbol: str, rows: list[tuple[str, int, str]], heard: bool = True, wrong: bool = False
    ) -> None:
        """A book changes; `heard` whether anybody is told, `wrong` whether checksums are."""
        book = self.books.setdefault(symbol, {})
        for price, orders, amount in rows:
            book[price] = (orders, amount)
            if not orders:
                del book[price]
            for client in self.clients if heard else ():
                for channel, subscribed in client.books.items():
                    if subscribed == symbol:
                        await client.data(f"[{channel},[{price},{orders},{amount}]")
                        await client.checksum(channel, wrong)

    async def frame(self, text: str | None = None, data: str | None = None) -> None:
        """Any frame: text, or base64 of a binary one."""
        for client in self.clients:
            if text is not None:
                await client.raw(text)
            else:
                await client.socket.send_bytes(base64.b64decode(data or ""))

    async def huge(self, size: int) -> None:
        """A frame of so many bytes."""
        await self.frame("[" + "1," * (size // 2) + "1]")

    async def info(self, code: int) -> None:
        await self.frame(json.dumps({"event": "info", "code": code, "msg": "made up"}))

    async def skip(self) -> None:
        """Leave a message number out."""
        for client in self.clients:
            client.number += 1

    async def close(self, code: int = 1000) -> None:
        """Close every connection in order."""
        for client in list(self.clients):
            await client.socket.close(code=code)

    async def abort(self) -> None:
        """Cut every connection, without a word."""
        for client in list(self.clients):
            client.transport.abort()

    async def stall(self, on: bool = True) -> None:
        """Send nothing more, not even heartbeats, and answer nothing."""
        self.stalled = on

    async def refuse(self, symbol: str, msg: str = "symbol: invalid") -> None:
        self.refused[symbol] = msg

    async def allow(self, symbol: str) -> None:
        self.refused.pop(symbol, None)

    async def deny(self, status: int) -> None:
        """Answer connections with this status; 0 lets them in."""
        self.deny_status = status


class Client:
    """One connection."""

    def __init__(self, exchange: Exchange, socket: Any, transport: Any) -> None:
        self.exchange = exchange
        self.socket = socket
        self.transport = transport
        self.channels: dict[int, str] = {}
        self.books: dict[int, str] = {}
        self.number = 0
        self.numbered = False
        self.checked = False
        self.timed = False
        self._next_channel = exchange.connections * 1_000

    async def raw(self, text: str) -> None:
        if not self.exchange.stalled:
            with contextlib.suppress(ConnectionError):
                await self.socket.send_str(text)

    async def data(self, start: str) -> None:
        """A message of a channel, up to where its number goes."""
        if self.exchange.stalled:
            return
        self.number += 1
        number = f",{self.number}" if self.numbered else ""
        time = f",{T0_MS + self.exchange.later_ms + self.number}" if self.timed else ""
        await self.raw(f"{start}{number}{time}]")

    async def checksum(self, channel: int, wrong: bool = False) -> None:
        """That of the book, which has fewer than 25 levels a side."""
        if not self.checked:
            return
        levels = self.exchange.books.get(self.books[channel], {}).items()
        bids = sorted((float(p), p, a) for p, (_, a) in levels if a[0] != "-")[::-1]
        asks = sorted((float(p), p, a) for p, (_, a) in levels if a[0] == "-")
        pairs = itertools.zip_longest(bids, asks)
        text = ":".join(f"{p}:{a}" for pair in pairs for _, p, a in filter(None, pair))
        value = (zlib.crc32(text.encode()) ^ 2**31) - 2**31
        await self.data(f'[{channel},"cs",{value + wrong}')

    async def event(self, **fields: Any) -> None:
        await self.raw(json.dumps(fields))

    async def serve(self) -> None:
        await self.event(event="info", version=2, serverId="made-up", platform={"status": 1})
        async for message in self.socket:
            if self.exchange.stalled:
                continue
            asked = json.loads(message.data)
            if asked["event"] == "conf":
                self.numbered = asked["flags"] & 65_536 != 0
                self.checked = asked["flags"] & 131_072 != 0
                self.timed = asked["flags"] & 32_768 != 0
                await self.event(event="conf", status="OK", flags=asked["flags"])
            elif asked["event"] == "subscribe":
                await self.subscribe(asked["symbol"], asked["channel"], asked.get("len"))
            elif asked["event"] == "unsubscribe":
                self.channels.pop(asked["chanId"], None)
                self.books.pop(asked["chanId"], None)
                await self.event(event="unsubscribed", status="OK", chanId=asked["chanId"])

    async def subscribe(self, symbol: str, kind: str, length: str | None) -> None:
        exchange = self.exchange
        if symbol in exchange.refused:
            text = exchange.refused[symbol]
            await self.event(event="error", msg=text, code=10300, channel=kind, symbol=symbol)
        elif exchange.capture is None:
            self._next_channel += 1
            channel = self._next_channel
            more = {"prec": "P0", "freq": "F0", "len": length} if kind == "book" else {}
            told = {"channel": kind, "chanId": channel, "symbol": symbol, **more}
            await self.event(event="subscribed", **told)
            if kind == "book":
                levels = [f"[{p},{n},{a}]" for p, (n, a) in exchange.books.get(symbol, {}).items()]
                self.books[channel] = symbol
                await self.data(f"[{channel},[{','.join(levels)}]")
                await self.checksum(channel)
                say(event="subscribed", symbol=symbol, channel=kind, length=length)
                return
            newest = exchange.history.get(symbol, [])[-SNAPSHOT:]
            await self.data(f"[{channel},[{','.join(reversed(newest))}]")
            self.channels[channel] = symbol
        say(event="subscribed", symbol=symbol, connection=exchange.connections)

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(self.exchange.heartbeat_s)
            for channel in [*self.channels, *self.books]:
                await self.data(f'[{channel},"hb"')


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


async def serve(exchange: Exchange) -> None:
    from aiohttp import web

    async def handle(request: web.Request) -> web.StreamResponse:
        if exchange.deny_status:
            say(event="denied")
            return web.Response(status=exchange.deny_status)
        socket = web.WebSocketResponse(timeout=0.5)
        await socket.prepare(request)
        exchange.connections += 1
        client = Client(exchange, socket, request.transport)
        exchange.clients.append(client)
        say(event="connected", connection=exchange.connections)
        beating = asyncio.create_task(client.beat())
        try:
            if exchange.capture is not None:
                for text in exchange.capture:
                    await client.raw(text)
                say(event="replayed")
            await client.serve()
        finally:
            beating.cancel()
            exchange.clients.remove(client)
            say(event="gone", code=socket.close_code)
        return socket

    app = web.Application()
    app.router.add_get("/ws/2", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    say(event="listening", port=runner.addresses[0][1])
    reader = asyncio.StreamReader(limit=1 << 26)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        action = order.pop("do")
        await getattr(exchange, action)(**order)
        say(event="done", do=action, connections=exchange.connections)
    await runner.cleanup()


def received_frames(capture: Path, timed: bool = False) -> list[str]:
    """The frames that a recorded client received, as they were.

    Timed ones say when they came, as the exchange adds its time to what is no event.
    """
    with gzip.open(capture, "rt") as file:
        lines = [line.rstrip("\n").partition(": ") for line in file if line[:1].isdigit()]
    return [
        f"{frame[:-1]},{int(float(at) * 1_000)}]" if timed and frame[0] == "[" else frame
        for at, _, frame in lines
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--heartbeat", type=float, default=15.0)
    parser.add_argument("--capture", type=Path, help="replay a recorded client's frames")
    parser.add_argument("--timed", action="store_true", help="add the exchange's time to frames")
    given = parser.parse_args()
    recorded = received_frames(given.capture, given.timed) if given.capture else None
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Exchange(given.heartbeat, recorded)))
