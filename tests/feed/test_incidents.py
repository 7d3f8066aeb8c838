"""Incidents: two signed versions of one log, on file, for anyone to check."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tradercast.errors import ForkError, FormatError, UnknownVersionError, VerificationError
from tradercast.feed.checkpoint_store import CheckpointStore, Relation, relate
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.incident_files import IncidentFiles, check_incident, read_incident
from tradercast.feed.incidents import Incident, Side
from tradercast.feed.witness import Witness
from tradercast.log.proof import TreeNode

SIGNER = SigningKey(b"\x05" * 32)
BLOCKS = [b"block %d" % number for number in range(40)]
NOW = 1_700_000_000 * 10**9
SignLog = Callable[..., LogCheckpoint]


def changed(at: int) -> list[bytes]:
    return [*BLOCKS[:at], b"something else", *BLOCKS[at + 1 :]]


@pytest.fixture
def fork(sign_log: SignLog) -> tuple[LogCheckpoint, LogCheckpoint]:
    return sign_log(SIGNER, BLOCKS[:6]), sign_log(SIGNER, changed(1)[:7])


def test_a_file_proves_the_contradiction_without_anything_else(
    fork: tuple[LogCheckpoint, LogCheckpoint], tmp_path: Path
) -> None:
    incident = Incident.of(*fork, NOW)

    path = IncidentFiles(tmp_path).write(incident)

    assert path.name == f"20231114T221320Z-{fork[0].key.hex()[:8]}.json"
    assert read_incident(path) == incident
    assert check_incident(path) == (
        f"the writer of log {fork[0].key.hex()} signed two histories, of 6 and 7 blocks, that "
        "differ within the first 6"
    )
    shown = json.loads(path.read_text())
    assert shown["seen"] == "2023-11-14T22:13:20Z"
    assert shown["what"] == check_incident(path)


@given(a=st.integers(1, 40), b=st.integers(1, 40), at=st.integers(0, 39))
def test_every_contradiction_that_is_seen_can_be_proved(
    a: int, b: int, at: int, sign_log: SignLog
) -> None:
    mine, theirs = sign_log(SIGNER, BLOCKS[:a]), sign_log(SIGNER, changed(at)[:b])
    incident = Incident.of(mine, theirs, NOW)
    if relate(mine, theirs) is Relation.FORK:
        assert "two histories" in incident.check()
    else:
        with pytest.raises(VerificationError):
            incident.check()


def test_versions_without_a_common_root_are_proved_by_the_nodes_between(sign_log: SignLog) -> None:
    # 7 and 8 blocks share no root, so the sidecar adds the nodes that lead from 7 to 8.
    mine, theirs = sign_log(SIGNER, BLOCKS[:7]), sign_log(SIGNER, changed(1)[:8])
    assert relate(mine, theirs) is Relation.OPEN
    prefix = sign_log(SIGNER, changed(1)[:7]).state.roots
    last = sign_log(SIGNER, [BLOCKS[7]]).state.roots[0]
    extra = (TreeNode(14, last.size, last.hash),)

    incident = Incident.of_evidence(evidence(mine, theirs, 7, prefix, extra))

    assert "differ within the first 7" in incident.check()
    broken = replace(incident, remote=replace(incident.remote, extra=()))
    with pytest.raises(VerificationError, match="not one of the signed version"):
        broken.check()


def test_honest_versions_prove_nothing_whatever_nodes_are_added(sign_log: SignLog) -> None:
    mine, theirs = sign_log(SIGNER, BLOCKS[:7]), sign_log(SIGNER, BLOCKS[:8])
    last = sign_log(SIGNER, [BLOCKS[7]]).state.roots[0]
    extra = (TreeNode(14, last.size, last.hash),)
    honest = Incident.of_evidence(evidence(mine, theirs, 7, mine.state.roots, extra))
    with pytest.raises(VerificationError, match="do not contradict"):
        honest.check()
    forged = sign_log(SIGNER, changed(1)[:7]).state.roots
    for prefix, more in ((forged, extra), (mine.state.roots[:2], extra), (forged[:1], ())):
        with pytest.raises(VerificationError):
            Incident.of_evidence(evidence(mine, theirs, 7, prefix, more)).check()


def evidence(
    mine: LogCheckpoint,
    theirs: LogCheckpoint,
    shared: int,
    prefix: tuple[TreeNode, ...],
    extra: tuple[TreeNode, ...],
) -> dict[str, Any]:
    def plain(nodes: tuple[TreeNode, ...]) -> list[list[Any]]:
        return [[node.index, node.size, node.hash] for node in nodes]

    def side(log: LogCheckpoint, first: tuple[TreeNode, ...], rest: tuple[TreeNode, ...]) -> Any:
        state = log.state
        return {
            "length": state.length,
            "fork": state.fork,
            "roots": plain(state.roots),
            "signature": state.signature,
            "prefix": plain(first),
            "extra": plain(rest),
        }

    return {
        "kind": "conflict",
        "key": mine.key,
        "manifest": mine.state.manifest,
        "at_ms": 1_700_000_000_000,
        "shared_length": shared,
        "local": side(mine, mine.state.roots, ()),
        "remote": side(theirs, prefix, extra),
    }


def test_evidence_of_a_wrong_shape_is_refused(fork: tuple[LogCheckpoint, LogCheckpoint]) -> None:
    good = evidence(*fork, 6, (), ())
    bad: list[Any] = [{}, None, {**good, "key": "x"}, {**good, "shared_length": 1.5}]
    bad += [{**good, "remote": 5}, {**good, "remote": {**good["remote"], "extra": [[1]]}}]
    for found in bad:
        with pytest.raises(FormatError):
            Incident.of_evidence(found)


def test_a_fork_number_is_a_proof_by_itself(sign_log: SignLog, tmp_path: Path) -> None:
    held, cut = sign_log(SIGNER, BLOCKS[:7]), sign_log(SIGNER, BLOCKS[:3], fork=2)
    alone = IncidentFiles(tmp_path).write(Incident.of(None, cut, NOW))
    against = IncidentFiles(tmp_path).write(Incident.of(held, cut, NOW))
    assert alone != against
    assert "took back what it signed (fork 2)" in check_incident(alone)
    assert "took back what it signed (fork 2)" in check_incident(against)


def test_a_signature_that_is_not_the_writers_makes_a_file_worthless(
    fork: tuple[LogCheckpoint, LogCheckpoint], tmp_path: Path
) -> None:
    path = IncidentFiles(tmp_path).write(Incident.of(*fork, NOW))
    found = json.loads(path.read_text())
    signature = bytearray.fromhex(found["remote"]["signature"])
    signature[20] ^= 1
    found["remote"]["signature"] = signature.hex()
    path.write_text(json.dumps(found))
    with pytest.raises(VerificationError, match="not the publisher's"):
        check_incident(path)


def test_nothing_is_filed_that_proves_nothing(sign_log: SignLog, tmp_path: Path) -> None:
    six, seven = sign_log(SIGNER, BLOCKS[:6]), sign_log(SIGNER, BLOCKS[:7])
    for incident in (Incident.of(six, seven, NOW), Incident.of(None, six, NOW)):
        with pytest.raises(VerificationError):
            IncidentFiles(tmp_path).write(incident)
    assert list(tmp_path.iterdir()) == []


def test_the_same_is_filed_once_and_a_log_has_at_most_sixteen_files(
    sign_log: SignLog, tmp_path: Path
) -> None:
    files = IncidentFiles(tmp_path)
    held = sign_log(SIGNER, BLOCKS[:8])
    paths = [
        files.write(Incident.of(held, sign_log(SIGNER, [*BLOCKS[:7], b"%d" % n]), NOW))
        for n in range(20)
    ]
    assert len(set(paths)) == len(files.all()) == 16
    again = Incident.of(held, sign_log(SIGNER, [*BLOCKS[:7], b"3"]), NOW + 10**12)
    assert files.write(again) == paths[3]


@pytest.mark.parametrize("text", ["", "{}", "[]", "[" * 9_999, '{"version": "1"}', "x" * 200_000])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(FormatError):
        read_incident(path)
    with pytest.raises(FormatError, match="no file"):
        read_incident(tmp_path / "none.json")


def test_a_file_of_a_newer_version_is_told_apart(
    fork: tuple[LogCheckpoint, LogCheckpoint], tmp_path: Path
) -> None:
    path = IncidentFiles(tmp_path).write(Incident.of(*fork, NOW))
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(UnknownVersionError):
        read_incident(path)


def witness(directory: Path) -> Witness:
    for name in ("checkpoints", "incidents"):
        (directory / name).mkdir(exist_ok=True)
    store = CheckpointStore(directory / "checkpoints")
    return Witness(store, IncidentFiles(directory / "incidents"), lambda: NOW)


def test_a_witness_files_what_contradicts_its_own_log(
    fork: tuple[LogCheckpoint, LogCheckpoint], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    witness(tmp_path).own(fork[0])
    for look in (witness(tmp_path).own, witness(tmp_path).heard):
        with pytest.raises(ForkError, match="two signed versions") as found:
            look(fork[1])
        (path,) = (tmp_path / "incidents").iterdir()
        assert str(path) in (found.value.hint or "")
        assert "two histories" in check_incident(path)
    assert str(path) in caplog.text


def test_a_witness_files_what_peers_tell_that_contradicts_itself(
    fork: tuple[LogCheckpoint, LogCheckpoint], tmp_path: Path
) -> None:
    seen = witness(tmp_path)
    seen.heard(fork[0])
    with pytest.raises(ForkError):
        seen.heard(fork[1])
    with pytest.raises(ForkError):
        seen.own(fork[1])
    assert len(list((tmp_path / "incidents").iterdir())) == 1


def test_what_peers_tell_is_not_taken_for_what_is_here(sign_log: SignLog, tmp_path: Path) -> None:
    seen = witness(tmp_path)
    six, seven = sign_log(SIGNER, BLOCKS[:6]), sign_log(SIGNER, BLOCKS[:7])
    assert seen.known_length(six.key) == 0
    seen.own(six)
    seen.heard(seven)
    seen.heard(six)
    assert seen.known_length(six.key) == 7
    assert witness(tmp_path).known_length(six.key) == 6


def test_a_witness_believes_nothing_unsigned(
    fork: tuple[LogCheckpoint, LogCheckpoint], tmp_path: Path
) -> None:
    seen = witness(tmp_path)
    forged = replace(fork[1], state=replace(fork[1].state, length=6))
    for look in (seen.own, seen.heard):
        with pytest.raises(VerificationError):
            look(forged)
    assert list((tmp_path / "incidents").iterdir()) == []


def test_an_incident_may_have_nothing_of_this_node(sign_log: SignLog) -> None:
    cut = sign_log(SIGNER, BLOCKS[:3], fork=1)
    found = evidence(cut, cut, 0, (), ())
    found["local"] = {**found["local"], "length": 0, "roots": [], "signature": b""}
    incident = Incident.of_evidence(found)
    assert incident.local is None
    assert incident.remote == Side(cut.state)
    assert "fork 1" in incident.check()
