"""The items of a streaming request, with credits and cancellation."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tradercast.errors import TradercastError
from tradercast.log import frames

CREDITS = 8
"""Item frames of a stream that may be under way before more are granted."""


class ItemStream:
    """The items of one request; `result` is its final answer, afterwards.

    `cancel` may be called at any time and from anywhere, also when the iterating task is
    cancelled.

    Parameters
    ----------
    grant : callable
        Allows the sidecar so many more items.
    cancel : callable
        Stops the stream there.
    """

    def __init__(self, grant: Callable[[int], None], cancel: Callable[[], None]) -> None:
        self._grant = grant
        self._cancel = cancel
        self._items: deque[Any] = deque()
        self._credit = CREDITS
        self._taken = 0
        self._ended = False
        self._error: TradercastError | None = None
        self._changed = asyncio.Event()
        self.result: Any = None

    def __aiter__(self) -> ItemStream:
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        item = self._items.popleft()
        self._taken += 1
        if self._taken >= CREDITS // 2 and not self._ended:
            self._credit += self._taken
            self._grant(self._taken)
            self._taken = 0
        return item

    async def __aenter__(self) -> ItemStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Stop the stream; does nothing if it has ended."""
        self._items.clear()
        if not self._ended:
            self.end(None, None)
            self._cancel()

    def put(self, item: Any) -> None:
        """Take an item from the sidecar.

        Raises
        ------
        FrameError
            If it has no credit for it.
        """
        if self._credit == 0:
            raise frames.FrameError("a stream delivers more than was granted")
        self._credit -= 1
        self._items.append(item)
        self._changed.set()

    def end(self, error: TradercastError | None, result: Any) -> None:
        """Take the end: after the items that are here comes the error, or nothing."""
        self._ended = True
        self._error = error
        self.result = result
        self._changed.set()
