"""Is everything installed that Tradercast runs on?"""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import tradercast
from tradercast.chunks import ENCODER
from tradercast.cli.checks.check import Check
from tradercast.errors import TradercastError
from tradercast.log.node import find_node
from tradercast.log.runtime import sidecar_program

PACKAGES = ("aiohttp", "kademlia", "msgpack", "numpy", "pcodec", "pynacl", "rich", "typer")
EXTRAS = ("pandas", "polars", "pyarrow")
_SHOWN = ("hypercore", "corestore", "@hyperswarm/secret-stream")
_PLATFORMS = "native parts exist for glibc 2.35 or newer, and macOS 13 or newer, on x64 and arm64"


def python() -> Check:
    """Tradercast and the Python it runs on."""
    versions = {"tradercast": tradercast.__version__, "python": platform.python_version()}
    folder = Path(tradercast.__file__).parent
    text = f"tradercast {versions['tradercast']}, Python {versions['python']}, {folder}"
    return Check("python", True, text, details={**versions, "path": folder})


def packages() -> Check:
    """The Python packages that are always needed, with the versions that are pinned."""
    found = {name: _version(name) for name in PACKAGES}
    missing = [name for name, version in found.items() if version is None]
    pinned = _pinned()
    other = [
        f"{name} {found[name]} instead of {version}"
        for name, version in pinned.items()
        if found.get(name) not in {None, version}
    ]
    shown = ", ".join(f"{name} {version or 'missing'}" for name, version in found.items())
    return Check(
        "packages",
        not missing and not other,
        "; ".join([*other, f"{shown}; encoder {ENCODER}"]),
        "run: pip install --upgrade --force-reinstall tradercast",
        {"versions": found, "encoder": ENCODER},
    )


def extras() -> Check:
    """The optional packages."""
    found = {name: _version(name) for name in EXTRAS}
    missing = [name for name, version in found.items() if version is None]
    return Check(
        "extras",
        None if missing else True,
        ", ".join(f"{name} {version or 'not installed'}" for name, version in found.items()),
        f"if you want them: pip install {' '.join(missing)}" if missing else None,
        {"versions": found},
    )


def node() -> Check:
    """The Node.js that the sidecar is run on."""
    try:
        found = find_node()
    except TradercastError as error:
        return _failed("node", error)
    return Check(
        "node",
        True,
        f"{found.version} from {found.source}, {found.path}",
        details={"version": found.version, "source": found.source, "path": found.path},
    )


def sidecar() -> Check:
    """The sidecar's program, its npm packages, and whether their native parts load here."""
    try:
        program = sidecar_program()
        runtime = find_node()
    except TradercastError as error:
        return _failed("sidecar", error)
    folder = program.parent
    versions: dict[str, str] = {}
    wrong: list[str] = []
    for name, wanted in _manifest(folder).get("dependencies", {}).items():
        versions[name] = str(_manifest(folder / "node_modules" / name).get("version", "missing"))
        if versions[name] != wanted:
            wrong.append(f"{name} is {versions[name]} instead of {wanted}")
    failure = "" if wrong else _load_failure(runtime.path, folder)
    shown = ", ".join(f"{name} {versions[name]}" for name in _SHOWN if name in versions)
    return Check(
        "sidecar",
        not wrong and not failure,
        "; ".join(wrong) or failure or f"{shown}, {program}",
        f"run: npm ci --ignore-scripts --prefix {folder}" if wrong else _PLATFORMS,
        {"path": program, "versions": versions},
    )


def _load_failure(node: Path, folder: Path) -> str:
    """Why the native parts of the sidecar's packages do not load; empty if they do."""
    program = "require('hypercore'); require('corestore')"
    try:
        done = subprocess.run(
            [str(node), "-e", program],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Node.js does not run: {error}"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    reason = next((line for line in lines if "Error" in line), f"exit code {done.returncode}")
    return f"its packages do not load: {reason.strip()[:300]}"


def _failed(name: str, error: TradercastError) -> Check:
    return Check(name, False, error.message, error.hint)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pinned() -> dict[str, str]:
    """The packages of which only one version will do."""
    try:
        wanted = metadata.requires("tradercast") or []
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return {}
    pairs = (text.split(";")[0].strip().partition("==") for text in wanted)
    return {name: version for name, _, version in pairs if version}


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "package.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
