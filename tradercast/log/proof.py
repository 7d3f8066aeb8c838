"""Checking logs without trusting the sidecar: hashes, manifests and signatures in Python.

Everything here is pure.  The way of trust is: key = hash(manifest), the manifest names the
signer, the signer signed the tree hash of a length, the tree hash covers the roots, and the
nodes beside a block lead from its content to one of the roots.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from nacl.bindings import crypto_sign_open
from nacl.encoding import RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b

from tradercast.errors import VerificationError
from tradercast.log import flattree

MAX_LENGTH = 1 << 48
"""Blocks of a log at most; far above any real one, far below what overflows."""

MAX_SIZE = 1 << 53

_U64 = struct.Struct("<Q")
_LEAF, _PARENT, _ROOT = b"\x00", b"\x01", b"\x02"


def _blake2b(*parts: bytes | memoryview) -> bytes:
    state = hashlib.blake2b(digest_size=32)
    for part in parts:
        state.update(part)
    return state.digest()


def _namespace(number: int) -> bytes:
    return _blake2b(_blake2b(b"hypercore"), bytes([number]))


_TREE = _namespace(0)
_MANIFEST = _namespace(3)
_DEFAULT_NAMESPACE = _namespace(4)
# version 1, no flags, BLAKE2b, quorum 1, one signer, Ed25519
_MANIFEST_HEAD = b"\x01\x00\x00\x01\x01\x00"
_MANIFEST_SIZE = len(_MANIFEST_HEAD) + 64


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of the Merkle tree: its flat-tree index, the bytes of content under it, its hash."""

    index: int
    size: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a publisher signed about a log of one length.

    Attributes
    ----------
    length, fork : int
        Blocks of the log, and its fork number (0 in an honest log).
    roots : tuple of TreeNode
        The roots of the tree of that length.
    signature : bytes
        As Hypercore stores it: the Ed25519 signature at offset 2 of 68 bytes.
    manifest : bytes
        The encoded manifest, whose hash is the log's key.
    """

    length: int
    fork: int
    roots: tuple[TreeNode, ...]
    signature: bytes
    manifest: bytes

    @property
    def tree_hash(self) -> bytes:
        """The hash over the roots: equal for equal logs."""
        return tree_hash(self.roots)

    @property
    def byte_length(self) -> int:
        """Bytes of content of the log."""
        return sum(root.size for root in self.roots)


@dataclass(frozen=True, slots=True)
class BlockProof:
    """A held block, and the nodes beside its way up to a root, from the lowest.

    `value` is `None` if proofs without contents were asked for.
    """

    index: int
    value: bytes | None
    nodes: tuple[TreeNode, ...]


def manifest_of(public_key: bytes) -> bytes:
    """The encoded version-1 manifest of a log with one signer."""
    if len(public_key) != 32:
        raise ValueError("a public key has 32 bytes")
    return _MANIFEST_HEAD + _DEFAULT_NAMESPACE + public_key


def core_key(public_key: bytes) -> bytes:
    """The key of the log that `public_key` signs."""
    return manifest_key(manifest_of(public_key))


def manifest_key(manifest: bytes) -> bytes:
    """The key of the log with this encoded manifest."""
    return _blake2b(_MANIFEST, manifest)


def discovery_key(key: bytes) -> bytes:
    """What may be told to those who do not know `key`."""
    return hashlib.blake2b(b"hypercore", key=key, digest_size=32).digest()


def leaf_hash(value: bytes | memoryview) -> bytes:
    """The hash of a block's content."""
    # libsodium's takes two thirds of the time of hashlib's
    return blake2b(b"".join((_LEAF, _U64.pack(len(value)), value)), 32, encoder=RawEncoder)


def parent(left: TreeNode, right: TreeNode) -> TreeNode:
    """The node above two siblings, given in any order."""
    if left.index > right.index:
        left, right = right, left
    size = left.size + right.size
    index = (left.index + right.index) // 2
    return TreeNode(index, size, _blake2b(_PARENT, _U64.pack(size), left.hash, right.hash))


