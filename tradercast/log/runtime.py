"""Where the sidecar's program and its socket are."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tradercast.errors import SidecarError

MAX_SOCKET_PATH = 100
"""Bytes of a socket's path; the systems' own limits are 104 and 108."""


def sidecar_program() -> Path:
    """The sidecar's ``index.js``: beside the package in a wheel, else in the checkout.

    Raises
    ------
    SidecarError
        If neither is there or its packages are not installed.
    """
    package = Path(__file__).resolve().parents[1]
    places = (package / "_sidecar", package.parent / "node_bridge")
    for place in places:
        if (place / "index.js").is_file():
            if not (place / "node_modules" / "hypercore").is_dir():
                raise SidecarError(
                    f"the sidecar's packages are not installed in {place}",
                    hint=f"run 'npm ci --prefix {place}', or 'make' in the checkout",
                )
            return place / "index.js"
    raise SidecarError(
        f"the sidecar is not in {places[0]}",
        hint="install Tradercast again: its package is incomplete",
    )


def socket_path(data_dir: Path, environ: Mapping[str, str]) -> Path:
    """A short path for the socket of a data directory, in a directory only we can enter.

    Raises
    ------
    SidecarError
        If no such directory can be made.
    """
    name = hashlib.blake2b(os.fsencode(data_dir.resolve()), digest_size=10).hexdigest() + ".sock"
    private = f"tradercast-{os.getuid()}"
    places = [Path(tempfile.gettempdir()) / private, Path("/tmp") / private]  # noqa: S108
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        places.insert(0, Path(runtime) / "tradercast")
    problem = "every path is too long"
    for place in places:
        if len(os.fsencode(place / name)) > MAX_SOCKET_PATH:
            continue
        try:
            _make_private(place)
        except OSError as error:
            problem = f"{place}: {error.strerror or error}"
            continue
        return place / name
    raise SidecarError(
        f"there is no place for the sidecar's socket ({problem})",
        hint="set XDG_RUNTIME_DIR to a directory of your own with a short path",
    )


def _make_private(place: Path) -> None:
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(0, "it belongs to somebody else")
    if found.st_mode & 0o077:
        place.chmod(0o700)
