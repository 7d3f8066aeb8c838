"""Small files that are whole or not there, also after the power failed."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradercast.errors import DiskFullError, FormatError, TradercastError, UsageError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def replace_file(path: Path, data: bytes) -> None:
    """Give `path` this content, in one step and on the disk when this returns (mode 0600).

    Raises
    ------
    DiskFullError
        If there is no room; the old content stays.
    UsageError
        If the directory can not be written.
    """
    with os_errors(path), _temporary(path, data) as temporary:
        temporary.replace(path)
        sync_directory(path.parent)


def create_file(path: Path, data: bytes) -> bool:
    """Make `path` with this content unless it exists; nobody ever sees a part of it (mode 0600).

    Returns
    -------
    bool
        Whether it was made; `False` leaves what was there.

    Raises
    ------
    DiskFullError, UsageError
        As `replace_file`.
    """
    with os_errors(path), _temporary(path, data) as temporary:
        try:
            # Unlike a rename, a link fails where the name is taken.
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        temporary.unlink()
        sync_directory(path.parent)
        return True


def read_limited(path: Path, limit: int) -> bytes | None:
    """The content of a file, or `None` if there is none.

    Raises
    ------
    FormatError
        If it holds more than `limit` bytes.
    UsageError
        If it can not be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"{path} can not be read: {error.strerror or error}", hint="check its permissions"
        ) from None
    if len(data) > limit:
        raise FormatError(f"{path} is larger than such a file can be")
    return data


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, so that reading and then replacing a file is one step.

    Taken by processes and threads of this user alike; meant for moments, not for waiting.
    """
    with os_errors(directory):
        fd = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Bring the names in a directory to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about `path` into `DiskFullError` or `UsageError`."""
    try:
        yield
    except OSError as error:
        raise _translated(path, error) from None


def _translated(path: Path, error: OSError) -> TradercastError:
    text = f"{path} can not be written: {error.strerror or error}"
    if error.errno in _FULL:
        return DiskFullError(text, hint="free some space and run it again; nothing was lost")
    return UsageError(text, hint="choose a data directory that this user can write to")
