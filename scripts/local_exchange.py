"""An exchange on this machine, for demonstrations: Bitfinex's protocol, a simulated market."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tradercast.market.simulated import simulate_trades

HOST = "127.0.0.1"
_TICK_S = 0.05
_SNAPSHOT = 30
_HEARTBEAT_S = 5.0
_NUMBERED = 65_536


class LocalExchange:
    """Trades of a simulated market, as they happen, and a book of sorts, for whoever subscribes.

    Attributes
    ----------
    sent : dict of str to list of int
        Ids of the trades that happened, in order, by Bitfinex's symbol.
    going_on : asyncio.Event
        Trades happen while it is set.
    heard : asyncio.Event
        Somebody has subscribed to the trades of all of them.
    """

    def __init__(self, symbols: tuple[str, ...], trades_per_s: float) -> None:
        self.sent: dict[str, list[int]] = {symbol: [] for symbol in symbols}
        self.going_on = asyncio.Event()
        self.heard = asyncio.Event()
        self._rows: dict[str, list[str]] = {symbol: [] for symbol in symbols}
        self._rate = trades_per_s / len(symbols)
        self._clients: dict[web.WebSocketResponse, _Client] = {}
        self._next_id = 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Take connections; yields the WebSocket's address."""
        app = web.Application()
        app.router.add_get("/ws/2", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        task = asyncio.create_task(self._trade())
        try:
            yield f"ws://{HOST}:{runner.addresses[0][1]}/ws/2"
        finally:
            task.cancel()
            await asyncio.wait([task])
            await runner.cleanup()

    async def _trade(self) -> None:
        """Let trades happen at their rate, from the clock, whoever listens."""
        count = 100_000
        markets = {
            symbol: simulate_trades(count, start_ns=0, seed=number)
            for number, symbol in enumerate(self.sent, 1)
        }
        prices = {symbol: trades.price.to_strings() for symbol, trades in markets.items()}
        sizes = {symbol: trades.size.to_strings() for symbol, trades in markets.items()}
        owed, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            owed += (now - last) * self._rate if self.going_on.is_set() else 0.0
            last = now
            for symbol, rows in self._rows.items():
                fresh: list[str] = []
                for _ in range(int(owed)):
                    at = len(rows) % count
                    sign = "-" if markets[symbol].side[at] == 2 else ""
                    price, size = prices[symbol][at], sizes[symbol][at]
                    row = f"[{self._next_id},{time.time_ns() // 1_000_000},{sign}{size},{price}]"
                    self.sent[symbol].append(self._next_id)
                    self._next_id += 1
                    rows.append(row)
                    fresh.append(row)
                for client in list(self._clients.values()):
                    await client.tell(symbol, fresh)
                    if fresh:
                        await client.tell_book(symbol, fresh[-1])
            owed -= int(owed)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=0.5)
        await socket.prepare(request)
        client = self._clients[socket] = _Client(socket)
        beating = asyncio.create_task(client.beat())
        try:
            await client.event(event="info", version=2, platform={"status": 1})
            async for message in socket:
                asked = json.loads(message.data)
                if asked["event"] == "conf":
                    client.numbered = asked["flags"] & _NUMBERED != 0
                    flags = asked["flags"] & _NUMBERED
                    await client.event(event="conf", status="OK", flags=flags)
                elif asked["event"] == "subscribe" and asked["channel"] == "book":
                    await client.subscribe_book(asked["symbol"])
                elif asked["event"] == "subscribe":
                    await client.subscribe(asked["symbol"], self._rows.get(asked["symbol"], []))
                    if self.sent.keys() <= client.channels.keys():
                        self.heard.set()
        finally:
            beating.cancel()
            del self._clients[socket]
        return socket


class _Client:
    """One connection."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.numbered = False
        self._socket = socket
        self.channels: dict[str, int] = {}
        self._books: dict[str, int] = {}
        self._number = 0

    async def event(self, **fields: object) -> None:
        with contextlib.suppress(ConnectionError):
            await self._socket.send_str(json.dumps(fields))

    async def subscribe_book(self, symbol: str) -> None:
        channel = 1_000 + len(self._books)
        fields = {"channel": "book", "chanId": channel, "symbol": symbol}
        await self.event(event="subscribed", **fields)
        await self._data(f"[{channel},[[1,1,1],[1000000,1,-1]]")
        self._books[symbol] = channel

    async def tell_book(self, symbol: str, row: str) -> None:
        """That somebody waits now where the last trade was."""
        if (channel := self._books.get(symbol)) is not None:
            _, _, amount, price = row[1:-1].split(",")
            await self._data(f"[{channel},[{price},1,{amount}]")

    async def subscribe(self, symbol: str, rows: list[str]) -> None:
        channel = len(self.channels) + 1
        fields = {"channel": "trades", "chanId": channel, "symbol": symbol}
        await self.event(event="subscribed", **fields)
        await self._data(f"[{channel},[{','.join(reversed(rows[-_SNAPSHOT:]))}]")
        self.channels[symbol] = channel

    async def tell(self, symbol: str, rows: list[str]) -> None:
        channel = self.channels.get(symbol)
        if channel is not None:
            for row in rows:
                for kind in ("te", "tu"):
                    await self._data(f'[{channel},"{kind}",{row}')

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            for channel in [*self.channels.values(), *self._books.values()]:
                await self._data(f'[{channel},"hb"')

    async def _data(self, start: str) -> None:
        self._number += 1
        with contextlib.suppress(ConnectionError):
            await self._socket.send_str(
                f"{start},{self._number}]" if self.numbered else f"{start}]"
            )
