"""The logs of one data directory, shared by all programs that use it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from nacl.signing import SigningKey

from tradercast.errors import TradercastError
from tradercast.log.answers import mapping
from tradercast.log.bridge import Bridge
from tradercast.log.core import Core
from tradercast.log.events import RESTART, Event, EventStream
from tradercast.log.launch import SidecarOptions
from tradercast.log.session import Session
from tradercast.log.swarm import Swarm, Topics
from tradercast.paths import DataDir

_CLOSE_S = 20.0  # for what was read to be stored
_log = logging.getLogger(__name__)


class LogStore:
    """All logs of a data directory; made by `LogStore.open`.

    Any number of programs may have one open.  Behind them is one sidecar process, started by
    the first and started again, by whoever notices, if it dies or hangs: what was opened here
    stays valid and goes on.

    Attributes
    ----------
    swarm : Swarm
        Connections to peers.
    topics : Topics
        Notes exchanged with them.
    """

    def __init__(self, data: DataDir, options: SidecarOptions) -> None:
        self._session = Session(data, options, self._take_event)
        self._cores: weakref.WeakSet[Core] = weakref.WeakSet()
        self._listeners: set[EventStream] = set()
        self._session.before_use(self._restore)
        self._session.after_restart(self._tell_restart)
        self.swarm = Swarm(self._session)
        self.topics = Topics(self._session)

    @classmethod
    async def open(cls, data_dir: Path, options: SidecarOptions | None = None) -> LogStore:
        """Open the store, which is made if there is none.

        Parameters
        ----------
        data_dir : Path
            The data directory (`DataDir.root`).
        options : SidecarOptions, optional
            How the sidecar is watched and started.

        Raises
        ------
        NodeMissingError, DiskFullError, SidecarError
            If the sidecar can not be started.
        """
        data = DataDir.locate(data_dir)
        await asyncio.to_thread(data.ensure)
        store = cls(data, options or SidecarOptions())
        try:
            await store._session.bridge()
        except BaseException:
            await store.close()
            raise
        return store

    async def core(self, *, key: bytes | None = None, signer: SigningKey | None = None) -> Core:
        """Open a log by its key, or, to write it, by the key pair that signs it.

        Raises
        ------
        UsageError
            Unless exactly one of them is given.
        """
        core = Core(self._session, key=key, signer=signer)
        await core.open()
        self._cores.add(core)
        return core

    def events(self, *topics: str) -> EventStream:
        """The events from now on, of these topics (`RESTART` is always among them) or all."""
        stream = EventStream(frozenset(topics), self._listeners.discard)
        self._listeners.add(stream)
        return stream

    def on_restart(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Await `callback` after every restart of the sidecar.

        Open logs, the swarm's start, its dialled peers and the topics are restored without it.
        """
        self._session.after_restart(callback)

    async def stats(self) -> dict[str, Any]:
        """What was transferred since the sidecar started (``docs/BRIDGE.md``)."""
        return mapping(await self._session.call("stats", {}))

    async def free_space(self) -> dict[str, Any]:
        """``free``, ``total``, ``min_free`` (bytes) and ``low`` of the store's disk."""
        return mapping(await self._session.call("fs.free", {}))

    async def versions(self) -> dict[str, str]:
        """The versions of Node, Hypercore and the others that the sidecar runs on."""
        return dict((await self._session.bridge()).versions)

    async def close(self) -> None:
        """Detach.  The sidecar ends by itself when nobody is attached any more."""
        for listener in list(self._listeners):
            listener.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                for keeping in list(self._session.keeping.values()):
                    await keeping.settled()
        await self._session.close()

    async def __aenter__(self) -> LogStore:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _restore(self, bridge: Bridge) -> None:
        await bridge.request("events.subscribe", {})
        for core in list(self._cores):
            try:
                await core.reopen(bridge)
            except TradercastError as error:
                if bridge.lost is not None:
                    raise
                _log.warning("a log can not be opened again: %s", error)

    async def _tell_restart(self) -> None:
        self._take_event(RESTART, {})

    def _take_event(self, topic: str, data: Any) -> None:
        event = Event(topic, data if isinstance(data, dict) else {})
        for listener in list(self._listeners):
            listener.put(event)
