"""Secrets in texts and in files: left out of the first, and only read from files of one's own."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from tradercast.errors import UsageError

_USER_INFO = re.compile(r"(\w+://)[^/@\s]*@")
_SETTING = re.compile(r"((?:password|secret)[\w.]*\s*[=:]\s*)[^\s,;]+", re.IGNORECASE)
_MAX_FILE = 64 << 10


def without_secrets(text: str) -> str:
    """The text without user names and passwords of addresses, and values of such settings."""
    return _SETTING.sub(r"\1…", _USER_INFO.sub(r"\1…@", text))


def has_secret(text: str) -> bool:
    """Whether there is something in a text that `without_secrets` takes out."""
    return without_secrets(text) != text


def read_private(path: Path) -> str:
    """The text of a file that holds a secret, without white space around it.

    Raises
    ------
    UsageError
        If others may read the file, or it is no short text.  No message holds any of it.
    """
    try:
        # The mode is asked of the open file, so that it can not be exchanged in between.
        with path.open("rb") as file:
            refuse_open(path, os.fstat(file.fileno()).st_mode)
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise UsageError(
            f"{path} can not be read: {error.strerror or error}", hint="check its permissions"
        ) from None
    try:
        if len(data) <= _MAX_FILE:
            return data.decode("utf-8").strip()
    except UnicodeError:
        pass  # outside of the handler: the cause would show the bytes
    raise UsageError(f"{path} holds no short text")


def refuse_open(path: Path, mode: int, wanted: str = "600") -> None:
    """Refuse what others may look at.

    Parameters
    ----------
    path : Path
        What the error names.
    mode : int
        Its ``st_mode``.
    wanted : str
        What to change it to, in octal digits.

    Raises
    ------
    UsageError
        If anybody but its owner has a right to it.
    """
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(
            f"{path} can be read or changed by other users", hint=f"run: chmod {wanted} {path}"
        )
