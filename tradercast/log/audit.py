"""Checking every block that a node holds, in Python, without trusting the sidecar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tradercast.errors import IncompleteError, VerificationError
from tradercast.log import answers
from tradercast.log.core import Core
from tradercast.log.proof import Checkpoint, verify_block, verify_checkpoint
from tradercast.log.spans import BlockRange

_STEP = 1_024
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit has found so far.

    Attributes
    ----------
    blocks, bytes : int
        Checked and good.
    bad : tuple of (int, str)
        Block numbers, and what is wrong with them.
    """

    blocks: int = 0
    bytes: int = 0
    bad: tuple[tuple[int, str], ...] = field(default=())


async def audit(core: Core, start: int = 0, end: int | None = None) -> AsyncIterator[Audited]:
    """Check all held blocks of ``[start, end)`` against the publisher's signature.

    Yields
    ------
    Audited
        The totals, after every thousand blocks or so and at the end.

    Raises
    ------
    VerificationError
        If the signature itself does not hold: then nothing else can be checked.
    """
    checkpoint = await core.checkpoint()
    total = Audited()
    end = checkpoint.length if end is None else min(end, checkpoint.length)
    if checkpoint.length:
        verify_checkpoint(core.key, checkpoint)
        for low, high in await core.held(start, end):
            for at in range(low, high, _STEP):
                total = await _step(core, (at, min(at + _STEP, high)), total)
                yield total
    if total == Audited():
        yield total


async def _step(core: Core, part: BlockRange, before: Audited) -> Audited:
    """Check a few blocks at one length of the log: it may grow under our feet."""
    for _ in range(_ATTEMPTS):
        checkpoint = await core.checkpoint()
        verify_checkpoint(core.key, checkpoint)
        total = before
        async with await core.stream("core.proofs", {"ranges": [part], "values": True}) as items:
            async for item in items:
                total = _check(checkpoint, item, total)
        result = answers.mapping(items.result)
        if (result.get("length"), result.get("fork")) == (checkpoint.length, checkpoint.fork):
            return total
    raise IncompleteError("the log grows too fast to be checked", hint="stop its writer and retry")


def _check(checkpoint: Checkpoint, item: object, total: Audited) -> Audited:
    blocks, size, bad = total.blocks, total.bytes, total.bad
    for proof in answers.proofs(item):
        try:
            verify_block(checkpoint, proof)
        except VerificationError as error:
            bad = (*bad, (proof.index, error.message))
        else:
            blocks += 1
            size += len(proof.value or b"")
    return Audited(blocks, size, bad)
