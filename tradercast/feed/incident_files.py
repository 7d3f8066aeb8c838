"""The files of incidents: written once, read and checked by anyone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradercast.durable import create_file, read_limited
from tradercast.errors import FormatError, UnknownVersionError
from tradercast.feed.checkpoints import (
    nodes_from_json,
    nodes_to_json,
    read_nodes,
    state_from_json,
    state_to_json,
)
from tradercast.feed.incidents import Incident, Side
from tradercast.timerange import NS_PER_S, format_time_ns

VERSION = 1
MAX_PER_LOG = 16
_MAX_FILE = 128 * 1024
_ABOUT = (
    "Both versions are signed by the key of one log: H(manifest) is the key, the signature covers "
    "the hash over the roots, the length and the fork. A log only grows, so its writer must never "
    "sign both. prefix: the roots of the first shared_length blocks; with the subtrees of extra "
    "they give the roots. docs/BRIDGE.md, 'Offline verification', states every hash."
)


class IncidentFiles:
    """The files of ``incidents/``.

    Parameters
    ----------
    directory : Path
        An existing directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, incident: Incident) -> Path:
        """Keep an incident.

        It is checked first, so that every file here is a proof.  One that is there already
        is not written again, and at most 16 are kept of a log: more would prove no more.

        Returns
        -------
        Path
            Its file, or the newest one of that log where there are enough.

        Raises
        ------
        VerificationError
            If it proves nothing.
        """
        text = incident.check()
        kept = self.of_log(incident.key)
        same = [path for path in kept if _same(path, incident)]
        if same or len(kept) >= MAX_PER_LOG:
            return (same or kept)[-1]
        data = json.dumps(_to_json(incident, text), indent=1).encode()
        number = 0
        while True:
            path = self._directory / _name(incident, number)
            if create_file(path, data):
                return path
            number += 1

    def of_log(self, key: bytes) -> list[Path]:
        """The files of one log, oldest first."""
        return sorted(self._directory.glob(f"*-{key.hex()[:8]}.json"))

    def all(self) -> list[Path]:
        """Every file, oldest first."""
        return sorted(self._directory.glob("*-????????.json"))


def read_incident(path: Path) -> Incident:
    """Read anyone's file; `Incident.check` then says whether it proves something.

    Raises
    ------
    FormatError
        If it is no incident file.
    """
    data = read_limited(path, _MAX_FILE)
    if data is None:
        raise FormatError(f"there is no file {path}")
    try:
        return _from_json(json.loads(data))
    except UnknownVersionError:
        raise
    except (ValueError, TypeError, LookupError, RecursionError, FormatError):
        raise FormatError(f"{path} is not an incident file") from None


def check_incident(path: Path) -> str:
    """Prove the contradiction in a file, offline; returns and raises as `Incident.check`."""
    return read_incident(path).check()


def _to_json(incident: Incident, text: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "what": text,
        "about": _ABOUT,
        "key": incident.key.hex(),
        "seen": format_time_ns(incident.seen_ns),
        "seen_ns": incident.seen_ns,
        "shared_length": incident.shared_length,
        "local": None if incident.local is None else _side_to_json(incident.local),
        "remote": _side_to_json(incident.remote),
    }


def _from_json(found: Mapping[str, Any]) -> Incident:
    version, seen_ns, shared = found["version"], found["seen_ns"], found["shared_length"]
    if not all(type(number) is int for number in (version, seen_ns, shared)):
        raise FormatError("a number is none")
    if version > VERSION:
        raise UnknownVersionError("the incident file is of a newer version than is known here")
    local = found["local"]
    return Incident(
        bytes.fromhex(found["key"]),
        seen_ns,
        shared,
        None if local is None else _side_from_json(local),
        _side_from_json(found["remote"]),
    )


def _side_to_json(side: Side) -> dict[str, Any]:
    nodes = {"prefix": nodes_to_json(side.prefix), "extra": nodes_to_json(side.extra)}
    return {**state_to_json(side.state), **nodes}


def _side_from_json(found: Mapping[str, Any]) -> Side:
    prefix, extra = (read_nodes(nodes_from_json(found[name])) for name in ("prefix", "extra"))
    return Side(state_from_json(found), prefix, extra)


def _same(path: Path, incident: Incident) -> bool:
    try:
        return read_incident(path).same_as(incident)
    except FormatError:
        return False


def _name(incident: Incident, number: int) -> str:
    seen = dt.datetime.fromtimestamp(incident.seen_ns // NS_PER_S, dt.UTC)
    again = f".{number}" if number else ""
    return f"{seen:%Y%m%dT%H%M%SZ}{again}-{incident.key.hex()[:8]}.json"
