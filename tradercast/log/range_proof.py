"""One Merkle proof for several blocks of a log; ``docs/BRIDGE.md``, the bulk channel."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from tradercast.errors import VerificationError
from tradercast.log import flattree
from tradercast.log.proof import TreeNode, leaf_hash, parent


def check_range(
    length: int,
    roots: Sequence[TreeNode],
    blocks: Sequence[int],
    values: Sequence[bytes],
    beside: Sequence[tuple[int, bytes]],
) -> None:
    """Check the contents of some blocks against the roots of a log.

    Parameters
    ----------
    length : int
        Of the log with these roots.
    roots : sequence of TreeNode
        Trusted.
    blocks : sequence of int
        Ascending, all below `length`.
    values : sequence of bytes
        As many.
    beside : sequence of (int, bytes)
        Sizes and hashes of the nodes beside the ways from the blocks to the roots, in the order
        of a walk through the tree from left to right.

    Raises
    ------
    VerificationError
        If they are not the log's, or a node is missing or needless.
    """
    given = iter(beside)

    def node(index: int, start: int, end: int) -> TreeNode:
        """The node over blocks[start:end], made of what is below it."""
        if start == end:
            size, known = next(given)
            return TreeNode(index, size, known)
        depth = flattree.depth(index)
        if depth == 0:
            value = values[start]
            return TreeNode(index, len(value), leaf_hash(value))
        half = 1 << (depth - 1)
        split = bisect_left(blocks, (index + 1) // 2, start, end)
        return parent(node(index - half, start, split), node(index + half, split, end))

    start = 0
    try:
        for root in roots:
            above = (root.index + (1 << flattree.depth(root.index)) + 1) // 2
            end = bisect_left(blocks, above, start)
            if end > start and node(root.index, start, end) != root:
                raise VerificationError("blocks are not what the publisher signed")
            start = end
    except StopIteration:
        raise VerificationError("blocks come without all that proves them") from None
    if start != len(blocks) or next(given, None) is not None:
        raise VerificationError("blocks come with proofs of something else")
