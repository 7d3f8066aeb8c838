"""Processes by number and start time, so that a reused number is never taken for the old one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STAT_STATE, _STAT_START = 0, 19  # fields 3 and 22 of /proc/PID/stat, after the name
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, once and for all: its number and an opaque mark of when it started."""

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """The process that has this number now; `None` if none has, or it is dead but not reaped."""
    if not 0 < pid < 1 << 31:
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _identify_by_ps(pid)
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if len(fields) <= _STAT_START or fields[_STAT_STATE] in "ZX":
        return None
    return ProcessId(pid, f"{_boot_id()}:{fields[_STAT_START]}")


def is_running(process: ProcessId) -> bool:
    """Whether it still runs (a stopped one does)."""
    return identify(process.pid) == process


def command_names(pid: int, text: str) -> bool:
    """Whether `text` is one of the arguments that the process was started with."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        if Path("/proc/self/cmdline").exists():
            return False
        return f" {text} " in f" {_ps(pid, 'args=')} "
    return os.fsencode(text) in arguments


async def kill(process: ProcessId, timeout_s: float = 10.0) -> bool:
    """SIGKILL it and wait until it is gone.

    Returns
    -------
    bool
        Whether it is gone; false only if the system does not let us, or takes too long.
    """
    if is_running(process):
        with contextlib.suppress(OSError):
            os.kill(process.pid, signal.SIGKILL)
    return await gone(process, timeout_s)


async def gone(process: ProcessId, timeout_s: float) -> bool:
    """Wait until it has ended; false if it has not in time."""
    for _ in range(int(timeout_s / _POLL_S) + 1):
        if not is_running(process):
            return True
        await asyncio.sleep(_POLL_S)
    return False


def spawn(argv: Sequence[str], log: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process that outlives us and that our terminal's Ctrl-C does not reach.

    Parameters
    ----------
    argv : sequence of str
        The executable and its arguments.
    log : Path
        Receives (from its beginning, 0600) what the process writes.
    environ : mapping
        The process's environment.

    Raises
    ------
    OSError
        If it can not be started.
    """
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=dict(environ),
            start_new_session=True,
        )
    finally:
        os.close(out)
    # whoever started it must also reap it, even when no event loop runs any more
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "boot"


def _identify_by_ps(pid: int) -> ProcessId | None:
    state, _, started = _ps(pid, "state=,lstart=").partition(" ")
    if not started or state.startswith("Z"):
        return None
    return ProcessId(pid, started.strip())


def _ps(pid: int, columns: str) -> str:
    done = subprocess.run(
        ["ps", "-o", columns, "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""
