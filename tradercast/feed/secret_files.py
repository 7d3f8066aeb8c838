"""Key files: 32 secret bytes as one line of z-base-32, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from tradercast import z32
from tradercast.durable import create_file
from tradercast.errors import UsageError
from tradercast.private import refuse_open

SEED_BYTES = 32
_MAX_FILE = 256


def make_secret_dir(directory: Path) -> None:
    """Make the directory (0700) unless it is there; raises as `check_secret_dir`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{directory} can not be made: {error.strerror or error}") from None
    check_secret_dir(directory)


def check_secret_dir(directory: Path) -> None:
    """Refuse a directory that others can look into.

    Raises
    ------
    UsageError
        If they can; a directory that does not exist is fine.
    """
    try:
        refuse_open(directory, directory.stat().st_mode, "700")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{directory} can not be read: {error.strerror or error}") from None


def read_seed(path: Path) -> bytes | None:
    """The 32 bytes of a key file, or `None` if there is none.

    Raises
    ------
    UsageError
        If others may read the file, or it is no key file.  What it holds
        is never part of the message.
    """
    try:
        # The mode is asked of the open file, so that it can not be exchanged in between.
        with path.open("rb") as file:
            refuse_open(path, os.fstat(file.fileno()).st_mode)
            data = file.read(_MAX_FILE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"the key file {path} can not be read: {error.strerror}", hint="check its permissions"
        ) from None
    try:
        return z32.decode_key(data.decode("ascii").strip())
    except ValueError:
        pass  # outside of the handler: the cause would show the bytes
    raise UsageError(
        f"{path} is not a key file", hint="restore it from a backup; it holds 52 characters"
    )


def create_seed(path: Path, seed: bytes | None = None) -> bytes:
    """The seed in the file, which is made with `seed` (default: random) unless it is there.

    Two processes that do this at once get the same one.
    """
    fresh = os.urandom(SEED_BYTES) if seed is None else seed
    if create_file(path, z32.encode(fresh).encode() + b"\n"):
        return fresh
    found = read_seed(path)
    if found is None:
        raise UsageError(f"the key file {path} went away while it was read")
    return found
