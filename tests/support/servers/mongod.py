"""One mongod of a replica set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pymongo import MongoClient
from support.servers import locations
from support.servers.ports import HOST
from support.servers.process import Server

Document = dict[str, Any]

SET_NAME = "rs0"
OPLOG_MB = 256
CACHE_GB = 0.25
CHANGE_STREAM_HISTORY_LOST = 286
PARAMETERS = {
    "enableTestCommands": "1",  # fail points
    "diagnosticDataCollectionEnabled": "false",
    # A primary told to end first serves its readers for 15 s more; nobody waits for that here.
    "shutdownTimeoutMillisForSignaledShutdown": "100",
}


class Mongod(Server):
    """A mongod with little memory and with fail points; `ReplicaSet` makes them.

    Parameters
    ----------
    parameters
        Server parameters (``--setParameter``) beyond those for tests.
    oplog_mb
        The size at which mongod begins to drop the oldest of its oplog. It lags far behind
        with that: to lose history for certain, use `history_lost`.
    cache_gb
        WiredTiger's cache; None leaves it to mongod, which takes half of the memory.
    """

    NAME: ClassVar[str] = "mongod"
    READY: ClassVar[str] = r'"id":23016,'  # Waiting for connections

    def __init__(
        self,
        parent: Path | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        oplog_mb: int = OPLOG_MB,
        cache_gb: float | None = CACHE_GB,
    ) -> None:
        super().__init__(parent)
        self._parameters = {**PARAMETERS, **(parameters or {})}
        self._oplog_mb = oplog_mb
        self._cache_gb = cache_gb

    def command(self) -> list[str]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        command = [str(locations.mongod()), "--replSet", SET_NAME, "--dbpath", str(data)]
        command += ["--bind_ip", HOST, "--port", str(self.port), "--nounixsocket", "--quiet"]
        command += ["--oplogSize", str(self._oplog_mb)]
        if self._cache_gb is not None:
            command += ["--wiredTigerCacheSizeGB", str(self._cache_gb)]
        command += ["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=16MB)"]
        for name, value in self._parameters.items():
            command += ["--setParameter", f"{name}={value}"]
        return command

    @contextlib.contextmanager
    def client(self, **options: Any) -> Iterator[MongoClient[Document]]:
        """A client of this one process, whatever it is in its set."""
        with MongoClient[Document](HOST, self.port, directConnection=True, **options) as client:
            yield client

    def admin(self, command: str, value: Any = 1, **arguments: Any) -> Document:
        """Run one command on this process's ``admin`` database."""
        with self.client() as client:
            return client.admin.command(command, value, **arguments)

    @contextlib.contextmanager
    def fail_point(
        self, name: str = "failCommand", *, mode: str | Document = "alwaysOn", **data: Any
    ) -> Iterator[None]:
        """Set a fail point for as long as the block runs.

        `mode` is ``"alwaysOn"``, ``{"times": n}``, ``{"skip": n}`` or
        ``{"activationProbability": p}``; `data` says what fails and how, for ``failCommand``
        ``failCommands=[…]`` with ``errorCode``, ``errorLabels``, ``closeConnection`` or
        ``blockConnection`` and ``blockTimeMS``, and ``appName`` to hit one client only.
        """
        self.admin("configureFailPoint", name, mode=mode, data=data)
        try:
            yield
        finally:
            if self.running:
                self.admin("configureFailPoint", name, mode="off")

    @contextlib.contextmanager
    def history_lost(self, *, mode: str | Document = "alwaysOn", **data: Any) -> Iterator[None]:
        """Answer change streams, new or resumed, as if the oplog no longer reached back."""
        label = "NonResumableChangeStreamError"
        data = {"errorCode": CHANGE_STREAM_HISTORY_LOST, "errorLabels": [label], **data}
        data = {"failCommands": ["aggregate", "getMore"], **data}
        with self.fail_point(mode=mode, **data):
            yield

    def times_failed(self, name: str = "failCommand") -> int:
        """How often a fail point was entered since the process started."""
        done = self.admin("getParameter", **{f"failpoint.{name}": 1})
        return int(done[f"failpoint.{name}"]["timesEntered"])
