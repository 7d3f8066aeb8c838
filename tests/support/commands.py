"""Tradercast as its users run it: commands in processes of their own, a data directory each.

::

    with machine(tmp_path / "publisher") as publisher:
        publisher.publish(FILE, **BINANCE)
        serving = publisher.serve(bootstrap=network.addresses[0])
        serving.link                       # of its `ready` line
        serving.kill()                     # SIGKILL, its sidecar too
    # whatever still runs on the data directory has been ended

Whatever fails says what the command printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.directories import ROOT

from tradercast.log.process import ProcessId, command_names, identify, is_running

HOST = "127.0.0.1"
BINANCE = {
    "exchange": "binance",
    "symbol": "btcusdt",
    "columns": "ts_event=timestamp_ms:ms,price=price,size=quantity",
}
"""How to publish the shared Binance file."""
EPHEMERAL = f"{HOST}:0"
TIMEOUT_S = 60.0

Line = dict[str, Any]


class Command:
    """One running ``tradercast … --json``; made by `Machine.start`."""

    stdin = subprocess.DEVNULL

    def __init__(self, arguments: list[str], environ: Mapping[str, str], errors: Path) -> None:
        self.arguments = arguments
        self.lines: list[Line] = []  # all that were read so far
        self._errors = errors
        self._ahead: queue.Queue[Line | None] = queue.Queue()
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *self.argv()],
                stdin=self.stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=dict(environ),
                cwd=errors.parent,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def argv(self) -> list[str]:
        """What Python is given."""
        return ["-m", "tradercast", *self.arguments, "--json"]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stderr(self) -> str:
        """What it wrote there so far."""
        return self._errors.read_text("utf-8", "replace")

    def line(self, timeout_s: float = TIMEOUT_S) -> Line:
        """The next line that it prints; fails if it ends, or says nothing for so long."""
        line = self._next(timeout_s)
        assert line is not None, self._story(f"ended with {self.process.wait()}")
        return line

    def event(self, name: str, timeout_s: float = TIMEOUT_S) -> Line:
        """The next line that is this event; lines before it are passed over."""
        until = time.monotonic() + timeout_s
        while True:
            line = self.line(max(0.0, until - time.monotonic()))
            if line.get("event") == name:
                return line

    def result(self, code: int = 0, timeout_s: float = TIMEOUT_S) -> list[Line]:
        """All lines, when it has ended with this exit code by itself."""
        until = time.monotonic() + timeout_s
        while self._next(max(0.0, until - time.monotonic())) is not None:
            pass
        found = self.process.wait(max(1.0, until - time.monotonic()))
        assert found == code, self._story(f"ended with {found}, not {code}")
        assert "Traceback" not in self.stderr, self._story("printed a traceback")
        return self.lines

    def error(self, code: int, timeout_s: float = TIMEOUT_S) -> Line:
        """The error that it ends with, under this exit code: its code, message and hint."""
        lines = self.result(code, timeout_s)
        assert lines, self._story("printed no error")
        assert "error" in lines[-1], self._story("printed no error")
        return dict(lines[-1]["error"])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, and wait; its sidecar lives on for a moment (`Machine.kill` ends both)."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        """End it in any way, and let go of its pipe."""
        self.kill()
        self._reader.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _next(self, timeout_s: float) -> Line | None:
        try:
            line = self._ahead.get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError(self._story("said nothing more in time")) from None
        if line is None:
            self._ahead.put(None)  # the end stays the end
        else:
            self.lines.append(line)
        return line

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for text in self.process.stdout:
                self._ahead.put(json.loads(text))
        except ValueError as error:  # no JSON, or closed under our feet
            self._ahead.put({"not_json": str(error)})
        finally:
            self._ahead.put(None)

    def _story(self, what: str) -> str:
        shown = "\n".join(json.dumps(line)[:2000] for line in self.lines[-20:])
        command = " ".join(self.arguments)
        return f"`tradercast {command}` {what}\n{shown}\n--- stderr\n{self.stderr[-4000:]}"


class Script(Command):
    """A running program of the tests that is told what to do; made by `Machine.start_script`."""

    stdin = subprocess.PIPE

    def argv(self) -> list[str]:
        return self.arguments

    def tell(self, order: Line) -> None:
        """Write a line of JSON to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()


class Serving(Command):
    """A running ``tradercast serve`` that has said that it is ready."""

    ready: Line

    @property
    def link(self) -> str:
        return str(self.ready["link"])

    @property
    def dht(self) -> str:
        return str(self.ready["dht"])

    @property
    def peer(self) -> str:
        return str(self.ready["peer"])

    def link_by(self, bootstrap: str) -> str:
        """The link as somebody gives it who knows another directory node than this one."""
        return f"{self.link.partition('?')[0]}?bootstrap={bootstrap}"


