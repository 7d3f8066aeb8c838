"""Which feeds this node holds some of: what it lists, serves and announces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tradercast import z32
from tradercast.durable import locked, read_limited, replace_file
from tradercast.errors import FormatError, TradercastError
from tradercast.feeds import FeedId

_VERSION = 1
_MAX_FILE = 16 << 20


@dataclass(frozen=True, slots=True, order=True)
class Holding:
    """A feed of which this node holds something.

    Attributes
    ----------
    root : bytes
        The publisher's root key.
    feed : FeedId
    """

    root: bytes
    feed: FeedId


class Holdings:
    """The file ``held.json`` of a data directory, shared by the processes of a node.

    Parameters
    ----------
    path : Path
        The file; its directory exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Holding]:
        """Every holding, by publisher and name.

        Raises
        ------
        FormatError
            If the file is damaged.
        """
        data = read_limited(self._path, _MAX_FILE)
        if data is None:
            return []
        try:
            found = json.loads(data)
            if found["version"] != _VERSION:
                raise FormatError("another version")
            return sorted(
                Holding(z32.decode_key(root), FeedId.parse(name))
                for root, names in found["feeds"].items()
                for name in names
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, TradercastError):
            raise FormatError(
                f"{self._path} is damaged",
                hint="delete it, and sync the feeds again: their data stays",
            ) from None

    def add(self, holding: Holding) -> None:
        """Keep a holding; on the disk when this returns."""
        with locked(self._path.parent):
            held = set(self.all())
            if holding in held:
                return
            feeds: dict[str, list[str]] = {}
            for each in sorted(held | {holding}):
                feeds.setdefault(z32.encode(each.root), []).append(str(each.feed))
            replace_file(
                self._path, json.dumps({"version": _VERSION, "feeds": feeds}, indent=1).encode()
            )
