"""Signed logs without a sidecar (Hypercore's hashes once more), and real captures."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import pytest
from nacl.signing import SigningKey
from support.real_data import real

from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.log.proof import Checkpoint, TreeNode

SignLog: TypeAlias = Callable[..., LogCheckpoint]


def _hash(*parts: bytes) -> bytes:
    return blake2b(b"".join(parts), digest_size=32).digest()


def _u64(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def _namespace(number: int) -> bytes:
    return _hash(_hash(b"hypercore"), bytes([number]))


def _subtree(blocks: Sequence[bytes], first: int) -> TreeNode:
    if len(blocks) == 1:
        return TreeNode(2 * first, len(blocks[0]), _hash(b"\0", _u64(len(blocks[0])), blocks[0]))
    half = len(blocks) // 2
    left, right = _subtree(blocks[:half], first), _subtree(blocks[half:], first + half)
    size = left.size + right.size
    digest = _hash(b"\1", _u64(size), left.hash, right.hash)
    return TreeNode(2 * first + len(blocks) - 1, size, digest)


def _roots(blocks: Sequence[bytes]) -> tuple[TreeNode, ...]:
    roots, start = [], 0
    while start < len(blocks):
        span = 1 << ((len(blocks) - start).bit_length() - 1)
        roots.append(_subtree(blocks[start : start + span], start))
        start += span
    return tuple(roots)


@pytest.fixture(scope="session")
def sign_log() -> SignLog:
    """What the owner of a key signs about a log of these blocks: ``sign_log(signer, blocks)``."""

    def sign(signer: SigningKey, blocks: Sequence[bytes], fork: int = 0) -> LogCheckpoint:
        manifest = b"\1\0\0\1\1\0" + _namespace(4) + bytes(signer.verify_key)
        key = _hash(_namespace(3), manifest)
        roots = _roots(blocks)
        tree = _hash(b"\2", *(node.hash + _u64(node.index, node.size) for node in roots))
        signed = signer.sign(_namespace(0) + key + tree + _u64(len(blocks), fork)).signature
        state = Checkpoint(len(blocks), fork, roots, b"\1\0" + signed + b"\0\0", manifest)
        return LogCheckpoint(key, state)

    return sign


@pytest.fixture(scope="session")
def real_books() -> Path:
    """The folder of real book captures; without it the test is skipped."""
    return real("l2")
