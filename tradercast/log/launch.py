"""Starting the sidecar, while holding the lock, and saying why it does not start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradercast.errors import DiskFullError, SidecarError, TradercastError, UsageError
from tradercast.log import process
from tradercast.log.bridge import HUNG_S
from tradercast.log.lockfile import StartLock
from tradercast.log.node import find_node
from tradercast.log.runtime import MAX_SOCKET_PATH, sidecar_program, socket_path
from tradercast.paths import DataDir

_EXIT_SOCKET_SERVED, _EXIT_STORE_HELD = 3, 4
_RETRY_S, _RETRIES = 0.5, 20  # longer than a sidecar without clients lives
_POLL_S = 0.01
_MAX_FILE = 64 << 10
# Blocks lie outside of V8's heap, but for each 30 MB of them it would search all of the heap.
_NODE_OPTIONS = ("--initial-heap-size=128",)


@dataclass(frozen=True, slots=True)
class SidecarOptions:
    """How a sidecar is watched and started.

    Attributes
    ----------
    hung_s : float
        Seconds of silence after which it is taken for hung.
    start_s : float
        Seconds that it may take to open its store and listen.
    linger_ms : int, optional
        How long it stays after its last client; its own default otherwise.
    arguments : tuple of str
        More arguments for its command line.
    """

    hung_s: float = HUNG_S
    start_s: float = 60.0
    linger_ms: int | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SidecarNote:
    """The parts of ``sidecar.json`` that we need."""

    pid: int
    socket: Path


def read_note(data: DataDir) -> SidecarNote | None:
    """What the running sidecar says of itself; `None` if there is none, or nonsense."""
    try:
        with data.sidecar_json.open("rb") as file:
            note = json.loads(file.read(_MAX_FILE))
        pid, socket = note["pid"], note["socket"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(pid) is not int or type(socket) is not str or not 0 < len(socket) <= MAX_SOCKET_PATH:
        return None
    return SidecarNote(pid, Path(socket))


async def launch(
    data: DataDir, options: SidecarOptions, lock: StartLock, environ: Mapping[str, str]
) -> SidecarNote:
    """Start a sidecar and wait until it listens.

    Parameters
    ----------
    data : DataDir
        A data directory of which no sidecar is known to run.
    options : SidecarOptions
        Limits of time, and arguments.
    lock : StartLock
        Held by us; takes note of the new process.
    environ : mapping
        The environment.

    Raises
    ------
    NodeMissingError, DiskFullError, SidecarError
        If it does not start.
    """
    node = await asyncio.to_thread(find_node, environ)
    argv = [str(node.path), *_NODE_OPTIONS, str(sidecar_program()), "--data-dir", str(data.root)]
    argv += ["--socket", str(socket_path(data.root, environ))]
    if options.linger_ms is not None:
        argv += ["--linger-ms", str(options.linger_ms)]
    argv += options.arguments
    # NODE_OPTIONS and the like are for the user's own programs
    own = {name: value for name, value in environ.items() if not name.startswith("NODE_")}
    log = data.root / "sidecar.log"
    for _ in range(_RETRIES):
        with contextlib.suppress(FileNotFoundError):
            log.replace(log.with_name("sidecar.log.1"))  # why the last one died may be in it
        child = process.spawn(argv, log, own)
        identity = process.identify(child.pid)
        if identity is not None:
            lock.note(identity)
        note = await _listening(data, options, child)
        if note is not None:
            return note
        if child.returncode not in (_EXIT_SOCKET_SERVED, _EXIT_STORE_HELD):
            break
        # one that its starter could not note down any more; it ends for want of clients
        await asyncio.sleep(_RETRY_S)
    raise _failure(child.returncode, log)


async def _listening(
    data: DataDir, options: SidecarOptions, child: subprocess.Popen[bytes]
) -> SidecarNote | None:
    """Wait until it says where it listens; `None` if it has ended."""
    try:
        for _ in range(int(options.start_s / _POLL_S) + 1):
            if child.poll() is not None:
                return None
            note = read_note(data)
            if note is not None and note.pid == child.pid:
                return note
            await asyncio.sleep(_POLL_S)
    except BaseException:
        child.kill()  # cancelled: nobody waits for it any more
        raise
    child.kill()
    raise SidecarError(
        f"the sidecar was not ready within {options.start_s:g} s",
        hint=f"see {data.root / 'sidecar.log'}",
    )


def _failure(status: int | None, log: Path) -> TradercastError:
    try:
        with log.open("rb") as file:
            lines = file.read(_MAX_FILE).decode("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    reason = _reason(lines)
    if "ENOSPC" in reason or "No space left" in reason:
        return DiskFullError(f"the sidecar can not start: {reason}", hint="free some space")
    if "EACCES" in reason or "ermission denied" in reason:
        return UsageError(
            f"the sidecar can not start: {reason}", hint="check the data directory's permissions"
        )
    if status == _EXIT_STORE_HELD:
        reason = "another process holds its store"
    if status == _EXIT_SOCKET_SERVED:
        reason = "another process serves its socket"
    return SidecarError(
        f"the sidecar can not start (exit code {status}): {reason}", hint=f"see {log}"
    )


def _reason(lines: list[str]) -> str:
    for line in reversed(lines):
        try:
            entry: Any = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and isinstance(entry.get("msg"), str):
            detail = entry.get("error")
            return f"{entry['msg']}{f': {detail}' if isinstance(detail, str) else ''}"[:500]
    return lines[-1][:500] if lines else "it said nothing"
