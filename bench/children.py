"""Fresh processes that say when they are ready, wait, work, and tell what it took."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE_S = 300.0


class Child:
    """A running process of the benchmark; its lines are JSON objects.

    Parameters
    ----------
    process : asyncio.subprocess.Process
        With pipes.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> dict[str, Any]:
        """The next line it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            line = await self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a process of the benchmark ended with {await self.process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    async def go(self) -> dict[str, Any]:
        """Wait until it is ready, let it go, and take its result."""
        assert await self.line() == {"ready": True}
        await warm_memory()
        self.say("go")
        return await self.line()

    def say(self, text: str) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())


def python(module: str, *arguments: object) -> list[str]:
    """The command ``python -m module``."""
    return [sys.executable, "-m", module, *map(str, arguments)]


@asynccontextmanager
async def child(command: Sequence[str], **environ: str) -> AsyncIterator[Child]:
    """Start a command with more environment; it is ended at the end if it has not ended."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield Child(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def warm_memory() -> None:
    """Have memory at hand for whoever wants it next, see `bench.memory`."""
    process = await asyncio.create_subprocess_exec(*python("bench.memory"), cwd=ROOT)
    if await process.wait():
        raise SystemExit("no memory for a run")


def say(**line: Any) -> None:
    """From within a child: one line of JSON."""
    print(json.dumps(line), flush=True)


def wait_for_go() -> None:
    """From within a child: everything is set up; wait for the word."""
    say(ready=True)
    sys.stdin.readline()


class Clock:
    """Seconds and CPU seconds since it was made, of this process and others."""

    def __init__(self, pids: Mapping[str, int] | None = None) -> None:
        self._pids = {"process": os.getpid(), **(pids or {})}
        self._cpu = {name: cpu_s(pid) for name, pid in self._pids.items()}
        self._start = time.perf_counter()

    def read(self) -> dict[str, float]:
        """``seconds``, and ``cpu_NAME`` of each process."""
        seconds = time.perf_counter() - self._start
        used = {f"cpu_{name}": cpu_s(pid) - self._cpu[name] for name, pid in self._pids.items()}
        return {"seconds": seconds, **used}


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mb(pid: int | None = None) -> float:
    """The most memory that a process has had resident, in MB.

    This is ``VmHWM``: unlike ``ru_maxrss`` it begins anew with the program.
    """
    status = Path(f"/proc/{pid or os.getpid()}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def finish(clock: Clock, ts: Any, price: Any, size: Any, **more: Any) -> None:
    """From within a child: stop the clock, and tell what was spent and what there is now.

    Parameters
    ----------
    clock : Clock
        Begun when the word came.
    ts, price, size : int64 arrays
        ns UTC, cents, 1e-5.
    **more
        Further figures, such as ``bytes`` on the wire.
    """
    spent = clock.read()
    peak = peak_mb()
    say(records=len(ts), digest=digest(ts, price, size), peak_mb=peak, **spent, **more)


def digest(*columns: Any) -> str:
    """A hash of columns, to compare what two sides ended with."""
    total = hashlib.blake2b(digest_size=16)
    for column in columns:
        assert column.dtype == np.int64
        total.update(np.ascontiguousarray(column))
    return total.hexdigest()
