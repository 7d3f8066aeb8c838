"""Positions in a binary tree laid out flat: block n is at 2n, parents lie between children."""

from __future__ import annotations


def depth(index: int) -> int:
    """The height of a node above the blocks."""
    return (~index & (index + 1)).bit_length() - 1


def sibling(index: int) -> int:
    """The other child of the node's parent."""
    step = 2 << depth(index)
    return index - step if index & step else index + step


def roots(length: int) -> list[int]:
    """The indices of the roots of a tree of `length` blocks, from the left."""
    found = []
    start = 0
    for bit in range(length.bit_length() - 1, -1, -1):
        span = 1 << bit
        if length & span:
            found.append(2 * start + span - 1)
            start += span
    return found


def root_over(block: int, length: int) -> tuple[int, int]:
    """Which root (its place in `roots`) is over a block, and how high it is.

    `block` must be less than `length`.
    """
    place = start = 0
    for bit in range(length.bit_length() - 1, -1, -1):
        span = 1 << bit
        if length & span:
            if block < start + span:
                return place, bit
            place += 1
            start += span
    raise ValueError(f"block {block} is outside a tree of {length}")
