"""The lock under which a sidecar is started or killed, and its note of who was started last."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tradercast.errors import SidecarError
from tradercast.log.process import ProcessId

_POLL_S = 0.02
_MAX_NOTE = 1_000


class StartLock:
    """Held by the one process that may start or kill the sidecar of a data directory.

    The note outlives the holder: if it dies between starting a sidecar and hearing from it,
    the next holder still knows what to kill.
    """

    def __init__(self, file: int) -> None:
        self._file = file

    def started(self) -> ProcessId | None:
        """The sidecar that was started last, whether or not it still runs."""
        try:
            note = json.loads(os.pread(self._file, _MAX_NOTE, 0))
            pid, started = note["pid"], note["started"]
        except (ValueError, KeyError, TypeError):
            return None
        if type(pid) is not int or type(started) is not str:
            return None
        return ProcessId(pid, started)

    def note(self, process: ProcessId) -> None:
        """Remember the sidecar that was just started."""
        text = json.dumps({"pid": process.pid, "started": process.started}).encode()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text, 0)


@asynccontextmanager
async def start_lock(path: Path, timeout_s: float) -> AsyncIterator[StartLock]:
    """Wait for the lock and hold it; it is released even if the process is killed.

    Raises
    ------
    SidecarError
        If another process holds it for longer than `timeout_s`.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(int(timeout_s / _POLL_S) + 1):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_POLL_S)
        else:
            raise SidecarError(
                f"another process has been starting the sidecar for over {timeout_s:g} s",
                hint=f"end the process that holds {path}",
            )
        yield StartLock(file)
    finally:
        os.close(file)
