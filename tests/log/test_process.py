"""Processes: known by number and start, ended for good; the lock between starters."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tradercast.errors import SidecarError
from tradercast.log import process
from tradercast.log.lockfile import start_lock
from tradercast.log.runtime import MAX_SOCKET_PATH, socket_path

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_we_are_running_and_a_wrong_start_is_somebody_else() -> None:
    ourselves = process.identify(os.getpid())
    assert ourselves is not None
    assert process.is_running(ourselves)
    assert not process.is_running(process.ProcessId(os.getpid(), "earlier"))


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**22 + 12345])
def test_numbers_that_nobody_has(pid: int) -> None:
    assert process.identify(pid) is None


async def test_a_stopped_process_is_ended(tmp_path: Path) -> None:
    child = process.spawn(SLEEPER, tmp_path / "log", os.environ)
    identity = process.identify(child.pid)
    assert identity is not None
    os.kill(child.pid, signal.SIGSTOP)
    assert process.is_running(identity)

    assert await process.kill(identity)
    assert process.identify(child.pid) is None


async def test_a_dead_child_that_nobody_reaped_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        identity = process.identify(child.pid)
        assert identity is None or await process.gone(identity, 30.0)


async def test_what_it_writes_is_in_a_log_of_ours_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("from an earlier run")
    child = process.spawn([sys.executable, "-c", "print('hello')"], log, os.environ)
    await asyncio.to_thread(child.wait)
    assert log.read_text() == "hello\n"


async def test_it_has_a_session_of_its_own_and_known_arguments(tmp_path: Path) -> None:
    child = process.spawn(SLEEPER, tmp_path / "log", os.environ)
    identity = process.identify(child.pid)
    assert identity is not None
    try:
        assert os.getsid(child.pid) == child.pid
        assert process.command_names(child.pid, "import time; time.sleep(60)")
        assert not process.command_names(child.pid, "import time")
    finally:
        await process.kill(identity)


async def test_the_lock_has_one_holder_and_its_note_outlives_him(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.lock"
    async with start_lock(path, 1.0) as first:
        assert first.started() is None
        first.note(process.ProcessId(4711, "then"))
        with pytest.raises(SidecarError, match="another process"):
            async with start_lock(path, 0.1):
                pass
    async with start_lock(path, 1.0) as second:
        assert second.started() == process.ProcessId(4711, "then")
        second.note(process.ProcessId(1, "x"))
        assert second.started() == process.ProcessId(1, "x")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("note", [b"", b"{", b"[1]", b'{"pid": "1", "started": 2}', b"\xff" * 50])
async def test_a_broken_note_is_no_note(tmp_path: Path, note: bytes) -> None:
    (tmp_path / "lock").write_bytes(note)
    async with start_lock(tmp_path / "lock", 1.0) as lock:
        assert lock.started() is None


def test_the_socket_is_short_private_and_one_per_data_directory(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    deep = tmp_path / ("x" * 200)

    path = socket_path(deep, environ)

    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert socket_path(deep, environ) == path
    assert socket_path(tmp_path / "y", environ) != path


def test_a_long_runtime_directory_is_passed_over(tmp_path: Path) -> None:
    long = tmp_path / ("r" * 100)
    long.mkdir()
    path = socket_path(tmp_path, {"XDG_RUNTIME_DIR": str(long)})
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH
    assert long not in path.parents
