"""What is in the data directory, and who is at work on it?"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from tradercast import z32
from tradercast.cli import text
from tradercast.cli.checks.check import Check
from tradercast.config import Config, default_path
from tradercast.errors import TradercastError
from tradercast.feed.identity import PUBLISHER_FILE, load_public
from tradercast.log import frames
from tradercast.log.sidecar import PROTOCOL
from tradercast.paths import ENV_DATA_DIR, DataDir
from tradercast.timerange import format_time_ns

LOW_BYTES = 1_000_000_000
_MAX_FILE = 64 << 10
_PATIENCE_S = 5.0


def data_directory(data: DataDir) -> Check:
    """The data directory: is it there, can it be written, is there room?"""
    place = data.root
    while not place.exists() and place != place.parent:
        place = place.parent
    details: dict[str, Any] = {"path": data.root, "exists": place == data.root}
    choose = f"choose another with --data-dir or {ENV_DATA_DIR}"
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        found = f"{data.root} can not be written"
        return Check("data directory", False, found, choose, {**details, "writable": False})
    free = shutil.disk_usage(place).free
    state = "exists" if details["exists"] else "will be made when it is needed"
    return Check(
        "data directory",
        free >= LOW_BYTES,
        f"{data.root} {state}, {text.size(free)} free",
        f"make room, or {choose}" if free < LOW_BYTES else None,
        {**details, "writable": True, "free_bytes": free},
    )


def configuration(config: Config) -> Check:
    """The settings' file; one that is wrong has ended the program before."""
    if config.path is None:
        place = default_path()
        return Check(
            "configuration", None, f"no file; {place} would be one", details={"path": None}
        )
    tables = [key for key, value in config.values.items() if isinstance(value, dict)]
    shown = f", with {', '.join(f'[{table}]' for table in tables)}" if tables else ""
    details = {"path": config.path, "tables": tables}
    return Check("configuration", True, f"{config.path} was read{shown}", details=details)


def identity(data: DataDir) -> Check:
    """The publisher's keys, which only publishing needs."""
    if not (data.identity / PUBLISHER_FILE).exists():
        return Check("identity", None, "none; publishing makes one", details={"root": None})
    try:
        found = load_public(data.identity)
    except TradercastError as error:
        return Check("identity", False, error.message, error.hint)
    root = z32.encode(found.root)
    if found.delegation is not None and found.delegation.expires_ns <= time.time_ns():
        ended = format_time_ns(found.delegation.expires_ns)
        hint = "run `tradercast identity delegate` where the root key is"
        return Check("identity", False, f"the delegation of {root} ended {ended}", hint)
    place = "with its root key" if found.has_root else "its root key is kept elsewhere"
    details = {"root": root, "has_root": found.has_root}
    return Check("identity", True, f"{root}, {place}", details=details)


def running_sidecar(data: DataDir, patience_s: float = _PATIENCE_S) -> Check:
    """The sidecar that works on the data directory at this moment, if any; starts none."""
    name = "running sidecar"
    try:
        with data.sidecar_json.open("rb") as file:
            note = json.loads(file.read(_MAX_FILE))
        pid, address = int(note["pid"]), str(note["socket"])
    except FileNotFoundError:
        return Check(name, None, "none at the moment", details={"running": False})
    except (OSError, ValueError, KeyError, TypeError):
        return Check(
            name, False, f"{data.sidecar_json} can not be read", f"delete {data.sidecar_json}"
        )
    details = {"running": True, "pid": pid, "socket": address}
    try:
        versions = _hello(Path(address), patience_s)
    except (ConnectionRefusedError, FileNotFoundError):
        return Check(name, None, "none at the moment", details={**details, "running": False})
    except (OSError, ValueError, TradercastError) as error:
        return Check(
            name,
            False,
            f"process {pid} does not answer ({str(error) or type(error).__name__})",
            "the next command that needs it will replace it",
            details,
        )
    shown = ", ".join(f"{key} {value}" for key, value in versions.items())
    return Check(name, True, f"process {pid}, {shown}", details={**details, "versions": versions})


def _hello(address: Path, patience_s: float) -> dict[str, str]:
    """Greet whoever listens at `address`: the versions that it runs on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(patience_s)
        connection.connect(str(address))
        request = [frames.REQUEST, 1, "hello", {"protocol": PROTOCOL, "client": "doctor"}]
        connection.sendall(frames.encode(request))
        with connection.makefile("rb") as stream:
            length = int.from_bytes(stream.read(4), "little")
            if not 0 < length <= _MAX_FILE:
                raise ValueError("it closes the connection")
            answer = frames.decode(stream.read(length))
    match answer:
        case [frames.RESULT, 1, {"versions": dict(versions)}]:
            return {str(key): str(value) for key, value in versions.items()}
    raise ValueError("it speaks another protocol")
