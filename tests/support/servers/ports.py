"""Ports that stay ours: a server killed by a test has to find its own port free again."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

HOST = "127.0.0.1"
FIRST = 12_000
TRIES = 1_000


class PortLease:
    """One free TCP port of 127.0.0.1, kept from other leases of this user until closed.

    It lies below the kernel's ephemeral range: otherwise, while the server is down, any
    outgoing connection could be given the same number.
    """

    def __init__(self, number: int, lock: IO[str]) -> None:
        self.number = number
        self._lock = lock

    @classmethod
    def take(cls) -> PortLease:
        folder = Path(tempfile.gettempdir()) / f"tradercast-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for _ in range(TRIES):
            number = random.randrange(FIRST, _first_ephemeral())
            lock = (folder / str(number)).open("w")
            if _is_locked_and_free(lock, number):
                return cls(number, lock)
            lock.close()
        raise OSError(f"no free port on {HOST}")

    def close(self) -> None:
        Path(self._lock.name).unlink(missing_ok=True)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _is_locked_and_free(lock: IO[str], number: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last owner may have removed the file just before it let go of the lock.
        if not os.path.samestat(os.fstat(lock.fileno()), Path(lock.name).stat()):
            return False
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, number))
    except OSError:
        return False
    return True


def _first_ephemeral() -> int:
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii")
    return max(int(text.split()[0]), FIRST + 2_000)
