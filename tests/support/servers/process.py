"""A server as a process that tests start, kill, pause and start again."""

from __future__ import annotations

import abc
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from support.servers.ports import HOST, PortLease
from support.servers.watchdog import watchdog

START_S = 60.0
STOP_S = 30.0
TAIL_BYTES = 4_000


class ServerError(Exception):
    """A server did not do what was asked; the message ends with what it logged last."""


class Server(abc.ABC):
    """One server on 127.0.0.1, with a folder and a port that stay its own until `close`.

    A constructor starts nothing; a ``with`` block starts the server, and closes it at the end.
    """

    NAME: ClassVar[str]
    READY: ClassVar[str]
    """What the server logs once it can be used (a regular expression)."""

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._ports: list[PortLease] = []
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._logged = threading.Condition()
        self._logging = False
        self._run_begin = 0  # where in the log the present run begins

    @abc.abstractmethod
    def command(self) -> list[str]:
        """The command that runs the server in the foreground, logging to standard output."""

    @property
    def folder(self) -> Path:
        """Everything the server has on disk; removed by `close`."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"{self.NAME}-", dir=self._parent))
            watchdog().made(self._folder)
        return self._folder

    @property
    def log_file(self) -> Path:
        return self.folder / "log.txt"

    @property
    def port(self) -> int:
        return self._port(0)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_s: float = START_S) -> None:
        """Start, or start again on the same data and port; returns when it can be used."""
        self.launch()
        self.wait_for_log(self.READY, timeout_s=timeout_s)

    def launch(self) -> None:
        """Start without waiting."""
        if self.running:
            raise ServerError(f"{self.NAME} runs already")
        self._reap()
        command = self.command()
        log = self.log_file.open("ab")
        self._run_begin = log.tell()
        # A group of its own, so that Ctrl-C reaches the tests and not what they use.
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watchdog().started(self._process.pid)
        assert self._process.stdout is not None
        self._logging = True
        self._pump = threading.Thread(
            target=self._copy, args=(self._process.stdout, log), name=f"{self.NAME} log"
        )
        self._pump.start()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Ask it to end (SIGTERM) and wait until it has."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._error(f"did not stop within {timeout_s:g} s") from None
        self._reap()

    def kill(self) -> None:
        """End it at once (SIGKILL), paused or not."""
        self._running().kill()
        self._reap()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, self.pid, os.WCONTINUED)

    def close(self) -> None:
        """Kill it if it runs, remove its data, give its ports back."""
        if self.running:
            self.kill()
        self._reap()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            watchdog().removed(self._folder)
            self._folder = None
        for lease in self._ports:
            lease.close()
        self._ports.clear()

    def log_position(self) -> int:
        """Where the log ends now: the `after` of a later `wait_for_log`."""
        return self.log_file.stat().st_size

    def wait_for_log(
        self, pattern: str, *, after: int | None = None, timeout_s: float = START_S
    ) -> re.Match[str]:
        """Wait for a line that matches, of this run or `after` a position in the log."""
        position = self._run_begin if after is None else after
        deadline = time.monotonic() + timeout_s
        wanted = re.compile(pattern)
        with self._logged, self.log_file.open("rb") as log:
            while True:
                ended = not self._logging
                log.seek(position)
                for line in log:
                    if match := wanted.search(line.decode(errors="replace")):
                        return match
                    position += len(line)
                left = deadline - time.monotonic()
                if ended or left <= 0:
                    what = "ended" if ended else f"ran {timeout_s:g} s"
                    raise self._error(f"{what} and did not log {pattern!r}")
                self._logged.wait(left)

    def log_tail(self, size: int = TAIL_BYTES) -> str:
        """The end of what it logged."""
        if self._folder is None or not self.log_file.exists():
            return ""
        return self.log_file.read_bytes()[-size:].decode(errors="replace")

    def memory_mb(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    def cpu_s(self) -> float:
        """Processor time that the present run has taken, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _port(self, index: int) -> int:
        while len(self._ports) <= index:
            self._ports.append(PortLease.take())
        return self._ports[index].number

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise self._error("does not run")
        return self._process

    def _reap(self) -> None:
        if self._process is None:
            return
        self._process.wait()
        if self._pump is not None:
            self._pump.join()
        watchdog().ended(self._process.pid)
        self._process = None
        self._pump = None

    def _copy(self, source: IO[bytes], log: IO[bytes]) -> None:
        with source, log:
            for line in source:
                with self._logged:
                    log.write(line)
                    log.flush()
                    self._logged.notify_all()
        with self._logged:
            self._logging = False
            self._logged.notify_all()

    def _error(self, what: str) -> ServerError:
        return ServerError(f"{self.NAME} {what}\n{self.log_tail()}")
