"""Blocks that were taken from peers, on their way into the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tradercast.errors import TradercastError

KEEP_S = 1.0
"""For so long blocks may wait: who reads them has the processor first."""

KEEP_BYTES = 32 << 20
"""And so many; what is lost with the process is fetched again."""

_AT_ONCE = 4

_log = logging.getLogger(__name__)

Put = Callable[[], Awaitable[None]]


class Keeping:
    """Stores by and by what was taken of one log."""

    def __init__(self) -> None:
        self._waiting: list[Put] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._storing: set[asyncio.Task[None]] = set()

    def add(self, size: int, put: Put) -> None:
        """Await `put`, which stores so many bytes, soon."""
        self._waiting.append(put)
        self._bytes += size
        if self._bytes >= KEEP_BYTES:
            self._begin()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEEP_S, self._begin)

    async def settled(self) -> None:
        """Store all that waits, and wait for it."""
        self._begin()
        while self._storing:
            await asyncio.wait(self._storing)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if waiting:
            task = asyncio.create_task(self._store(waiting))
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)

    async def _store(self, waiting: list[Put]) -> None:
        waiting.reverse()

        async def one_by_one() -> None:
            while waiting:
                await waiting.pop()()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(one_by_one())
        except* TradercastError as errors:
            _log.warning("blocks that were read were not stored: %s", errors.exceptions[0])
