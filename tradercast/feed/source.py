"""Batches of records from any iterable, taken in portions of any size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from typing import TypeAlias, TypeVar

from tradercast.feed.sealing import RowQueue
from tradercast.runs import Records

T = TypeVar("T")
Batches: TypeAlias = "Iterable[Records] | AsyncIterable[Records]"


class Source:
    """Batches of records from anywhere, taken in portions of any size.

    Parameters
    ----------
    batches : iterable or async iterable of Records
        A plain one is advanced in a thread, one batch ahead.
    kind : type
        The class of a batch.
    on_read : callable
        Called with the number of records of each batch.
    """

    def __init__(
        self, batches: Batches, kind: type[Records], on_read: Callable[[int], None]
    ) -> None:
        self._batches = _advanced(batches)
        self._kind = kind
        self._rows = RowQueue(kind)
        self._on_read = on_read

    async def next(self) -> Records | None:
        """The next records, as many as come at once; None at the end."""
        if len(self._rows):
            return self._rows.take(len(self._rows))
        async for batch in self._batches:
            if len(batch):
                self._on_read(len(batch))
                return batch
        return None

    async def aclose(self) -> None:
        """Let go of the batches."""
        await self._batches.aclose()

    async def take(self, count: int) -> Records:
        """The next `count` records; fewer at the end."""
        while len(self._rows) < count:
            held = self._rows
            self._rows = RowQueue(self._kind)
            batch = await self.next()
            self._rows = held
            if batch is None:
                break
            self._rows.push(batch)
        return self._rows.take(count)


@contextlib.asynccontextmanager
async def read_ahead(batches: Iterable[T]) -> AsyncIterator[AsyncIterator[T]]:
    """The same batches, each read in a thread while the one before is worked on; the first at once.

    So whoever has something to prepare can do so while the first is read.
    """
    iterator = iter(batches)
    ahead = asyncio.create_task(asyncio.to_thread(_next, iterator))

    async def found() -> AsyncGenerator[T, None]:
        nonlocal ahead
        while (batch := await asyncio.shield(ahead)) is not None:
            ahead = asyncio.create_task(asyncio.to_thread(_next, iterator))
            yield batch

    try:
        async with contextlib.aclosing(found()) as read:
            yield read
    finally:
        await asyncio.wait([ahead])  # whoever made the iterator may close it now
        ahead.exception()


async def _advanced(batches: Batches) -> AsyncGenerator[Records, None]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
        return
    async with read_ahead(batches) as read:
        async for batch in read:
            yield batch


def _next(iterator: Iterator[T]) -> T | None:
    return next(iterator, None)
