"""The notes that peers exchange beside replication: delegations and checkpoints."""

from __future__ import annotations

from typing import TypeAlias

from tradercast.errors import FormatError
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.delegation import Delegation

GossipNote: TypeAlias = Delegation | LogCheckpoint

MAX_NOTES = 64
_DELEGATION = b"D"
_CHECKPOINT = b"C"


def encode_note(note: GossipNote) -> bytes:
    """The bytes of a note: one letter and what it is."""
    return (_DELEGATION if isinstance(note, Delegation) else _CHECKPOINT) + note.encode()


def decode_note(data: bytes) -> GossipNote | None:
    """Read a peer's note; `None` is a kind of note that this program does not know.

    The signature of a delegation is checked here, that of a checkpoint when it is compared
    with the one kept (`CheckpointStore.check`).

    Raises
    ------
    FormatError
        If it is not what its letter says.
    VerificationError
        If it is a delegation that its root did not sign.
    """
    if not data:
        raise FormatError("the note is empty")
    letter, rest = data[:1], data[1:]
    if letter == _DELEGATION:
        return Delegation.decode(rest)
    if letter == _CHECKPOINT:
        return LogCheckpoint.decode(rest)
    return None
