"""Blocks that were signed before and are lost here: derived again, and believed only if equal.

A log that is shorter than its checkpoint may not grow by one block of which nobody knows whether
it is the one that was signed.  So what is derived is kept aside until it reaches the checkpoint's
length, and goes into the log only if the tree over it has the checkpoint's roots.
"""

from __future__ import annotations

from collections.abc import Sequence

from tradercast.errors import WriterBehindError, WriterConflictError
from tradercast.log.proof import Checkpoint, TreeNode, extended

MAX_BYTES = 256 << 20


class Owed:
    """What is missing of a log up to a checkpoint.

    Parameters
    ----------
    length : int
        Blocks that the log has.
    roots : sequence of TreeNode
        The roots over them.
    wanted : Checkpoint
        Of the log when it was longer.
    name : str
        For messages.
    """

    def __init__(
        self, length: int, roots: Sequence[TreeNode], wanted: Checkpoint, name: str
    ) -> None:
        self.length = length
        self._roots = tuple(roots)
        self._wanted = wanted
        self._name = name
        self._blocks: list[bytes] = []
        self._size = 0

    def add(self, blocks: Sequence[bytes]) -> list[bytes] | None:
        """Take the next blocks; all of them once they are known to be right, None before.

        Raises
        ------
        WriterConflictError
            If they are not what was signed.
        WriterBehindError
            If they are more than fit into memory.
        """
        self._blocks += blocks
        self._size += sum(map(len, blocks))
        missing = self._wanted.length - self.length
        if len(self._blocks) >= missing:
            found = extended(self._roots, self.length, self._blocks[:missing])
            if found != self._wanted.roots:
                raise WriterConflictError(
                    f"{self._name} lost blocks {self.length} to {self._wanted.length - 1}, and "
                    "what its source gives now is not what was signed; nothing was written",
                    hint="connect to a node that has them (a seeder or another writer) and start "
                    "again",
                )
            return self._blocks
        if self._size > MAX_BYTES:
            raise WriterBehindError(
                f"{self._name} lost more blocks than can be derived again at one go",
                hint="connect to a node that has them (a seeder or another writer) and start again",
            )
        return None
