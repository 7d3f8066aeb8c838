"""Ends the servers of a test run whose own process was killed.

One small process beside the tests holds the reading end of a pipe. Each line says of one server
or folder that it is there or gone; when the pipe closes, and no process can die without closing
it, what is still there is killed and removed. (The kernel's parent-death signal would do for
servers started by the main thread only: it is sent when the *thread* that forked ends.)
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

DEATH_S = 10.0


class Watchdog:
    """The tests' end of the pipe; use `watchdog`, one for the whole run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A session of its own: what interrupts the tests must not end this first.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def started(self, pid: int) -> None:
        """A server runs."""
        self._tell("started", pid)

    def ended(self, pid: int) -> None:
        """It ended; its process id may soon be another's."""
        self._tell("ended", pid)

    def made(self, folder: Path) -> None:
        """A folder to be removed when nobody else can."""
        self._tell("made", str(folder))

    def removed(self, folder: Path) -> None:
        self._tell("removed", str(folder))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, command: str, what: int | str) -> None:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps([command, what]).encode() + b"\n")
            self._process.stdin.flush()


@functools.cache
def watchdog() -> Watchdog:
    """The one of this process."""
    made = Watchdog()
    atexit.register(made.close)
    return made


def main() -> None:
    servers: dict[int, int] = {}  # a pidfd is of one process, also when its id is used again
    folders: set[str] = set()
    for line in sys.stdin:
        command, what = json.loads(line)
        if command == "started":
            with contextlib.suppress(ProcessLookupError):
                servers[what] = os.pidfd_open(what)
        elif command == "ended" and what in servers:
            os.close(servers.pop(what))
        elif command == "made":
            folders.add(what)
        elif command == "removed":
            folders.discard(what)
    for server in servers.values():
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(server, signal.SIGKILL)
    for server in servers.values():
        select.select([server], [], [], DEATH_S)  # readable once it has ended
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
