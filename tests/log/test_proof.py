"""Proofs: every part of a signed log is covered, in Python alone."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey
from support.stores import connected_stores, key_pair, numbered

from tradercast.errors import EXIT_VERIFICATION, VerificationError
from tradercast.log import BlockProof, Checkpoint, TreeNode, flattree, proof
from tradercast.log.audit import audit

SIGNER = key_pair("publisher")
KEY = proof.core_key(bytes(SIGNER.verify_key))


@cache
def tree(length: int) -> dict[int, TreeNode]:
    """All nodes of a tree over numbered blocks, built level by level."""
    nodes = {
        2 * n: TreeNode(2 * n, len(block), proof.leaf_hash(block))
        for n, block in enumerate(numbered(length))
    }
    level = sorted(nodes)
    while len(level) > 1:
        above = []
        for left, right in zip(level[::2], level[1::2], strict=False):
            node = proof.parent(nodes[left], nodes[right])
            nodes[node.index] = node
            above.append(node.index)
        level = above
    return nodes


def signed(length: int, *, fork: int = 0, signer: SigningKey = SIGNER) -> Checkpoint:
    nodes = tree(length)
    roots = tuple(nodes[index] for index in flattree.roots(length))
    message = proof.signable(KEY, proof.tree_hash(roots), length, fork)
    signature = b"\x01\x00" + signer.sign(message).signature + b"\x00\x00"
    return Checkpoint(length, fork, roots, signature, proof.manifest_of(bytes(SIGNER.verify_key)))


def proven(index: int, length: int) -> BlockProof:
    nodes, path, at = tree(length), [], 2 * index
    for _ in range(flattree.root_over(index, length)[1]):
        beside = flattree.sibling(at)
        path.append(nodes[beside])
        at = (at + beside) // 2
    return BlockProof(index, numbered(1, start=index)[0], tuple(path))


def flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@given(st.integers(1, 70), st.data())
def test_every_block_of_a_signed_log_is_proven(length: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, length - 1))
    proof.verify_checkpoint(KEY, signed(length))
    proof.verify_block(signed(length), proven(index, length))


@given(st.integers(1, 70), st.data())
def test_no_part_of_a_checkpoint_can_be_changed(length: int, data: st.DataObject) -> None:
    good = signed(length)
    at = data.draw(st.integers(0, 200))
    which = data.draw(st.integers(0, len(good.roots) - 1))
    root = good.roots[which]

    def with_root(changed: TreeNode) -> Checkpoint:
        roots = (*good.roots[:which], changed, *good.roots[which + 1 :])
        return dataclasses.replace(good, roots=roots)

    bad = data.draw(
        st.sampled_from(
            [
                dataclasses.replace(good, length=length + 1),
                dataclasses.replace(good, length=max(0, length - 1)),
                dataclasses.replace(good, length=2**60),
                dataclasses.replace(good, fork=1),
                dataclasses.replace(good, fork=-1),
                dataclasses.replace(good, signature=flipped(good.signature, at)),
                dataclasses.replace(good, signature=good.signature[2:66]),
                dataclasses.replace(good, signature=b""),
                dataclasses.replace(good, manifest=flipped(good.manifest, at)),
                dataclasses.replace(good, manifest=good.manifest + b"\x00"),
                dataclasses.replace(good, manifest=b""),
                dataclasses.replace(good, roots=good.roots[:-1]),
                dataclasses.replace(good, roots=(*good.roots, root)),
                dataclasses.replace(good, roots=(root,) * 100_000),
                with_root(dataclasses.replace(root, hash=flipped(root.hash, at))),
                with_root(dataclasses.replace(root, hash=root.hash[:31])),
                with_root(dataclasses.replace(root, size=root.size + 1)),
                with_root(dataclasses.replace(root, size=-1)),
                with_root(dataclasses.replace(root, size=2**70)),
                with_root(dataclasses.replace(root, index=root.index + 2)),
                signed(length, signer=key_pair("somebody else")),
            ]
        )
    )
    with pytest.raises(VerificationError):
        proof.verify_checkpoint(KEY, bad)


@given(st.integers(2, 70), st.data())
def test_no_part_of_a_block_proof_can_be_changed(length: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, length - 1))
    at = data.draw(st.integers(0, 200))
    good = proven(index, length)
    assert good.value is not None
    bad = [
        dataclasses.replace(good, value=flipped(good.value, at)),
        dataclasses.replace(good, value=good.value + b"\x00"),
        dataclasses.replace(good, value=b""),
        dataclasses.replace(good, value=None),
        dataclasses.replace(good, index=(index + 1) % length),
        dataclasses.replace(good, index=length),
        dataclasses.replace(good, index=-1),
        dataclasses.replace(good, nodes=(*good.nodes, TreeNode(1, 1, bytes(32)))),
        dataclasses.replace(good, nodes=(TreeNode(1, 1, bytes(32)),) * 100_000),
    ]
    if good.nodes:
        which = data.draw(st.integers(0, len(good.nodes) - 1))
        node = good.nodes[which]
        for changed in (
            dataclasses.replace(node, hash=flipped(node.hash, at)),
            dataclasses.replace(node, size=node.size + 1),
            dataclasses.replace(node, index=node.index + 2),
        ):
            nodes = (*good.nodes[:which], changed, *good.nodes[which + 1 :])
            bad.append(dataclasses.replace(good, nodes=nodes))
        bad.append(dataclasses.replace(good, nodes=good.nodes[:-1]))
    with pytest.raises(VerificationError):
        proof.verify_block(signed(length), data.draw(st.sampled_from(bad)))


def test_a_log_of_another_key_and_an_empty_log_prove_nothing() -> None:
    other = proof.core_key(bytes(key_pair("somebody else").verify_key))
    with pytest.raises(VerificationError, match="manifest") as caught:
        proof.verify_checkpoint(other, signed(3))
    assert caught.value.exit_code == EXIT_VERIFICATION
    with pytest.raises(VerificationError, match="length of 0"):
        proof.verify_checkpoint(KEY, Checkpoint(0, 0, (), b"", b""))


async def test_blocks_of_a_sparse_reader_are_checked_against_the_real_signature(
    tmp_path: Path,
) -> None:
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        await written.append(numbered(21), 0)
        core = await reading.core(key=KEY)
        wanted = [(3, 5), (16, 17), (20, 21)]
        _ = [batch async for batch in core.read(wanted)]

        checkpoint = await core.checkpoint()
        proofs = [one async for batch in core.proofs([(0, 21)]) for one in batch]

        proof.verify_checkpoint(KEY, checkpoint)
        assert checkpoint.length == 21
        held = [one for one in proofs if one.value is not None]
        assert [one.index for one in held] == [3, 4, 16, 20]
        for one in held:
            assert one.value == numbered(1, start=one.index)[0]
            proof.verify_block(checkpoint, one)
            with pytest.raises(VerificationError):
                proof.verify_block(checkpoint, one, flipped(one.value, 7))
        audited = [found async for found in audit(core)][-1]
        assert (audited.blocks, audited.bytes, audited.bad) == (4, 400, ())


async def test_key_and_manifest_are_what_hypercore_makes_of_the_public_key(
    tmp_path: Path,
) -> None:
    async with connected_stores(tmp_path) as (store, _):
        core = await store.core(signer=SIGNER)
        assert core.key == KEY
        assert core.manifest == proof.manifest_of(bytes(SIGNER.verify_key))
        assert core.discovery_key == proof.discovery_key(KEY)
        empty = [found async for found in audit(core)]
        assert [found.blocks for found in empty] == [0]
