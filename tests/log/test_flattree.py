"""The arithmetic of flat trees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.log import flattree


def test_the_numbers_of_the_first_trees() -> None:
    assert [flattree.depth(n) for n in range(8)] == [0, 1, 0, 2, 0, 1, 0, 3]
    assert [flattree.sibling(n) for n in (0, 2, 1, 5, 3, 11)] == [2, 0, 5, 1, 11, 3]
    assert [flattree.roots(n) for n in range(7)] == [[], [0], [1], [1, 4], [3], [3, 8], [3, 9]]


@given(st.integers(1, 2**48), st.data())
def test_climbing_from_any_block_ends_at_the_root_over_it(length: int, data: st.DataObject) -> None:
    block = data.draw(st.integers(0, length - 1))
    place, height = flattree.root_over(block, length)

    node = 2 * block
    for _ in range(height):
        node = (node + flattree.sibling(node)) // 2

    assert node == flattree.roots(length)[place]
    assert flattree.depth(node) == height


def test_a_block_outside_has_no_root() -> None:
    with pytest.raises(ValueError, match="outside"):
        flattree.root_over(5, 5)
