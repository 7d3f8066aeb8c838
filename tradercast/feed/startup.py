"""Checks before a writer's first append: is this log all there, and is it the one it was?

A writer that lost its newest blocks and goes on would sign a second version of them: a fork.
"""

from __future__ import annotations

import asyncio
import logging

from tradercast.errors import ForkError, IncompleteError, WriterBehindError
from tradercast.feed.checkpoint_store import shared_roots
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.owed import Owed
from tradercast.feed.witness import Witness
from tradercast.log import Core, flattree
from tradercast.log.proof import Checkpoint, TreeNode, leaf_hash, parent

CATCH_UP_S = 10.0
_PAUSE_S = 0.25

log = logging.getLogger(__name__)


async def settle(
    core: Core,
    witness: Witness,
    name: str,
    catch_up_s: float = CATCH_UP_S,
    *,
    derive_lost: bool = False,
) -> tuple[int, Owed | None]:
    """The log's signed length, checked against the checkpoints and asked of connected peers.

    Parameters
    ----------
    core : Core
        Opened with its signer.
    witness : Witness
        Knows what was signed before.
    name : str
        For messages.
    catch_up_s : float
        How long peers may take to give a log that is shorter than its checkpoint its length back.
    derive_lost : bool
        The source can be read again: a log that stays shorter than its checkpoint owes the rest.

    Returns
    -------
    int, Owed or None
        The length, and what is missing up to the checkpoint.

    Raises
    ------
    WriterBehindError
        If the log stays shorter than it is known to have been.
    ForkError
        If it contradicts what is known of it.
    """
    kept = witness.kept(core.key)
    known = witness.known_length(core.key)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + catch_up_s
    info = await core.update(catch_up_s)
    while info.length < known and (left := deadline - loop.time()) > 0:
        await asyncio.sleep(min(_PAUSE_S, left))
        info = await core.update(max(left, _PAUSE_S))
    owed = kept is not None and info.length < kept.length
    if info.length < known and not (owed and derive_lost):
        raise WriterBehindError(
            f"{name} has {info.length} blocks here, but {known} were signed before",
            hint="connect to a node that has the rest (a seeder or another writer) and start again",
        )
    state = await core.checkpoint() if info.length else None
    if kept is not None and owed:
        log.warning("%s has %d of %d blocks: the rest is derived again", name, info.length, known)
        if info.recovering:
            await core.recover()
        return info.length, Owed(info.length, state.roots if state else (), kept.state, name)
    if state is not None:
        if kept is not None:
            await _check_prefix(core, kept.state, state, name)
        await asyncio.to_thread(witness.own, LogCheckpoint(core.key, state))
    if info.recovering:
        await core.recover()
    return info.length, None


async def is_behind(core: Core, witness: Witness) -> bool:
    """Whether a log has fewer blocks here than this node had of it before."""
    kept = witness.kept(core.key)
    return kept is not None and (await core.info()).length < kept.length


async def fetch(core: Core, start: int, end: int, name: str, stall_s: float = CATCH_UP_S) -> None:
    """Get the blocks ``[start, end)`` that siblings wrote while this writer was away.

    Raises
    ------
    WriterBehindError
        If they can not be had.
    """
    if start >= end:
        return
    log.info("%s: fetching blocks %d to %d from peers", name, start, end)
    try:
        async for _ in core.download([(start, end)], stall_s=stall_s):
            pass
    except IncompleteError:
        raise WriterBehindError(
            f"{name} has blocks {start} to {end} that are not here, and no peer sends them",
            hint="connect to a node that has them (a seeder or another writer) and start again",
        ) from None


async def _check_prefix(core: Core, old: Checkpoint, new: Checkpoint, name: str) -> None:
    """Check that `old` is the beginning of `new`, also where they have no root in common.

    The way from the last block of `old` up to a root of `new` passes, or passes by, every root of
    `old` that is none of `new`.
    """
    if shared_roots(old, new) == len(old.roots):
        return  # compared by `Witness.own`
    last = old.length - 1
    proofs = [p async for batch in core.proofs([(last, last + 1)]) for p in batch]
    if not proofs or proofs[0].value is None:
        return  # cleared since: its chunk is in the archive, which is checked in the same way
    value = proofs[0].value
    node = TreeNode(2 * last, len(value), leaf_hash(value))
    seen = {root.index: root for root in new.roots} | {node.index: node}
    for sibling in proofs[0].nodes:
        node = parent(node, sibling)
        seen |= {sibling.index: sibling, node.index: node}
    if [seen.get(index) for index in flattree.roots(old.length)] != list(old.roots):
        raise ForkError(
            f"{name} is not the log whose first {old.length} blocks were signed before",
            hint="restore the data directory from a backup, or sync it from a node that has it",
        )
