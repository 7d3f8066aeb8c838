"""A log whose blocks are derived here, and appended only where no equal one stands yet.

A writer's log is also replicated into: a sibling with the same identity may have appended the
block that is about to be written.  Hypercore would then put ours behind it.  So a block goes to its
number or nowhere; where one stands already, it is fetched and compared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from tradercast.errors import StalledError, WriterConflictError
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.owed import Owed
from tradercast.feed.witness import Witness
from tradercast.log import Core

SIBLING_S = 10.0
_ATTEMPTS = 4

log = logging.getLogger(__name__)


class DerivedLog:
    """The end of a log that this process writes.

    Parameters
    ----------
    core : Core
        Opened with its signer.
    witness : Witness
        Keeps a checkpoint after every `put`.
    length : int
        Number of the next block to derive; all before it are known to be what they should be.
    name : str
        For messages, e.g. ``the archive of bitfinex/btcusd/trades``.
    owed : Owed, optional
        What was signed before and is not here: blocks go into the log once they make up for it.
    """

    def __init__(
        self, core: Core, witness: Witness, length: int, name: str, owed: Owed | None = None
    ) -> None:
        self.core = core
        self.length = length
        self._witness = witness
        self._name = name
        self._owed = owed

    @property
    def owes(self) -> bool:
        """Whether blocks are still kept aside, so that nothing of them is durable."""
        return self._owed is not None

    async def put(self, blocks: Sequence[bytes]) -> None:
        """Make `blocks` the next blocks of the log; durable, with a checkpoint, at the return.

        Raises
        ------
        WriterConflictError
            If the log has another block at one of these numbers.  Nothing was signed then.
        StalledError
            If a sibling signed one of these numbers and nobody can tell its block.
        """
        if self._owed is not None:
            there = max(0, self._owed.length - self.length)
            await self._compare(blocks[:there])
            self.length += len(blocks[:there])
            blocks = blocks[there:]
            derived = self._owed.add(blocks)
            if derived is None:
                self.length += len(blocks)
                return
            self.length, self._owed, blocks = self._owed.length, None, derived
            log.warning("%s has again what it lost", self._name)
        at = stuck = 0
        while at < len(blocks):
            result = await self.core.append(blocks[at:], expect_length=self.length)
            if result.appended:
                self.length += len(blocks) - at
                break
            there = min(result.length - self.length, len(blocks) - at)
            stuck = 0 if there else stuck + 1
            if there < 0 or stuck >= _ATTEMPTS:
                raise WriterConflictError(
                    f"{self._name} has {result.length} blocks, {self.length} were written before",
                    hint="restart the writer while a node that has the rest is connected",
                )
            if not there:  # an earlier block was signed by a sibling and is not here
                await self._fetch_missing()
                continue
            await self._compare(blocks[at : at + there])
            at += there
            self.length += there
        await self.keep_checkpoint()

    async def keep_checkpoint(self) -> None:
        """Put the log's signed state on the disk, so that a later start knows what was there."""
        state = await self.core.checkpoint()
        if state.length:
            await asyncio.to_thread(self._witness.own, LogCheckpoint(self.core.key, state))

    async def _compare(self, expected: Sequence[bytes]) -> None:
        if not expected:
            return
        start = number = self.length
        try:
            async for batch in self.core.read([(start, start + len(expected))], True, SIBLING_S):
                for _, block in batch:
                    if block != expected[number - start]:
                        raise WriterConflictError(
                            f"block {number} of {self._name} is not what this writer makes of its "
                            f"records; nothing was written over it",
                            hint="another writer with this identity had other records: stop one of "
                            "the two and compare their sources",
                        )
                    number += 1
        except StalledError as error:
            raise self._nobody_has(number, error) from None
        log.debug("blocks %d to %d of %s were there already", start, number, self._name)

    async def _fetch_missing(self) -> None:
        info = await self.core.info()
        if info.contiguous_length >= info.length:
            return
        try:
            async for _ in self.core.download(
                [(info.contiguous_length, info.length)], stall_s=SIBLING_S
            ):
                pass
        except StalledError as error:
            raise self._nobody_has(info.contiguous_length, error) from None

    def _nobody_has(self, number: int, error: StalledError) -> StalledError:
        return StalledError(
            f"block {number} of {self._name} was signed by another writer, and no peer has it",
            hint="start the other writer, or connect to a node that follows it, and try again",
        )