def extended(
    roots: Sequence[TreeNode], length: int, blocks: Sequence[bytes]
) -> tuple[TreeNode, ...]:
    """The roots of a log of `length` blocks, which are `roots`, after more blocks."""
    found = list(roots)
    for number, block in enumerate(blocks, length):
        node = TreeNode(2 * number, len(block), leaf_hash(block))
        while found and found[-1].index == flattree.sibling(node.index):
            node = parent(found.pop(), node)
        found.append(node)
    return tuple(found)


def tree_hash(roots: Sequence[TreeNode]) -> bytes:
    """The hash that a publisher signs, over the roots of a tree."""
    state = hashlib.blake2b(_ROOT, digest_size=32)
    for root in roots:
        state.update(root.hash + _U64.pack(root.index) + _U64.pack(root.size))
    return state.digest()


def signable(key: bytes, tree: bytes, length: int, fork: int) -> bytes:
    """The 112 bytes under the Ed25519 signature of a length."""
    return _TREE + key + tree + _U64.pack(length) + _U64.pack(fork)


def verify_checkpoint(key: bytes, checkpoint: Checkpoint) -> None:
    """Check that the owner of the log `key` signed `checkpoint`.

    Raises
    ------
    VerificationError
        If not; the message names the part that does not fit.
    """
    length, fork = checkpoint.length, checkpoint.fork
    if not 0 < length <= MAX_LENGTH or not 0 <= fork < 1 << 53:
        _fail(f"a length of {length} at fork {fork} can not have been signed")
    _check_nodes(checkpoint.roots)
    if [root.index for root in checkpoint.roots] != flattree.roots(length):
        _fail(f"the roots are not those of a log of {length} blocks")
    signer = _signer(key, checkpoint.manifest)
    signature = checkpoint.signature
    # one proof by signer 0, 64 bytes, no patch, no nodes of a patch
    if signature[:2] != b"\x01\x00" or signature[66:] not in (b"\x00", b"\x00\x00"):
        _fail("the signature has not the form of one signer's")
    message = signable(key, checkpoint.tree_hash, length, fork)
    try:
        crypto_sign_open(signature[2:66] + message, signer)
    except (CryptoError, ValueError):
        _fail(f"the signature of length {length} is not the publisher's")


def verify_block(checkpoint: Checkpoint, proof: BlockProof, value: bytes | None = None) -> None:
    """Check that a block is part of a log.

    Parameters
    ----------
    checkpoint : Checkpoint
        One that `verify_checkpoint` has accepted.
    proof : BlockProof
        The block's place, and its content unless that is given as `value`.
    value : bytes, optional
        The content, where it was read in another way.

    Raises
    ------
    VerificationError
        If the block's content or a node beside it is not what was signed.
    """
    index = proof.index
    if not 0 <= index < checkpoint.length:
        _fail(f"block {index} is outside the signed length of {checkpoint.length}")
    root_at, height = flattree.root_over(index, checkpoint.length)
    if len(proof.nodes) != height:
        _fail(f"block {index} comes with {len(proof.nodes)} nodes instead of {height}")
    _check_nodes(proof.nodes)
    content = proof.value if value is None else value
    if content is None:
        _fail(f"block {index} is not there to be checked")
    node = TreeNode(2 * index, len(content), leaf_hash(content))
    for sibling in proof.nodes:
        if sibling.index != flattree.sibling(node.index):
            _fail(f"node {sibling.index} is not on the way from block {index} to a root")
        node = parent(node, sibling)
    root = checkpoint.roots[root_at]
    if node != root:
        _fail(f"block {index} is not what the publisher signed")


def _signer(key: bytes, manifest: bytes) -> bytes:
    if manifest_key(manifest) != key:
        _fail("the manifest does not belong to this log's key")
    if len(manifest) != _MANIFEST_SIZE or not manifest.startswith(_MANIFEST_HEAD):
        _fail("the manifest is not of version 1 with one signer")
    return manifest[-32:]


def _check_nodes(nodes: Sequence[TreeNode]) -> None:
    if len(nodes) > 64:
        _fail(f"{len(nodes)} nodes are more than a tree is high")
    for node in nodes:
        if len(node.hash) != 32 or not 0 <= node.size < MAX_SIZE:
            _fail(f"node {node.index} is malformed")


def _fail(message: str) -> NoReturn:
    raise VerificationError(message)
