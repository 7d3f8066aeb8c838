"""The MongoDB and Kafka of `make servers`, started as docker/compose.yaml says, on this machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

HOST = "127.0.0.1"
_START_S = 90.0
_STOP_S = 30.0


class MissingError(Exception):
    """A server is not installed."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback interface that nobody had a moment ago."""
    with socket.socket(socket.AF_INET, kind) as trial:
        trial.bind((HOST, 0))
        return int(trial.getsockname()[1])


@contextlib.asynccontextmanager
async def mongodb(service: Mapping[str, Any], folder: Path) -> AsyncIterator[str]:
    """Run the file's mongod as a replica set of one; yields its ``host:port``.

    Parameters
    ----------
    service : mapping
        Of the compose file.
    folder : Path
        Where its data and its log go.
    """
    data, port = folder / "mongo", free_port()
    data.mkdir()
    arguments = [word if word != "0.0.0.0" else HOST for word in service["command"][1:]]  # noqa: S104
    command = [str(_installed("mongod-*/mongod")), *arguments, "--port", str(port)]
    command += ["--dbpath", str(data), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
    async with _running(command, folder / "mongo.log"):
        client: AsyncMongoClient[Any] = AsyncMongoClient(HOST, port, directConnection=True)
        members = [{"_id": 0, "host": f"{HOST}:{port}"}]
        try:
            async with asyncio.timeout(_START_S):
                await client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
                while not (await client.admin.command("hello"))["isWritablePrimary"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except (PyMongoError, TimeoutError) as error:
            raise MissingError(f"mongod does not start: {error}") from None
        finally:
            await client.close()
        yield f"{HOST}:{port}"


@contextlib.asynccontextmanager
async def kafka(service: Mapping[str, Any], folder: Path) -> AsyncIterator[str]:
    """Run the file's broker; yields its ``host:port``.

    Parameters
    ----------
    service : mapping
        Of the compose file.
    folder : Path
        Where its data and its log go.
    """
    data, port, controller = folder / "kafka", free_port(), free_port()
    data.mkdir()
    settings = {
        key.removeprefix("KAFKA_").lower().replace("_", "."): value
        for key, value in service["environment"].items()
    } | {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": str(data),
        "group.initial.rebalance.delay.ms": "0",
    }
    name = base64.urlsafe_b64encode(b"\x01" + secrets.token_bytes(15)).decode().rstrip("=")
    (data / "meta.properties").write_text(
        f"version=1\ncluster.id=demo\nnode.id=1\ndirectory.id={name}\n"
    )
    file = folder / "kafka.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    jars = _installed("kafka-*/jars")
    java = shutil.which("java")
    if java is None:
        raise MissingError("there is no Java; run: make servers")
    command = [java, "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    command += ["-cp", f"{jars}/*", "kafka.Kafka", str(file)]
    async with _running(command, folder / "kafka.log"):
        await _answers(port, folder / "kafka.log")
        yield f"{HOST}:{port}"


def _installed(pattern: str) -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    chosen = os.environ.get("TRADERCAST_SERVERS")
    cache = Path(chosen) if chosen else base / "tradercast" / "servers"
    found = sorted(cache.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise MissingError(f"{pattern.partition('-')[0]} is not installed; run: make servers")
    return found[-1]


@contextlib.asynccontextmanager
async def _running(command: list[str], log: Path) -> AsyncIterator[None]:
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=log.parent,
            start_new_session=True,  # Ctrl-C is for the demo, which ends them in order
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answers(port: int, log: Path) -> None:
    try:
        async with asyncio.timeout(_START_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(HOST, port)
                    writer.close()
                    return
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise MissingError(f"the server does not start: see {log}") from None
