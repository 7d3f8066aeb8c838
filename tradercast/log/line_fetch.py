"""Blocks of a log from many peers at once, over lines, as quickly as they come."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tradercast.errors import NoPeerError, VerificationError
from tradercast.log import spans
from tradercast.log.core import Core
from tradercast.log.line import Line, LogState, Taken
from tradercast.log.spans import BlockRange

LEAST_BYTES = 2 << 20
"""What must be missing: less comes as quickly over the connection that is there."""

QUICK_S = 0.25  # an answer that takes less lets more be asked for
_WINDOW = (128 << 10, 4 << 20)  # bytes under way on one line, about: at first, at most
_REQUEST = (64 << 10, 512 << 10)  # of one request
_MOST_BLOCKS = 256
_MOST_WAITING = 16  # answers that nobody has taken yet
_LACKS = 8  # answers without a block, after which a peer is asked no more


async def take(core: Core, ranges: Sequence[BlockRange]) -> AsyncGenerator[Taken, None]:
    """Blocks of the ranges that this node lacks, checked, in no order.

    Nothing may come, or not all of it: when there is not much to fetch, and where no peer has
    lines or answers well.  `Core.read` gets the rest, and says what is wrong.  What comes is stored
    by and by, at the latest when the log is read again or closed.
    """
    for part in spans.parts(spans.check(ranges)):
        state, missing, offers = await core.lines(part, LEAST_BYTES)
        if not offers:
            return
        fetch = _Fetch(state, missing, [Line(offer, state) for offer in offers])
        try:
            async for taken in fetch.run():
                core.keep(state, taken)
                yield taken
        finally:
            await fetch.close()


class _Fetch:
    """What lines work on together, each in a thread of its own."""

    def __init__(
        self, state: LogState, missing: Sequence[BlockRange], lines: Sequence[Line]
    ) -> None:
        average = max(1, sum(root.size for root in state.roots) // max(1, state.length))
        self._queue = _Queue(missing, average)
        self._lines = lines
        self._room = threading.Semaphore(_MOST_WAITING)
        self._loop = asyncio.get_running_loop()
        self._out: asyncio.Queue[Taken | None] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(len(lines), "line")
        self._tasks: list[asyncio.Future[None]] = []

    async def run(self) -> AsyncGenerator[Taken, None]:
        self._tasks = [
            self._loop.run_in_executor(self._pool, _Worker(line, self._queue, self._put).run)
            for line in self._lines
        ]
        for task in self._tasks:
            task.add_done_callback(lambda _: self._out.put_nowait(None))
        left = len(self._tasks)
        while left:
            taken = await self._out.get()
            if taken is None:
                left -= 1
                continue
            self._room.release()
            yield taken

    def _put(self, taken: Taken) -> None:
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._out.put_nowait, taken)

    async def close(self) -> None:
        for line in self._lines:
            line.close()
        for _ in range(_MOST_WAITING * len(self._lines)):
            self._room.release()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._pool.shutdown(wait=False)


class _Queue:
    """Blocks that are still to be asked for; lines take from it and give back."""

    def __init__(self, ranges: Sequence[BlockRange], average: int) -> None:
        self._blocks = deque(block for start, end in ranges for block in range(start, end))
        self._lock = threading.Lock()
        self.average = average

    def take(self, size: int) -> list[int]:
        """The first of them, about so many bytes; empty if there are none."""
        with self._lock:
            count = min(_MOST_BLOCKS, max(1, size // self.average), len(self._blocks))
            return sorted(self._blocks.popleft() for _ in range(count))

    def give_back(self, blocks: Sequence[int]) -> None:
        """Let others ask for these, before all others."""
        with self._lock:
            self._blocks.extendleft(reversed(blocks))


class _Worker:
    """One line at work."""

    def __init__(self, line: Line, queue: _Queue, put: Callable[[Taken], None]) -> None:
        self._line = line
        self._queue = queue
        self._put = put
        self._window = _WINDOW[0]
        self._lacks = 0

    def run(self) -> None:
        """Get as much as the peer can give, until nothing is left to ask for."""
        with contextlib.suppress(NoPeerError, VerificationError):
            try:
                self._line.connect()
                while self._ask():
                    self._take()
            finally:
                for blocks in reversed(self._line.owed):
                    self._queue.give_back(blocks)
                self._line.release()

    def _ask(self) -> bool:
        """Ask for what there is room for; false if nothing is owed then."""
        if self._lacks == _LACKS:
            return False
        owed = self._queue.average * sum(map(len, self._line.owed))
        size = min(max(self._window // 4, _REQUEST[0]), _REQUEST[1])
        while owed < self._window and (blocks := self._queue.take(size)):
            self._line.ask(blocks)
            owed += self._queue.average * len(blocks)
        return owed > 0

    def _take(self) -> None:
        taken, asked, seconds = self._line.answer()
        self._queue.give_back(asked[len(taken.blocks) :])
        if taken.blocks:
            self._put(taken)
        else:
            self._lacks += 1
        if seconds < QUICK_S:
            self._window = min(2 * self._window, _WINDOW[1])
        elif seconds > 4 * QUICK_S:
            self._window = max(self._window // 2, _WINDOW[0])
