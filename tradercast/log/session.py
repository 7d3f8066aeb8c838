"""One program's lasting relation to the sidecar, over however many connections it takes."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from tradercast.errors import SidecarError, SidecarLostError, TradercastError
from tradercast.log.bridge import REQUEST_TIMEOUT_S, Bridge
from tradercast.log.keeping import Keeping
from tradercast.log.launch import SidecarOptions
from tradercast.log.sidecar import attach
from tradercast.paths import DataDir

MAX_LOSSES = 5
"""How often one request may lose its sidecar before it is given up."""

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.1, 5.0
_SOON_S = 5.0
_log = logging.getLogger(__name__)

Hook = Callable[[Bridge], Awaitable[None]]


class Session:
    """Attaches to the sidecar, and again whenever it has died or hung.

    Parameters
    ----------
    data : DataDir
        An existing data directory.
    options : SidecarOptions
        How the sidecar is watched and started.
    on_event : callable
        Gets the topic and the data of every event.
    """

    def __init__(
        self, data: DataDir, options: SidecarOptions, on_event: Callable[[str, Any], None]
    ) -> None:
        self.data = data
        self._options = options
        self._take_event = on_event
        self._bridge: Bridge | None = None
        self._attaching: asyncio.Task[Bridge] | None = None
        self._hooks: list[Hook] = []
        self._after: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._suspect: int | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._attached_at = 0.0
        self._closed = False
        self._later: asyncio.TimerHandle | None = None
        self.attached = 0
        self.keeping: defaultdict[bytes, Keeping] = defaultdict(Keeping)
        """By the key of the log."""

    def before_use(self, hook: Hook) -> None:
        """Run `hook` on every new connection before anybody else uses it."""
        self._hooks.append(hook)

    def after_restart(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run `callback` after every new connection but the first."""
        self._after.append(callback)

    async def bridge(self) -> Bridge:
        """The connection; waits for a new one if there is none.

        Raises
        ------
        SidecarError
            If the session is closed, or the sidecar can not be started.
        """
        if self._closed:
            raise SidecarError("the store is closed")
        if self._bridge is not None and self._bridge.lost is None:
            return self._bridge
        return await asyncio.shield(self._attach_soon())

    async def call(
        self, method: str, params: dict[str, Any], *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Any:
        """Ask, and ask again if the sidecar is lost meanwhile: for what may be done twice."""
        for losses in range(MAX_LOSSES):
            try:
                bridge = await self.bridge()
                return await bridge.request(method, params, timeout_s=timeout_s)
            except SidecarLostError:
                if losses + 1 == MAX_LOSSES:
                    raise
        raise AssertionError("unreachable")

    def on_event(self, topic: str, data: Any) -> None:
        """See `BridgeOwner`."""
        self._take_event(topic, data)

    def on_lost(self, bridge: Bridge) -> None:
        """See `BridgeOwner`."""
        if bridge.hung:
            self._suspect = bridge.pid
        if bridge is self._bridge and not self._closed:
            _log.warning("the sidecar %s is lost: %s", bridge.pid, bridge.lost)
            self._attach_soon()

    async def close(self) -> None:
        """Detach; the sidecar ends by itself when the last has left."""
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        tasks: list[asyncio.Task[Any]] = list(self._tasks)
        if self._attaching is not None:
            tasks.append(self._attaching)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._bridge is not None:
            await self._bridge.close()

    def _attach_soon(self) -> asyncio.Task[Bridge]:
        if self._attaching is None or self._attaching.done():
            self._attaching = asyncio.get_running_loop().create_task(self._attach())
            self._attaching.add_done_callback(self._attach_again)
        return self._attaching

    async def _attach(self) -> Bridge:
        loop = asyncio.get_running_loop()
        if self.attached and loop.time() - self._attached_at < _SOON_S:
            await asyncio.sleep(self._pause_s)  # it keeps dying: do not start it in a tight loop
            self._pause_s = min(2 * self._pause_s, _LAST_PAUSE_S)
        else:
            self._pause_s = _FIRST_PAUSE_S
        bridge = await attach(self.data, self, self._options, suspect=self._suspect)
        try:
            for hook in self._hooks:
                await hook(bridge)
        except BaseException:
            await bridge.close()
            raise
        self._suspect = None
        self._attached_at = loop.time()
        self.attached += 1
        self._bridge = bridge
        if self.attached > 1:
            for callback in self._after:
                self._run(callback)
        if bridge.lost is not None:
            raise SidecarLostError(bridge.lost.message)
        return bridge

    def _run(self, callback: Callable[[], Awaitable[None]]) -> None:
        async def guarded() -> None:
            try:
                await callback()
            except TradercastError as error:
                _log.warning("after the sidecar's restart: %s", error)
            except Exception:
                _log.exception("after the sidecar's restart")

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _attach_again(self, task: asyncio.Task[Bridge]) -> None:
        """After a failure try again later, for those who only wait for events."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not self.attached:
            return  # whoever waits for the first connection tells of it
        _log.warning("no sidecar: %s", error)
        if not self._closed:
            loop = asyncio.get_running_loop()
            if self._later is not None:
                self._later.cancel()
            self._later = loop.call_later(_LAST_PAUSE_S, self._attach_if_lost)

    def _attach_if_lost(self) -> None:
        if not self._closed and (self._bridge is None or self._bridge.lost is not None):
            self._attach_soon()
