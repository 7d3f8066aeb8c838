"""The notes that peers exchange beside replication: delegations, checkpoints, small catalogs."""

from __future__ import annotations

from typing import TypeAlias

from tradercast.errors import FormatError
from tradercast.feed.catalog_copy import CatalogCopy
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.delegation import Delegation

GossipNote: TypeAlias = Delegation | LogCheckpoint | CatalogCopy

MAX_NOTES = 64
_DELEGATION = b"D"
_CHECKPOINT = b"C"
_CATALOG = b"K"
_LETTERS = {Delegation: _DELEGATION, LogCheckpoint: _CHECKPOINT, CatalogCopy: _CATALOG}


def encode_note(note: GossipNote) -> bytes:
    """The bytes of a note: one letter and what it is."""
    return _LETTERS[type(note)] + note.encode()


def decode_note(data: bytes) -> GossipNote | None:
    """Read a peer's note; `None` is a kind of note that this program does not know.

    The signature of a delegation is checked here, that of a checkpoint when it is compared
    with the one kept (`CheckpointStore.check`), and a catalog by its `verify`.

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
    if letter == _CATALOG:
        return CatalogCopy.decode(rest)
    return None
