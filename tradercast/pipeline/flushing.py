"""Trades and book messages that wait to be written together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class FlushBuffer(Generic[T]):
    """Gathers records per symbol and writes them after a short while or when there are many.

    Parameters
    ----------
    write : callable
        Gets what waits, by symbol; called by `run` only, never twice at a time.
    after_s : float
        How long the first of them waits.
    at_trades : int
        How many of one symbol, at most, go into one write.
    most_trades : int
        `add` waits while so many are here: the bound of the memory.
    """

    def __init__(
        self,
        write: Callable[[Mapping[str, Sequence[T]]], Awaitable[None]],
        after_s: float,
        at_trades: int,
        most_trades: int,
    ) -> None:
        self._write = write
        self._after_s = after_s
        self._at_trades = at_trades
        self._most_trades = most_trades
        self._waiting: dict[str, list[T]] = {}
        self.size = 0
        self._closed = False
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def add(self, symbol: str, trades: Sequence[T]) -> None:
        """Take records in; waits for room *after* that, so that a cancelled call loses nothing."""
        if trades:
            waiting = self._waiting.setdefault(symbol, [])
            waiting += trades
            self.size += len(trades)
            self._some.set()
            if len(waiting) >= self._at_trades:
                self._many.set()
            if self.size >= self._most_trades:
                self._room.clear()
        await self._room.wait()

    def close(self) -> None:
        """Let `run` write what is here, and end."""
        self._closed = True
        self._some.set()
        self._many.set()

    async def run(self) -> None:
        """Write until `close` is called; raises what `write` raises."""
        while True:
            await self._some.wait()
            try:
                async with asyncio.timeout(self._after_s):
                    await self._many.wait()
            except TimeoutError:
                pass
            while self._waiting:
                portion = self._portion()
                await self._write(portion)
                self._written(portion)
                if not self._is_urgent():
                    break
            if self._closed and not self._waiting:
                return
            if not self._closed:
                self._many.clear()
                if not self._waiting:
                    self._some.clear()

    def _portion(self) -> dict[str, list[T]]:
        return {symbol: some[: self._at_trades] for symbol, some in self._waiting.items()}

    def _written(self, portion: Mapping[str, Sequence[T]]) -> None:
        for symbol, trades in portion.items():
            del self._waiting[symbol][: len(trades)]
            if not self._waiting[symbol]:
                del self._waiting[symbol]
            self.size -= len(trades)
        if self.size < self._most_trades:
            self._room.set()

    def _is_urgent(self) -> bool:
        return self._closed or any(len(some) >= self._at_trades for some in self._waiting.values())
