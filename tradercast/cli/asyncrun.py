"""Run a coroutine until it ends or the user has had enough of it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class _Stop:
    """A signal handler: the first cancels the task, each further one raises."""

    def __init__(self) -> None:
        self.asked = False
        self.task: asyncio.Task[Any] | None = None

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.asked or self.task is None or self.task.done():
            raise KeyboardInterrupt
        self.asked = True
        self.task.cancel()
        # The loop may be asleep in select(), which a signal alone does not end.
        self.task.get_loop().call_soon_threadsafe(lambda: None)


@contextmanager
def _handling(stop: _Stop) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What the parent told this process to ignore (`nohup`, `&` in a script) stays ignored.
    previous = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a new event loop.

    SIGINT and SIGTERM cancel it, so that its ``finally`` blocks and context managers put
    things in order; further ones interrupt that.  A command for which a signal is the
    ordinary end (`serve`) catches ``asyncio.CancelledError`` and returns.

    Raises
    ------
    KeyboardInterrupt
        If `main` ended because of a signal.
    """
    stop = _Stop()

    async def guarded() -> T:
        stop.task = asyncio.current_task()
        with _handling(stop):
            return await main

    try:
        with asyncio.Runner() as runner:
            return runner.run(guarded())
    except asyncio.CancelledError:
        if stop.asked:
            raise KeyboardInterrupt from None
        raise
