"""What the sidecar tells unasked: logs that grew, peers that came, blocks that were wrong."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

RESTART = "sidecar.restart"
"""The sidecar was started again: what happened meanwhile was told to nobody."""

OVERFLOW = "events.overflow"
"""The iterating program was too slow: events were dropped here."""

MAX_WAITING = 4_096


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its topic (``docs/BRIDGE.md``, and `RESTART`, `OVERFLOW`) and its data."""

    topic: str
    data: dict[str, Any] = field(default_factory=dict)


class EventStream:
    """Iterates over events, from its making until `close`; one that lags loses the oldest."""

    def __init__(self, topics: frozenset[str], on_close: Callable[[EventStream], None]) -> None:
        self._topics = topics
        self._on_close = on_close
        self._waiting: deque[Event] = deque()
        self._overflown = False
        self._closed = False
        self._wake = asyncio.Event()

    def put(self, event: Event) -> None:
        """Take an event, if it is of a wanted topic."""
        if self._closed or (self._topics and event.topic not in {*self._topics, RESTART}):
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._overflown = True
        self._waiting.append(event)
        self._wake.set()

    def close(self) -> None:
        """End the iteration."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self._on_close(self)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._overflown:
                self._overflown = False
                return Event(OVERFLOW)
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
