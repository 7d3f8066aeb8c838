"""The configuration file: found, read, and not yet understood."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from tradercast.errors import UsageError
from tradercast.private import has_secret, refuse_open

ENV_CONFIG = "TRADERCAST_CONFIG"
_FILE = "tradercast.toml"
_MAX_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Config:
    """What a file says: settings of all commands, and a table for each command.

    Attributes
    ----------
    path : Path or None
        The file; None if there is none.
    values : mapping
        Its content.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(
        cls, path: str | Path | None = None, environ: Mapping[str, str] | None = None
    ) -> Config:
        """Read the file to use.

        Parameters
        ----------
        path : str or Path, optional
            What the user asked for; otherwise what ``TRADERCAST_CONFIG`` says, otherwise the
            platform's place for settings, where a file may be missing.
        environ : mapping, optional
            The environment (default ``os.environ``).

        Raises
        ------
        UsageError
            If it can not be read, is not TOML, or holds a password that others may read.
        """
        chosen = path or (os.environ if environ is None else environ).get(ENV_CONFIG)
        file = Path(chosen).expanduser() if chosen else default_path()
        try:
            with file.open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                text = stream.read(_MAX_FILE).decode("utf-8")
        except FileNotFoundError:
            if chosen:
                raise UsageError(f"there is no configuration file {file}") from None
            return cls()
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"the configuration file {file} can not be read: {why}") from None
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{file} is not TOML: {error}") from None
        if any(has_secret(each) for each in _texts(values)):
            refuse_open(file, mode)
        return cls(file, values)


def default_path() -> Path:
    """Where the file is looked for if nobody says where it is."""
    return Path(platformdirs.user_config_dir("tradercast", appauthor=False)) / _FILE


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
