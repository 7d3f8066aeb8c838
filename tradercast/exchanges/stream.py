"""What an exchange tells as it happens: one connection, again and again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import aiohttp

from tradercast.errors import ExchangeError, UnknownSymbolError
from tradercast.exchanges.backoff import Backoff
from tradercast.exchanges.connector import (
    BookUpdate,
    Connector,
    Happening,
    Instrument,
    Maintenance,
    Refused,
    Reply,
    Session,
    Subscribed,
    Update,
)

_log = logging.getLogger(__name__)

MAX_FRAME = 1 << 20


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection of these symbols ended, or there was none; it is made again in `wait_s`."""

    symbols: tuple[str, ...]
    why: str
    wait_s: float


News = Update | BookUpdate | Subscribed | Refused | Maintenance | Disconnected
Deliver = Callable[[News], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a stream behaves in time; tests make it quick.

    Attributes
    ----------
    connect_s : float
        How long connecting may take.
    look_s : float
        How often to look for silence.
    steady_s : float
        How long a connection must have lived for the next wait to be a short one.
    first_wait_s, most_wait_s : float
        The bounds of the waits between two tries.
    first_ask_s, most_ask_s : float
        The bounds of the waits before a symbol that was refused is asked for again.
    clock_ns, monotonic_s, sleep
        The time now (ns UTC), a clock that only goes forward, and waiting.
    """

    connect_s: float = 15.0
    look_s: float = 1.0
    steady_s: float = 30.0
    first_wait_s: float = 1.0
    most_wait_s: float = 60.0
    first_ask_s: float = 30.0
    most_ask_s: float = 900.0
    clock_ns: Callable[[], int] = time.time_ns
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)


class Stream:
    """One connection for some symbols, made again whenever it ends.

    Parameters
    ----------
    http : aiohttp.ClientSession
    connector : Connector
    instruments : sequence of Instrument
    url : str
        Where the exchange, or something that plays it, answers.
    deliver : callable
        Gets everything that happens, one after the other.  As long as it waits nothing is read,
        so that memory stays bounded and the exchange's server has to wait.
    rng : random.Random
        For the waits.
    options : StreamOptions
    channels : sequence of str
        What of each symbol.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        connector: Connector,
        instruments: Sequence[Instrument],
        url: str,
        deliver: Deliver,
        rng: random.Random,
        options: StreamOptions | None = None,
        channels: Sequence[str] = ("trades",),
    ) -> None:
        self._http = http
        self._connector = connector
        self._instruments = tuple(instruments)
        self._channels = tuple(channels)
        self._url = url
        self._deliver = deliver
        self._options = options or StreamOptions()
        self._backoff = Backoff(
            rng, first_s=self._options.first_wait_s, most_s=self._options.most_wait_s
        )
        self._rng = rng
        self._asking: dict[str, Backoff] = {}  # symbols that were refused
        self._ask_at: dict[str, float] = {}
        self._held_up_s = 0.0  # time spent waiting for `deliver`, in which nothing can be heard
        self._accepted: set[str] = set()

    async def run(self) -> NoReturn:
        """Go on until cancelled.

        Raises
        ------
        UnknownSymbolError
            If the exchange refuses every symbol from the beginning.
        """
        while True:
            began = self._now_s()
            try:
                await self._once()
            except (ExchangeError, aiohttp.ClientError, OSError, TimeoutError) as error:
                why = _reason(error)
            if self._now_s() - began >= self._options.steady_s:
                self._backoff.reset()
            wait_s = self._backoff.next_s()
            _log.warning("%s: %s; next try in %.1f s", self._connector.name, why, wait_s)
            symbols = tuple(each.symbol for each in self._instruments)
            await self._deliver(Disconnected(symbols, why, wait_s))
            await self._options.sleep(wait_s)

    def _now_s(self) -> float:
        return self._options.monotonic_s() - self._held_up_s

    async def _once(self) -> NoReturn:
        refused: dict[str, str] = {}
        self._ask_at.clear()  # a new connection asks for all
        async with self._connected() as socket:
            session = self._connector.session(self._instruments, self._now_s(), self._channels)
            for text in session.greeting():
                await socket.send_str(text)
            while True:
                frame = await self._frame(socket, session)
                happenings = session.take(frame, self._options.clock_ns(), self._now_s())
                for happening in happenings:
                    await self._act(happening, socket, refused)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with asyncio.timeout(self._options.connect_s):
            socket = await self._http.ws_connect(
                self._url,
                max_msg_size=MAX_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        try:
            yield socket
        finally:
            # Not `close()` alone: its handshake would keep a cancelled stream.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.5):
                    await socket.close()

    async def _frame(self, socket: aiohttp.ClientWebSocketResponse, session: Session) -> bytes:
        """The next frame; looks for silence while there is none."""
        while True:
            session.check(self._now_s())
            for symbol in [each for each, at in self._ask_at.items() if at <= self._now_s()]:
                del self._ask_at[symbol]
                for text in session.ask(symbol, self._now_s()):
                    await socket.send_str(text)
            try:
                # Not receive's own timeout, which pings alone would keep from ending.
                async with asyncio.timeout(self._options.look_s):
                    message = await socket.receive()
            except TimeoutError:
                continue
            if message.type is aiohttp.WSMsgType.TEXT:
                return str(message.data).encode("utf-8", "replace")
            if message.type is aiohttp.WSMsgType.BINARY:
                return bytes(message.data)
            if message.type is aiohttp.WSMsgType.ERROR:
                raise ExchangeError(f"broken WebSocket data: {message.data}")
            reason = f": {message.extra:.80}" if message.extra else ""
            raise ExchangeError(f"the server closed the connection ({socket.close_code}{reason})")

    async def _act(
        self,
        happening: Happening,
        socket: aiohttp.ClientWebSocketResponse,
        refused: dict[str, str],
    ) -> None:
        if isinstance(happening, Reply):
            await socket.send_str(happening.text)
            return
        began = self._options.monotonic_s()
        await self._deliver(happening)
        self._held_up_s += self._options.monotonic_s() - began
        if isinstance(happening, Subscribed):
            self._accepted.add(happening.symbol)
            refused.pop(happening.symbol, None)
            self._asking.pop(happening.symbol, None)
        elif isinstance(happening, Refused):
            refused[happening.symbol] = happening.why
            self._check_any_left(refused)
            wait_s = self._ask_again(happening.symbol)
            _log.warning(
                "%s refuses %s: %s; asked for again in %.1f s",
                *(self._connector.name, happening.symbol, happening.why, wait_s),
            )

    def _ask_again(self, symbol: str) -> float:
        options = self._options
        known = Backoff(self._rng, first_s=options.first_ask_s, most_s=options.most_ask_s)
        wait_s = self._asking.setdefault(symbol, known).next_s()
        self._ask_at[symbol] = self._now_s() + wait_s
        return wait_s

    def _check_any_left(self, refused: dict[str, str]) -> None:
        if len(refused) < len(self._instruments):
            return
        named = "; ".join(f"{symbol}: {why}" for symbol, why in refused.items())
        if not self._accepted:
            raise UnknownSymbolError(
                f"{self._connector.name} refuses every symbol ({named:.300})",
                hint="check the spelling; the exchange's own always works, e.g. tBTCUSD",
            )
        raise ExchangeError(f"{self._connector.name} refuses every symbol now ({named:.300})")


def _reason(error: Exception) -> str:
    if isinstance(error, ExchangeError):
        return error.message
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the server answers {error.status} instead of a WebSocket"
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    return f"no connection ({error})" if str(error) else f"no connection ({type(error).__name__})"
