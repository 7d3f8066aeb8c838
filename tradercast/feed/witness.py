"""Every checkpoint that comes by, compared with those before; contradictions go on file."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from tradercast.errors import ForkError
from tradercast.feed.checkpoint_store import CheckpointStore, Relation, relate
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.incident_files import IncidentFiles
from tradercast.feed.incidents import Incident

_MAX_HEARD = 4_096

log = logging.getLogger(__name__)


class Witness:
    """Compares the checkpoints of this node's logs and those that peers tell of.

    Parameters
    ----------
    store : CheckpointStore
        The checkpoints of this node's own logs, kept on disk.
    incidents : IncidentFiles
        Where a contradiction is filed.
    clock : callable
        The time now (ns UTC).
    """

    def __init__(
        self, store: CheckpointStore, incidents: IncidentFiles, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._incidents = incidents
        self._clock = clock
        self._heard: OrderedDict[bytes, LogCheckpoint] = OrderedDict()

    def own(self, checkpoint: LogCheckpoint) -> None:
        """Take the state of a log of this node and keep it on disk if it is the newest.

        Raises
        ------
        VerificationError
            If its writer did not sign it.
        ForkError
            If it contradicts an earlier one; the hint names the file with the proof.
        """
        heard = self._heard.get(checkpoint.key)
        try:
            self._store.record(checkpoint)
        except ForkError as error:
            raise self._filed(error, self._store.get(checkpoint.key), checkpoint) from None
        self._compare(heard, checkpoint)

    def heard(self, checkpoint: LogCheckpoint) -> None:
        """Take what a peer tells of a log; raises as `own`.

        It is kept in memory only: this node does not have those blocks, and must not think
        later that it lost them.
        """
        heard = self._heard.get(checkpoint.key)
        try:
            self._store.check(checkpoint)
        except ForkError as error:
            raise self._filed(error, self._store.get(checkpoint.key), checkpoint) from None
        self._compare(heard, checkpoint)
        if heard is None or heard.length < checkpoint.length:
            self._heard[checkpoint.key] = checkpoint
            self._heard.move_to_end(checkpoint.key)
            if len(self._heard) > _MAX_HEARD:
                self._heard.popitem(last=False)

    def kept(self, key: bytes) -> LogCheckpoint | None:
        """The newest state of a log of this node, as it was kept on disk."""
        return self._store.get(key)

    def known_length(self, key: bytes) -> int:
        """The greatest signed length of a log that this node ever had or heard of."""
        known = (self._store.get(key), self._heard.get(key))
        return max((checkpoint.length for checkpoint in known if checkpoint), default=0)

    def _compare(self, heard: LogCheckpoint | None, new: LogCheckpoint) -> None:
        if heard is not None and relate(heard, new) is Relation.FORK:
            error = ForkError(
                f"the publisher's log {new.key.hex()[:8]} has two signed versions "
                f"(lengths {heard.length}, {new.length})"
            )
            raise self._filed(error, heard, new)

    def _filed(self, error: ForkError, held: LogCheckpoint | None, new: LogCheckpoint) -> ForkError:
        path = self._incidents.write(Incident.of(held, new, self._clock()))
        log.error("%s; the proof is in %s", error.message, path)
        return ForkError(
            error.message,
            hint=f"what is here stays and is not replaced; the signed proof is in {path}",
        )
