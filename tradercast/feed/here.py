"""How far a node's own copy of a segment goes: what can be read of it without asking anybody.

A log's length is what its publisher signed.  It grows over blocks that nobody has asked for yet as
soon as a connected peer tells of them, so the end of what is held may lie before it.
"""

from __future__ import annotations

from tradercast.chunks import full_node_before, index_block
from tradercast.log import Core
from tradercast.log.spans import includes


async def archive_here(core: Core) -> int:
    """The length of an archive up to its last index node that can be read.

    Chunks before it may be missing; those behind it are not known.
    """
    held = await core.held(0, (await core.info()).length)
    for start, end in reversed(held):
        for block in range(end - 1 - end % 2, start - 1, -2):  # index nodes: the odd ones
            full = full_node_before(block // 2 + 1)
            if full is None or includes(held, index_block(full)):
                return block + 1
    return 0


async def tail_here(core: Core) -> int:
    """The length of a tail up to its last block that is held; earlier ones may be missing."""
    held = await core.held(0, (await core.info()).length)
    return held[-1][1] if held else 0
