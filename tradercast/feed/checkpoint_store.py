"""What two signed states of a log say about each other, and the newest one of each log kept."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path

from tradercast.durable import locked, read_limited, replace_file
from tradercast.errors import ForkError, FormatError, VerificationError
from tradercast.feed.checkpoints import MAX_BYTES, LogCheckpoint
from tradercast.log.proof import Checkpoint

_MAX_FILE = 4 * MAX_BYTES


class Relation(Enum):
    """What two verified checkpoints of one log say about each other."""

    SAME = "same"  # the same blocks
    PREFIX = "prefix"  # every block of the shorter one is in the longer one
    OPEN = "open"  # nothing: they have no root in common; only the blocks themselves can tell
    FORK = "fork"  # they can not both be states of one log that only grows


def relate(a: LogCheckpoint, b: LogCheckpoint) -> Relation:
    """Compare two verified checkpoints of one log by the roots that they share.

    A root covers a fixed run of blocks, so two roots with one index must be equal.
    """
    if a.key != b.key:
        raise VerificationError("the checkpoints belong to two logs")
    if a.fork or b.fork:
        return Relation.FORK
    shared = shared_roots(a.state, b.state)
    if a.state.roots[:shared] != b.state.roots[:shared]:
        return Relation.FORK
    if a.length == b.length:
        return Relation.SAME
    shorter = min(a, b, key=lambda checkpoint: checkpoint.length)
    return Relation.PREFIX if shared == len(shorter.state.roots) else Relation.OPEN


def shared_roots(a: Checkpoint, b: Checkpoint) -> int:
    """How many roots, from the left, cover the same runs of blocks in both trees."""
    count = 0
    for mine, theirs in zip(a.roots, b.roots, strict=False):
        if mine.index != theirs.index:
            break
        count += 1
    return count


class CheckpointStore:
    """The newest verified checkpoint of every log: the files of ``checkpoints/``.

    Parameters
    ----------
    directory : Path
        An existing directory, shared by the processes of a node.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, key: bytes) -> LogCheckpoint | None:
        """The newest one kept of the log with this key.

        Raises
        ------
        FormatError
            If the file is damaged.  It is not silently replaced: it is what protects from
            a log that was rewritten.
        """
        path = self._path(key)
        data = read_limited(path, _MAX_FILE)
        if data is None:
            return None
        try:
            found = LogCheckpoint.from_json(json.loads(data))
            if found.key == key:
                return found
        except (ValueError, RecursionError, FormatError):
            pass
        raise FormatError(f"{path} is damaged", hint="restore it, or verify the data and delete it")

    def check(self, new: LogCheckpoint) -> LogCheckpoint | None:
        """Compare with what was seen before.

        An older state of the same log is fine: the one who sent it is behind.

        Returns
        -------
        LogCheckpoint or None
            The one kept so far.

        Raises
        ------
        VerificationError
            If the log's writer did not sign it.
        ForkError
            If it is signed and contradicts the one kept, or says that the log was cut back.
        """
        new.verify()
        held = self.get(new.key)
        if new.fork:
            raise _fork(new.key, f"says that it was cut back and rewritten (fork {new.fork})")
        if held is not None and relate(held, new) is Relation.FORK:
            raise _fork(new.key, f"has two signed versions (lengths {held.length}, {new.length})")
        return held

    def record(self, new: LogCheckpoint) -> bool:
        """Check it, and keep it if it is the longest; on the disk when this returns.

        Returns
        -------
        bool
            Whether it is the newest now (also when it was before).

        Raises
        ------
        VerificationError, ForkError
            As `check`; what was kept stays.
        """
        with locked(self._directory):
            held = self.check(new)
            if held is not None and held.length >= new.length:
                return held.length == new.length
            data = json.dumps(new.to_json(), indent=1).encode()
            replace_file(self._path(new.key), data)
            return True

    def check_length(self, key: bytes, length: int) -> None:
        """Refuse to go on with a log that is shorter than it was.

        Parameters
        ----------
        key : bytes
            The log's key.
        length : int
            The blocks that are there now.

        Raises
        ------
        ForkError
            If more of them were signed and seen before.
        """
        held = self.get(key)
        if held is not None and length < held.length:
            raise ForkError(
                f"log {key.hex()[:8]} has {length} blocks here, but had {held.length} before",
                hint="fetch the rest from a peer or a backup before anything is written",
            )

    def _path(self, key: bytes) -> Path:
        return self._directory / f"{key.hex()}.json"


def _fork(key: bytes, what: str) -> ForkError:
    return ForkError(
        f"the publisher's log {key.hex()[:8]} {what}",
        hint="what is here stays and is not replaced; ask the publisher what happened",
    )
