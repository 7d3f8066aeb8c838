"""Checkpoints: what two of them say about each other, what is kept, what peers may send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tradercast.errors import (
    ForkError,
    FormatError,
    TradercastError,
    UnknownVersionError,
    VerificationError,
)
from tradercast.feed.checkpoint_store import CheckpointStore, Relation, relate
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.delegation import Delegation
from tradercast.feed.gossip import decode_note, encode_note
from tradercast.log.proof import verify_checkpoint

SIGNER = SigningKey(b"\x05" * 32)
BLOCKS = [b"block %d" % number for number in range(40)]
SignLog = Callable[..., LogCheckpoint]


def changed(at: int) -> list[bytes]:
    return [*BLOCKS[:at], b"something else", *BLOCKS[at + 1 :]]


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 33])
def test_bytes_are_read_back_and_still_signed(sign_log: SignLog, length: int) -> None:
    made = sign_log(SIGNER, BLOCKS[:length])
    read = LogCheckpoint.decode(made.encode())
    assert read == made
    assert LogCheckpoint.from_json(made.to_json()) == made
    read.verify()
    assert len(made.encode()) < 1_024


@pytest.mark.parametrize(
    ("name", "value"),
    [("length", 8), ("fork", 1), ("signature", bytes(68)), ("manifest", bytes(70)), ("roots", ())],
)
def test_every_field_is_under_the_signature(sign_log: SignLog, name: str, value: object) -> None:
    made = sign_log(SIGNER, BLOCKS[:7])
    forged = replace(made, state=replace(made.state, **{name: value}))
    with pytest.raises(VerificationError):
        forged.verify()


def test_a_checkpoint_is_of_one_log_only(sign_log: SignLog) -> None:
    made = sign_log(SIGNER, BLOCKS[:7])
    with pytest.raises(VerificationError):
        replace(made, key=sign_log(SigningKey(bytes(32)), BLOCKS[:7]).key).verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v[:-1],
        lambda v: [*v, 0],
        lambda v: [0, *v[1:]],
        lambda v: [1, v[1][:31], *v[2:]],
        lambda v: [1, v[1].hex(), *v[2:]],
        lambda v: [*v[:2], -1, *v[3:]],
        lambda v: [*v[:2], 2**53, *v[3:]],
        lambda v: [*v[:2], True, *v[3:]],
        lambda v: [*v[:4], None, *v[5:]],
        lambda v: [*v[:4], [[0, 1]], *v[5:]],
        lambda v: [*v[:4], [[0, 1, b"short"]], *v[5:]],
        lambda v: [*v[:4], [[0, 1, bytes(32)]] * 65, *v[5:]],
        lambda v: [*v[:5], b"", *v[6:]],
        lambda v: [*v[:5], bytes(9_000), *v[6:]],
        lambda v: {"key": v[1]},
        lambda v: 5,
    ],
)
def test_other_shapes_are_refused(sign_log: SignLog, change: Callable[..., object]) -> None:
    values = msgpack.unpackb(sign_log(SIGNER, BLOCKS[:7]).encode())
    with pytest.raises(FormatError):
        LogCheckpoint.decode(msgpack.packb(change(values)))


def test_a_newer_version_is_told_apart() -> None:
    with pytest.raises(UnknownVersionError):
        LogCheckpoint.decode(msgpack.packb([2]))


@given(st.binary(max_size=300))
def test_random_notes_are_refused_or_unknown(data: bytes) -> None:
    try:
        note = decode_note(data)
    except TradercastError:
        return
    assert note is None
    assert data[:1] not in (b"C", b"D")


def test_notes_carry_delegations_and_checkpoints(sign_log: SignLog) -> None:
    delegation = Delegation.sign(SIGNER, bytes(32), number=1, expires_ns=1)
    checkpoint = sign_log(SIGNER, BLOCKS[:7])
    assert decode_note(encode_note(delegation)) == delegation
    assert decode_note(encode_note(checkpoint)) == checkpoint
    assert encode_note(checkpoint)[:1] == b"C"
    assert decode_note(b"Zlater") is None


@given(a=st.integers(1, 40), b=st.integers(1, 40), at=st.integers(0, 39))
def test_two_checkpoints_of_honest_logs_never_contradict(
    a: int, b: int, at: int, sign_log: SignLog
) -> None:
    one, other = sign_log(SIGNER, BLOCKS[:a]), sign_log(SIGNER, BLOCKS[:b])
    assert relate(one, other) is relate(other, one)
    assert relate(one, other) in ({Relation.SAME} if a == b else {Relation.PREFIX, Relation.OPEN})
    # A block changed within a run that both have a root of is seen; elsewhere it is open.
    forged = sign_log(SIGNER, changed(at)[:b])
    assert relate(one, forged) in (
        {Relation.FORK, Relation.OPEN} if at < min(a, b) else {relate(one, other)}
    )
    if a == b and at < a:
        assert relate(one, forged) is Relation.FORK


@pytest.mark.parametrize(
    ("a", "b", "relation"),
    [
        (6, 6, Relation.SAME),
        (6, 7, Relation.PREFIX),
        (4, 7, Relation.PREFIX),
        (5, 7, Relation.OPEN),
        (7, 8, Relation.OPEN),
    ],
)
def test_lengths_share_the_roots_of_their_leading_bits(
    sign_log: SignLog, a: int, b: int, relation: Relation
) -> None:
    assert relate(sign_log(SIGNER, BLOCKS[:a]), sign_log(SIGNER, BLOCKS[:b])) is relation


def test_the_newest_one_is_kept_over_restarts(sign_log: SignLog, tmp_path: Path) -> None:
    six, seven = sign_log(SIGNER, BLOCKS[:6]), sign_log(SIGNER, BLOCKS[:7])
    assert CheckpointStore(tmp_path).get(six.key) is None
    assert CheckpointStore(tmp_path).record(six)
    assert CheckpointStore(tmp_path).record(seven)
    assert not CheckpointStore(tmp_path).record(six)  # older, and fine
    assert CheckpointStore(tmp_path).record(seven)
    assert CheckpointStore(tmp_path).get(six.key) == seven
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", f"{six.key.hex()}.json"]


@pytest.mark.parametrize("length", [6, 7, 10])
def test_a_rewritten_log_is_a_fork_and_what_was_kept_stays(
    sign_log: SignLog, store: CheckpointStore, length: int
) -> None:
    held = sign_log(SIGNER, BLOCKS[:7])
    store.record(held)
    forged = sign_log(SIGNER, changed(1)[:length])
    for look in (store.check, store.record):
        if relate(held, forged) is Relation.OPEN:  # only the blocks can tell
            continue
        with pytest.raises(ForkError, match="two signed versions"):
            look(forged)
        assert store.get(held.key) == held


def test_a_log_that_was_cut_back_is_a_fork_even_when_seen_first(
    sign_log: SignLog, store: CheckpointStore
) -> None:
    cut = sign_log(SIGNER, BLOCKS[:7], fork=1)
    with pytest.raises(ForkError, match="fork 1"):
        store.record(cut)
    assert store.get(cut.key) is None


def test_what_nobody_signed_is_no_fork_but_refused(
    sign_log: SignLog, store: CheckpointStore
) -> None:
    held = sign_log(SIGNER, BLOCKS[:7])
    store.record(held)
    forged = replace(
        held, state=replace(held.state, roots=sign_log(SIGNER, changed(1)[:7]).state.roots)
    )
    with pytest.raises(VerificationError) as refused:
        store.record(forged)
    assert not isinstance(refused.value, ForkError)


def test_a_log_that_became_shorter_here_is_noticed(
    sign_log: SignLog, store: CheckpointStore
) -> None:
    held = sign_log(SIGNER, BLOCKS[:7])
    store.check_length(held.key, 0)
    store.record(held)
    store.check_length(held.key, 7)
    with pytest.raises(ForkError, match="6 blocks here, but had 7"):
        store.check_length(held.key, 6)


@pytest.mark.parametrize("text", ["", "{}", "null", "[" * 9_999, "x" * 100_000])
def test_a_damaged_file_is_said_and_not_replaced(
    sign_log: SignLog, tmp_path: Path, text: str
) -> None:
    store = CheckpointStore(tmp_path)
    made = sign_log(SIGNER, BLOCKS[:7])
    path = tmp_path / f"{made.key.hex()}.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=made.key.hex()):
        store.record(made)
    assert path.read_text() == text


def test_the_file_of_another_log_is_not_taken(sign_log: SignLog, tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    made = sign_log(SIGNER, BLOCKS[:7])
    store.record(made)
    other = sign_log(SigningKey(bytes(32)), BLOCKS[:7])
    (tmp_path / f"{made.key.hex()}.json").rename(tmp_path / f"{other.key.hex()}.json")
    with pytest.raises(FormatError):
        store.get(other.key)


def test_the_library_signs_what_the_definition_says(sign_log: SignLog) -> None:
    made = sign_log(SIGNER, BLOCKS)
    verify_checkpoint(made.key, made.state)
    assert made.length == 40
    assert made.state.byte_length == sum(map(len, BLOCKS))
