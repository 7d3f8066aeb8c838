"""Our services of docker/compose.yaml as processes on this machine, each as its container runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.compose import Service, replaced, services
from scripts.local_servers import HOST, free_port

PATIENCE_S = 120.0
_AGAIN_S = 1.0
_INSIDE = {"7340": socket.SOCK_STREAM, "7341": socket.SOCK_DGRAM, "9340": socket.SOCK_STREAM}


class ChainError(Exception):
    """A service did not do what it should."""


class Chain:
    """Starts services, starts them again when they fail as the file says, and ends them.

    Parameters
    ----------
    document : mapping
        The compose file.
    folder : Path
        Where volumes and logs go.
    places : mapping of str to str
        What stands in the file, and what it is here: addresses, files.
    """

    def __init__(
        self, document: Mapping[str, Any], folder: Path, places: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.link = ""
        self.restarts = 0
        self._document = document
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._ports: dict[tuple[str, str], str] = {}
        self._places = dict(places)
        for name in ("feeder", "standby", "seeder", "collect", "listener"):
            for port, kind in _INSIDE.items():
                self._ports[name, port] = f"{HOST}:{free_port(kind)}"
                self._places[f"{name}:{port}"] = self._ports[name, port]

    def address(self, name: str, port: str) -> str:
        """Where a service's port is here."""
        return self._ports[name, port]

    def data(self, name: str) -> Path:
        """A service's data directory."""
        return self.folder / self._service(name).volumes["/data"]

    async def run(self, name: str) -> list[dict[str, Any]]:
        """Run a service that ends by itself; returns its JSON lines."""
        process = await self._start(name, "--json", stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        if process.returncode:
            raise ChainError(f"{name} ended with {process.returncode}: {self.log(name)}")
        return [json.loads(line) for line in out.splitlines()]

    async def up(self, name: str) -> None:
        """Start a service, and wait until it is well."""
        self._keepers[name] = asyncio.create_task(self._keep(name))
        await self.until(lambda: self.health(name) == 200, f"{name} is not well", name)

    async def kill(self, name: str) -> None:
        """SIGKILL a service and its sidecar, for good: the machine is lost."""
        self._keepers.pop(name).cancel()
        process = self._processes.pop(name)
        process.kill()
        with contextlib.suppress(OSError, ValueError, KeyError):
            note = json.loads((self.data(name) / "sidecar.json").read_text())
            os.kill(int(note["pid"]), signal.SIGKILL)
        await process.wait()

    async def down(self) -> dict[str, int | None]:
        """SIGTERM everything, the last first; the exit code of each."""
        for task in self._keepers.values():
            task.cancel()
        codes: dict[str, int | None] = {}
        for name, process in reversed(self._processes.items()):
            if process.returncode is None:
                process.terminate()
            try:
                codes[name] = await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                codes[name] = None
        self._processes.clear()
        return codes

    async def until(self, condition: Any, complaint: str, name: str | None = None) -> None:
        """Look again and again until `condition()` holds."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await asyncio.to_thread(condition):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except TimeoutError:
            story = "" if name is None else f"\n{self.log(name)}"
            raise ChainError(f"{complaint} after {PATIENCE_S:.0f} s{story}") from None

    def health(self, name: str) -> int:
        """The status of a service's health; 0 if it does not answer."""
        try:
            url = f"http://{self.address(name, '9340')}/health"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def metric(self, service: str, name: str, label: str = "") -> float:
        """The sum of a metric over the labels that have this in them; 0 if there is none yet."""
        return sum(
            float(line.rpartition(" ")[2])
            for line in self.metrics(service).splitlines()
            if line.startswith((f"{name} ", f"{name}{{")) and label in line
        )

    def metrics(self, service: str) -> str:
        """What a service tells Prometheus; nothing if it does not answer."""
        url = f"http://{self.address(service, '9340')}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def log(self, name: str) -> str:
        """The end of what a service logged."""
        with contextlib.suppress(OSError):
            return (self.folder / f"{name}.log").read_text("utf-8", "replace")[-3_000:]
        return ""

    def _service(self, name: str) -> Service:
        return services(self._document, {"TRADERCAST_LINK": self.link or "none"})[name]

    async def _keep(self, name: str) -> None:
        """As ``restart: on-failure``."""
        while True:
            process = self._processes[name] = await self._start(name)
            if await process.wait() == 0:
                return
            self.restarts += 1
            await asyncio.sleep(_AGAIN_S)

    async def _start(self, name: str, *more: str, stdout: int | None = None) -> Any:
        service = self._service(name)
        own = {f"0.0.0.0:{port}": at for (who, port), at in self._ports.items() if who == name} | {
            path: str(self.folder / volume) for path, volume in service.volumes.items()
        }
        places = {**self._places, **own, "/run/secrets/mongo": str(self.folder / "secret")}
        environment = {key: replaced(text, places) for key, text in service.environment.items()}
        environment.setdefault("TRADERCAST_DATA_DIR", str(self.data(name)))
        if "TRADERCAST_ADVERTISE" in environment:
            environment["TRADERCAST_ADVERTISE"] = HOST
        environment["XDG_RUNTIME_DIR"] = str(self.folder)
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith("TRADERCAST_")
        }
        if "TRADERCAST_NODE" in os.environ:
            kept["TRADERCAST_NODE"] = os.environ["TRADERCAST_NODE"]
        extra = {key: value for key, value in self._places.items() if key.startswith("TRADERCAST_")}
        with (self.folder / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tradercast"),
                *(replaced(word, places) for word in service.command),
                *more,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                env=kept | environment | extra,
                start_new_session=True,
            )
