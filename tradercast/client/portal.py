"""An event loop in a thread of its own, for programs that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

from tradercast.errors import UsageError

T = TypeVar("T")
_GRACE_S = 10.0
_END: Any = object()


class Portal:
    """Runs coroutines for other threads; begins at `open`, ends at `close`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Start the loop; raises `UsageError` if it runs already."""
        if self._loop is not None:
            raise opened_twice()
        loop = asyncio.new_event_loop()
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="tradercast", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the loop; what still runs there is cancelled."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result.

        Ctrl-C cancels it, and waits until it has put things in order.

        Raises
        ------
        UsageError
            If the portal is not open, or this is one of its own callbacks.
        """
        loop = self._loop
        if loop is None:
            work.close()
            raise not_open()
        if threading.current_thread() is self._thread:
            work.close()
            raise UsageError(
                "a callback can not call the client that called it",
                hint="note what is to be done, and do it when the call has returned",
            )
        tasks: list[asyncio.Task[T]] = []
        ended = threading.Event()

        def begin() -> None:
            if not ended.is_set():
                tasks.append(loop.create_task(work))
                tasks[0].add_done_callback(lambda _: ended.set())

        def abandon() -> None:
            if tasks:
                tasks[0].cancel()
            else:
                work.close()
                ended.set()

        try:  # Ctrl-C may come at any line from here
            loop.call_soon_threadsafe(begin)
            ended.wait()
        except BaseException:
            loop.call_soon_threadsafe(abandon)
            ended.wait(_GRACE_S)
            raise
        if tasks[0].cancelled():
            raise not_open()  # another thread has closed it
        return tasks[0].result()

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Iterate over an asynchronous iterator, which is closed when this one is."""
        try:
            while (item := self.call(_next(items))) is not _END:
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None and self._loop is not None:
                self.call(close())


def not_open() -> UsageError:
    """The error of a client that is used before it was opened, or after it was closed."""
    return UsageError(
        "the client is not open",
        hint="use it in a `with` block: with tradercast.connect() as client: …",
    )


def opened_twice() -> UsageError:
    """The error of a client that is opened a second time."""
    return UsageError("a client can be opened once only", hint="connect again")


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items, _END)


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()