@dataclass
class Machine:
    """A data directory and the commands that run on it; made by `machine`."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return self.root / "data"

    def start(self, *arguments: object, environ: Mapping[str, str] | None = None) -> Command:
        """Start a command and go on."""
        return self._start(Command, arguments, environ or {})

    def start_script(self, script: Path, *arguments: object) -> Script:
        """Start a program of the tests, which gets the data directory as its first argument."""
        paths = f"{ROOT / 'tests'}{os.pathsep}{self.environ['PYTHONPATH']}"
        given = (script, self.data_dir, *arguments)
        script_started: Script = self._start(Script, given, {"PYTHONPATH": paths})
        return script_started

    def run(self, *arguments: object, code: int = 0, timeout_s: float = TIMEOUT_S) -> list[Line]:
        """Run a command to its end, which must be this exit code; returns its lines."""
        return self.start(*arguments).result(code, timeout_s)

    def fails(self, code: int, *arguments: object, timeout_s: float = TIMEOUT_S) -> Line:
        """Run a command that must end with this exit code and an error; returns the error."""
        return self.start(*arguments).error(code, timeout_s)

    def publish(
        self, *files: Path, exchange: str = "bitfinex", symbol: str = "btcusd", **options: object
    ) -> Line:
        """Publish files, ``publish(FILE, **BINANCE)``; returns the `published` line."""
        lines = self.run(
            "publish", *files, "--exchange", exchange, "--symbol", symbol, *_options(options)
        )
        return next(line for line in lines if line.get("event") == "published")

    def serve(self, *arguments: object, **options: object) -> Serving:
        """Serve on free ports of the loopback interface, and wait until it is ready.

        Options are keywords: ``bootstrap="127.0.0.1:7341"``, ``no_dht=True``, lists for
        repeatable ones.
        """
        [serving] = serve_all([self], *arguments, **options)
        return serving

    def sync(self, *arguments: object, code: int = 0, timeout_s: float = TIMEOUT_S) -> Line:
        """Sync one feed; returns the `synced` line."""
        lines = self.run("sync", *arguments, code=code, timeout_s=timeout_s)
        [line] = [line for line in lines if line.get("event") == "synced"]
        return line

    def verify(self) -> list[Line]:
        """Check everything that is held: exit code 0, or it fails."""
        lines = self.run("verify")
        assert lines, "there was nothing to verify"
        assert all(line["verified"] for line in lines)
        return lines

    def sidecar(self) -> ProcessId | None:
        """The sidecar that runs on this data directory now."""
        try:
            pid = json.loads((self.data_dir / "sidecar.json").read_bytes())["pid"]
        except (OSError, ValueError, KeyError):
            return None
        process = identify(pid)
        return process if process and command_names(pid, str(self.data_dir)) else None

    def kill_sidecar(self) -> bool:
        """SIGKILL the sidecar; whether there was one."""
        process = self.sidecar()
        if process is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not is_running(process), 10, "the killed sidecar is still there")
        return True

    def kill(self) -> None:
        """SIGKILL everything that runs here, as when the plug is pulled."""
        for command in self.commands:
            command.kill()
        self.kill_sidecar()

    def rest(self, timeout_s: float = 15) -> None:
        """Have the sidecar end in order, as it does by itself 5 s after the last command."""
        process = self.sidecar()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            wait_until(lambda: not is_running(process), timeout_s, "the sidecar does not end")

    def close(self) -> None:
        """End everything that was started here and still runs."""
        for command in self.commands:
            command.close()
        self.kill_sidecar()

    def _start(
        self, kind: type[Any], arguments: tuple[object, ...], more: Mapping[str, str]
    ) -> Any:
        environ = {**self.environ, **more}
        errors = self.root / f"stderr-{len(self.commands)}.txt"
        command = kind([str(argument) for argument in arguments], environ, errors)
        self.commands.append(command)
        return command


@contextlib.contextmanager
def machine(root: Path) -> Iterator[Machine]:
    """A machine of its own below an existing or new directory; all ends with the block."""
    root.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if "TRADERCAST" not in name}
    environ = kept | {
        "HOME": str(root),
        "TRADERCAST_DATA_DIR": str(root / "data"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    if "TRADERCAST_NODE" in os.environ:
        environ["TRADERCAST_NODE"] = os.environ["TRADERCAST_NODE"]
    made = Machine(root, environ)
    try:
        yield made
    finally:
        made.close()


def serve_all(machines: Iterable[Machine], *arguments: object, **options: object) -> list[Serving]:
    """Serve on several machines at the same time; as `Machine.serve`."""
    options = {"listen": EPHEMERAL, "dht": EPHEMERAL} | options
    started = [m._start(Serving, ("serve", *arguments, *_options(options)), {}) for m in machines]
    for command in started:
        command.ready = command.event("ready")
    return started


def wait_until(
    condition: Any, timeout_s: float = 30.0, complaint: str | Callable[[], str] = "it never came"
) -> None:
    """Look again and again until `condition()` holds: for what tells nobody that it happened."""
    until = time.monotonic() + timeout_s
    while not condition():
        late = time.monotonic() >= until
        assert not late, complaint() if callable(complaint) else complaint
        time.sleep(0.02)


def unused_address() -> str:
    """A ``HOST:PORT`` of loopback where nobody listened a moment ago."""
    with socket.create_server((HOST, 0)) as server:
        return address(server.getsockname())


def address(of: tuple[str, int]) -> str:
    """``HOST:PORT``."""
    return f"{of[0]}:{of[1]}"


def _options(options: Mapping[str, object]) -> Iterator[str]:
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is True:
                yield flag
            elif each is not None and each is not False:
                yield from (flag, str(each))
