"""One connection to the sidecar: requests, streams of items, events, and a heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from pathlib import Path
from typing import Any, Protocol

from tradercast.errors import SidecarError, SidecarLostError, TradercastError
from tradercast.log import frames
from tradercast.log.failures import failure
from tradercast.log.items import ItemStream
from tradercast.log.wire import Wire

HUNG_S = 10.0
"""A sidecar that answers nothing for this long is hung."""

REQUEST_TIMEOUT_S = 60.0

_TICKS = 20


class BridgeOwner(Protocol):
    """Who wants to know what a connection brings."""

    def on_event(self, topic: str, data: Any) -> None:
        """An event of the sidecar."""

    def on_lost(self, bridge: Bridge) -> None:
        """The connection is gone; not called for one that was closed on purpose."""


class Bridge:
    """A connection; useless once `lost` is set.

    Parameters
    ----------
    owner : BridgeOwner
        Told of every event, in the order they happen, and of the connection's end.
    hung_s : float
        Seconds of silence, with something asked, after which the sidecar counts as hung.

    Attributes
    ----------
    lost : SidecarLostError or None
        Why the connection is gone.
    hung : bool
        Whether it is gone because the sidecar was silent.
    pid, versions
        Of the sidecar, once it has said hello.
    """

    def __init__(self, owner: BridgeOwner, *, hung_s: float = HUNG_S) -> None:
        self._owner = owner
        self._tick_s = hung_s / _TICKS
        self._wire = Wire(self._take, self._end)
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, ItemStream] = {}
        self._heartbeat: asyncio.Task[None] | None = None
        self._on_purpose = False
        self.lost: SidecarLostError | None = None
        self.hung = False
        self.pid: int | None = None
        self.versions: dict[str, str] = {}

    async def connect(self, path: Path) -> None:
        """Connect to the sidecar's socket; hello is still to be said.

        Raises
        ------
        OSError
            If nobody listens there.
        """
        await self._wire.connect(path)

    async def request(
        self, method: str, params: dict[str, Any], *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Any:
        """Ask and wait for the answer.

        Raises
        ------
        SidecarLostError
            If the connection breaks first; whether it was done is then unknown.
        TradercastError
            What the sidecar answered instead of a result.
        """
        number = next(self._ids)
        await self._wire.send(frames.encode([frames.REQUEST, number, method, params]))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise SidecarError(
                f"the sidecar did not finish {method!r} within {timeout_s:g} s"
            ) from None
        finally:
            if self._waiting.pop(number, None) is not None:
                self._say([frames.CANCEL, number])
            elif answer.done() and not answer.cancelled():
                answer.exception()  # seen, even if we were cancelled just as it came

    async def stream(self, method: str, params: dict[str, Any]) -> ItemStream:
        """Ask for a stream of items."""
        number = next(self._ids)
        await self._wire.send(frames.encode([frames.REQUEST, number, method, params]))

        def cancel() -> None:
            self._streams.pop(number, None)
            self._say([frames.CANCEL, number])

        stream = ItemStream(lambda credit: self._say([frames.GRANT, number, credit]), cancel)
        self._streams[number] = stream
        return stream

    def start_heartbeat(self, method: str) -> None:
        """Ask `method` whenever nothing was heard for a while, and notice silence."""
        self._heartbeat = asyncio.get_running_loop().create_task(self._beat(method))

    async def close(self) -> None:
        """Let go of the sidecar; what is under way is cancelled there."""
        self._on_purpose = True
        self._wire.end("the connection to the sidecar was closed")
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._heartbeat
        await self._wire.closed()

    def _say(self, message: list[Any]) -> None:
        self._wire.send_now(frames.encode(message))

    def _take(self, message: list[Any]) -> None:
        kind, key = message[0], message[1]
        if kind == frames.ITEM:
            if (stream := self._streams.get(key)) is not None:
                stream.put(message[2])
        elif kind == frames.EVENT:
            self._owner.on_event(str(key), message[2])
        elif kind == frames.RESULT:
            self._finish(key, None, message[2])
        elif kind == frames.FAILURE:
            error = failure(message[2])
            if key == 0:  # about the connection itself, which it closes now
                raise frames.FrameError(error.message)
            self._finish(key, error, None)
            if isinstance(error, SidecarLostError):
                self._wire.end(error.message)
        else:
            raise frames.FrameError(f"a message of unknown kind {kind}")

    def _finish(self, number: int, error: TradercastError | None, result: Any) -> None:
        if (stream := self._streams.pop(number, None)) is not None:
            stream.end(error, result)
        answer = self._waiting.pop(number, None)
        if answer is not None and not answer.done():
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

    def _end(self, reason: str) -> None:
        self.lost = SidecarLostError(reason)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(SidecarLostError(reason))
        self._waiting.clear()
        for stream in self._streams.values():
            stream.end(SidecarLostError(reason), None)
        self._streams.clear()
        if not self._on_purpose:
            self._owner.on_lost(self)

    async def _beat(self, method: str) -> None:
        """Count ticks, not seconds: if we ourselves were stopped, only one tick has passed."""
        silent, heard = 0, -1
        asked: asyncio.Task[Any] | None = None
        try:
            while self.lost is None:
                if heard != self._wire.heard:
                    heard, silent = self._wire.heard, 0
                else:
                    silent += 1
                if silent >= _TICKS:
                    self.hung = True
                    self._wire.end("the sidecar does not answer any more")
                elif silent >= _TICKS // 4 and (asked is None or asked.done()):
                    asked = asyncio.get_running_loop().create_task(self._ask(method))
                await asyncio.sleep(self._tick_s)
        finally:
            if asked is not None:
                asked.cancel()

    async def _ask(self, method: str) -> None:
        with contextlib.suppress(TradercastError):
            await self.request(method, {})
