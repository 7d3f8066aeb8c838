"""What the source has given and is not yet written: few rows wait, and become one batch."""

from __future__ import annotations

import asyncio
from collections import deque

from tradercast.pipeline.mongo_source import BATCH, SourceBatch


class BatchQueue:
    """Batches in their order; those that are small leave it together.

    While one transaction is on its way, a busy stream gives batches of a few changes each.  One
    after the other they would each wait for all before them; together they wait once.

    Parameters
    ----------
    most_rows : int
        `put` waits while so many or more are here: the bound of the memory.
    """

    def __init__(self, most_rows: int = 2 * BATCH) -> None:
        self.rows = 0
        self._most_rows = most_rows
        self._waiting: deque[SourceBatch] = deque()
        self._failed: Exception | None = None
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, batch: SourceBatch) -> None:
        """Add a batch, once there is room."""
        await self._room.wait()
        self._waiting.append(batch)
        self._count(batch.rows)
        self._some.set()

    def fail(self, error: Exception) -> None:
        """Nothing more will come; `take` raises this at the end."""
        self._failed = error
        self._some.set()

    async def take(self) -> SourceBatch:
        """The next batch, with those behind it that can be joined to it."""
        await self._some.wait()
        if not self._waiting:
            assert self._failed is not None
            raise self._failed
        batch = self._waiting.popleft()
        while self._waiting and (joined := batch.joined(self._waiting[0])) is not None:
            self._waiting.popleft()
            batch = joined
        self._count(-batch.rows)
        if not self._waiting and self._failed is None:
            self._some.clear()
        return batch

    def _count(self, rows: int) -> None:
        self.rows += rows
        if self.rows < self._most_rows:
            self._room.set()
        else:
            self._room.clear()
