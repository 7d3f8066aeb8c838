"""What a directory node remembers over a restart: whom it knew, as JSON.

The file is a hint.  Whatever is wrong with it, the node starts with what is left of it; the
contacts in it prove themselves again like all others.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from tradercast.swarm.address import Address, canonical_ip, is_port

log = logging.getLogger(__name__)

VERSION = 1
MAX_FILE = 64 * 1024
MAX_NEIGHBOURS = 200


@dataclass(frozen=True, slots=True)
class DirectoryState:
    """Contacts that lead back into the network, and the number last announced."""

    neighbours: tuple[Address, ...] = ()
    number: int = 0

    def save(self, path: Path) -> None:
        """Write the file whole or not at all; an error is logged, since nothing depends on it."""
        content = {
            "version": VERSION,
            "number": self.number,
            "neighbours": [list(address) for address in self.neighbours[:MAX_NEIGHBOURS]],
        }
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.chmod(0o600)
            temporary.replace(path)
        except OSError as error:
            log.warning("the directory's contacts could not be saved: %s", error)
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> DirectoryState:
        """Read the file as far as it makes sense."""
        try:
            with path.open("rb") as file:
                text = file.read(MAX_FILE + 1)
            content = json.loads(text) if len(text) <= MAX_FILE else None
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, RecursionError) as error:
            log.warning("the directory's saved contacts can not be read: %s", error)
            return cls()
        if not isinstance(content, dict) or content.get("version") != VERSION:
            return cls()
        number, neighbours = content.get("number"), content.get("neighbours")
        return cls(
            neighbours=tuple(_addresses(neighbours)) if isinstance(neighbours, list) else (),
            number=number if type(number) is int and 0 <= number < 2**62 else 0,
        )


def _addresses(items: list[object]) -> list[Address]:
    found = []
    for item in items[:MAX_NEIGHBOURS]:
        match item:
            case [str() as host, int() as port] if canonical_ip(host) == host and is_port(port):
                found.append((host, port))
    return found
