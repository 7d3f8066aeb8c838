"""One proof for several blocks: what the sidecar's side makes and Python's checks."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stores import numbered

from tradercast.errors import VerificationError
from tradercast.log import TreeNode, flattree, proof
from tradercast.log.range_proof import check_range

LENGTH = 45


@cache
def nodes() -> dict[int, TreeNode]:
    """All nodes of the tree over the numbered blocks."""
    found = {}
    for n, block in enumerate(numbered(LENGTH)):
        found[2 * n] = node = TreeNode(2 * n, len(block), proof.leaf_hash(block))
        while (left := found.get(flattree.sibling(node.index))) and left.index < node.index:
            node = proof.parent(left, node)
            found[node.index] = node
    return found


ROOTS = [nodes()[index] for index in flattree.roots(LENGTH)]


def beside(blocks: list[int]) -> list[tuple[int, bytes]]:
    """The nodes beside the ways of blocks, by their definition: in a walk from left to right."""
    ways = set()
    for block in blocks:
        at = 2 * block
        while at not in {root.index for root in ROOTS}:
            ways.add(at)
            at = (at + flattree.sibling(at)) // 2
    siblings = {flattree.sibling(at) for at in ways} - ways
    return [(nodes()[at].size, nodes()[at].hash) for at in sorted(siblings)]


def contents(blocks: list[int]) -> list[bytes]:
    return [numbered(1, start=block)[0] for block in blocks]


some_blocks = st.sets(st.integers(0, LENGTH - 1), min_size=1).map(sorted)


@given(some_blocks)
def test_any_blocks_of_a_log_are_proven(blocks: list[int]) -> None:
    check_range(LENGTH, ROOTS, blocks, contents(blocks), beside(blocks))


@given(some_blocks, st.data())
def test_a_changed_part_is_refused(blocks: list[int], data: st.DataObject) -> None:
    values, around = contents(blocks), beside(blocks)
    kinds = ["value", "shorter", "other block", "needless"] + ["size", "hash", "missing"] * bool(
        around
    )
    kind = data.draw(st.sampled_from(kinds))
    at = data.draw(st.integers(0, len(values) - 1))
    node = data.draw(st.integers(0, max(0, len(around) - 1)))
    if kind == "value":
        values[at] = bytes([values[at][0] ^ 1]) + values[at][1:]
    elif kind == "shorter":
        values[at] = values[at][:-1]
    elif kind == "other block":
        values[at] = numbered(1, start=LENGTH + 1)[0]
    elif kind == "needless":
        around.insert(node, (100, bytes(32)))
    elif kind == "missing":
        del around[node]
    elif kind == "size":
        around[node] = (around[node][0] + 1, around[node][1])
    else:
        around[node] = (around[node][0], bytes(32))

    with pytest.raises(VerificationError):
        check_range(LENGTH, ROOTS, blocks, values, around)


def test_a_block_beyond_the_log_is_refused() -> None:
    with pytest.raises(VerificationError):
        check_range(LENGTH, ROOTS, [LENGTH], contents([LENGTH]), [])
