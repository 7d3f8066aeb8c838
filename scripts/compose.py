"""What docker/compose.yaml says, as commands and environments of processes on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[1] / "docker" / "compose.yaml"
OURS = "tradercast"  # the image of our own services
_VARIABLE = re.compile(r"\$\{(\w+)(?::(-|\?)([^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """A service that runs a command of ours.

    Attributes
    ----------
    name : str
    command : list of str
        Behind ``tradercast``.
    environment : dict of str to str
    volumes : dict of str to str
        The volume of each path.
    ports : list of str
    after : list of str
        Services that have to be well first.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    volumes: dict[str, str]
    ports: list[str]
    after: list[str]


def load(path: Path = FILE) -> dict[str, Any]:
    """The file, as YAML gives it."""
    found = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def services(document: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Service]:
    """Our own services, with their variables filled in.

    Raises
    ------
    KeyError
        If a variable that is needed is not given; with what the file says about it.
    """
    return {
        name: Service(
            name,
            [_filled(word, variables) for word in found["command"]],
            {key: _filled(text, variables) for key, text in found["environment"].items()},
            {path: volume for volume, path in (text.split(":") for text in found["volumes"])},
            list(found.get("ports", ())),
            list(found.get("depends_on", ())),
        )
        for name, found in document["services"].items()
        if found["image"] == OURS
    }


def replaced(text: str, places: Mapping[str, str]) -> str:
    """The text with what only exists inside of containers replaced, the longest first."""
    for old in sorted(places, key=len, reverse=True):
        text = text.replace(old, places[old])
    return text


def _filled(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise KeyError(f"{name}: {rest}")
        return rest or ""

    return _VARIABLE.sub(value, str(text))
