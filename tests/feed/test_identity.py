"""A publisher's keys: made once, kept secret, and never silently replaced."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from tradercast import z32
from tradercast.errors import UsageError, VerificationError
from tradercast.feed.delegation import Delegation
from tradercast.feed.identity import (
    Identity,
    delegate,
    load_or_create_node,
    load_public,
    read_delegation,
)
from tradercast.feed.secret_files import read_seed
from tradercast.feeds import FeedId

FEED = FeedId("bitfinex", "btcusd")
DAY = 86_400 * 10**9
YEAR = 365 * DAY
NOW = 1_700_000_000 * 10**9


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "identity"


def with_seeds(directory: Path, root: bytes, publisher: bytes) -> Identity:
    directory.mkdir(mode=0o700)
    for name, seed in (("root.key", root), ("publisher.key", publisher)):
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(z32.encode(seed) + "\n")
    return Identity.load(directory)


def test_an_identity_is_made_once_and_then_stays_the_same(directory: Path) -> None:
    first = Identity.load_or_create(directory)
    second = Identity.load_or_create(directory)
    assert first.root == second.root
    assert first.catalog_key == second.catalog_key
    assert Identity.load_or_create(directory.with_name("other")).root != first.root


def test_its_files_are_for_their_owner_only_whatever_the_umask(directory: Path) -> None:
    before = os.umask(0)
    try:
        Identity.load_or_create(directory)
        load_or_create_node(directory)
    finally:
        os.umask(before)
    assert directory.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert modes == {"root.key": 0o600, "publisher.key": 0o600, "node.key": 0o600}


def test_every_log_has_a_signer_of_its_own_that_is_derived_in_a_fixed_way(directory: Path) -> None:
    identity = with_seeds(directory, bytes(32), bytes(range(32)))
    signers = {
        "catalog": identity.catalog_signer(),
        "tail": identity.tail_signer(FEED, "main"),
        "archive": identity.archive_signer(FEED, "main"),
        "other": identity.tail_signer(FEED, "2023"),
    }
    # Whoever changes these changes the key of every log ever published.
    assert {name: bytes(s.verify_key).hex()[:16] for name, s in signers.items()} == {
        "catalog": "53912390727a7e87",
        "tail": "5fbb164eadba7a0a",
        "archive": "7234f68a41aff3d5",
        "other": "caf6ccf70a239305",
    }
    assert identity.catalog_key.hex() == (
        "f2b0a1b962acbc19d3152d02885035f8f25c86ccdc7ea1d27fb08946789e3410"
    )
    assert len(set(identity.segment_keys(FEED, "main"))) == 2


def test_processes_that_start_at_once_make_one_identity(directory: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tradercast.feed.identity import *;"
        "print(Identity.load_or_create(Path(sys.argv[1])).root.hex())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(directory)], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    roots = {process.communicate(timeout=60)[0] for process in started}
    assert roots == {Identity.load(directory).root.hex().encode() + b"\n"}
    assert sorted(path.name for path in directory.iterdir()) == ["publisher.key", "root.key"]


def test_secrets_are_in_no_text_that_anyone_sees(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    identity = Identity.load_or_create(directory)
    secrets = [(directory / n).read_text().strip() for n in ("root.key", "publisher.key")]
    identity.delegation(NOW)
    (directory / "publisher.key").write_text(secrets[1] + "broken")
    try:
        Identity.load(directory)
    except UsageError as error:
        failure = "".join(traceback.format_exception(error)) + repr(error.__dict__)
    texts = [repr(identity), str(identity), f"{identity}", caplog.text, failure]
    for secret in secrets:
        for form in (secret, z32.decode(secret).hex(), repr(z32.decode(secret))):
            assert all(form not in text for text in texts)
    with pytest.raises(TypeError):
        pickle.dumps(identity)
    with pytest.raises(TypeError):
        copy.deepcopy(identity)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_command_that_helps(
    directory: Path, mode: int
) -> None:
    Identity.load_or_create(directory)
    (directory / "publisher.key").chmod(mode)
    with pytest.raises(UsageError) as refused:
        Identity.load_or_create(directory)
    assert refused.value.hint == f"run: chmod 600 {directory / 'publisher.key'}"


def test_a_directory_that_others_can_look_into_is_refused(directory: Path) -> None:
    Identity.load_or_create(directory)
    directory.chmod(0o755)
    for load in (Identity.load_or_create, Identity.load, load_public, load_or_create_node):
        with pytest.raises(UsageError, match="other users"):
            load(directory)


@pytest.mark.parametrize("text", ["", "y", "y" * 51, "0" * 52, "y" * 300, "é" * 52])
def test_a_damaged_key_is_refused_and_kept(directory: Path, text: str) -> None:
    Identity.load_or_create(directory)
    (directory / "root.key").write_text(text)
    with pytest.raises(UsageError, match=r"root.key is not a key file"):
        Identity.load_or_create(directory)
    assert (directory / "root.key").read_text() == text


@pytest.mark.parametrize("gone", ["root.key", "publisher.key"])
def test_a_missing_key_is_never_made_anew(directory: Path, gone: str) -> None:
    identity = Identity.load_or_create(directory)
    identity.delegation(NOW)
    (directory / gone).unlink()
    if gone == "root.key":
        (directory / "delegation").unlink()
    with pytest.raises(UsageError, match=f"{gone} is missing"):
        Identity.load_or_create(directory)
    assert not (directory / gone).exists()


def test_an_interrupted_first_start_is_finished(directory: Path) -> None:
    root = Identity.load_or_create(directory).root
    (directory / "publisher.key").unlink()
    assert Identity.load_or_create(directory).root == root


def test_no_identity_is_said_as_such(directory: Path) -> None:
    with pytest.raises(UsageError, match="no identity") as refused:
        load_public(directory)
    assert refused.value.hint == "run `tradercast identity new`"


def test_what_may_be_shown_holds_no_secret(directory: Path) -> None:
    identity = Identity.load_or_create(directory)
    delegation = identity.delegation(NOW)
    shown = load_public(directory)
    assert (shown.root, shown.catalog_key) == (identity.root, identity.catalog_key)
    assert shown.delegation == delegation
    assert shown.has_root


def test_the_delegation_is_made_kept_and_renewed_at_half_of_its_life(directory: Path) -> None:
    identity = Identity.load_or_create(directory)
    first = identity.delegation(NOW)
    assert first.catalog_key == identity.catalog_key
    assert first.expires_ns == NOW + YEAR
    assert identity.delegation(NOW + YEAR // 2) == first

    second = Identity.load(directory).delegation(NOW + YEAR // 2 + 1)

    assert second.number > first.number
    assert second.expires_ns == NOW + YEAR // 2 + 1 + YEAR


def test_programs_that_find_no_delegation_at_once_make_one(directory: Path) -> None:
    identity = Identity.load_or_create(directory)
    program = """
import sys
from pathlib import Path
from tradercast.feed.identity import Identity

identity = Identity.load(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(identity.delegation(int(sys.argv[2])).number, flush=True)
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(directory), str(NOW + n * 10**9)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(6)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        numbers = {process.communicate(timeout=30)[0] for process in running}
    finally:
        for process in running:
            process.kill()
            process.wait()
    held = read_delegation(directory)
    assert held is not None
    assert numbers == {f"{held.number}\n"}
    assert identity.delegation(NOW) == held


def test_a_clock_that_was_set_back_still_counts_upwards(directory: Path) -> None:
    identity = Identity.load_or_create(directory)
    numbers = [identity.delegate(now).number for now in (NOW, NOW, NOW - YEAR)]
    assert numbers == [NOW // 10**9, NOW // 10**9 + 1, NOW // 10**9 + 2]


def test_a_writer_works_with_the_root_key_elsewhere(directory: Path, tmp_path: Path) -> None:
    identity = Identity.load_or_create(directory)
    root, catalog_key = identity.root, identity.catalog_key

    identity.export_root(tmp_path / "exported.key", NOW)

    assert not (directory / "root.key").exists()
    assert (tmp_path / "exported.key").stat().st_mode & 0o777 == 0o600
    writer = Identity.load_or_create(directory)
    assert (writer.root, writer.catalog_key, writer.has_root) == (root, catalog_key, False)
    held = writer.delegation(NOW + 300 * DAY)  # overdue, but nobody here can renew it
    with pytest.raises(UsageError, match="another machine"):
        writer.delegate(NOW)
    with pytest.raises(VerificationError, match="ended"):
        writer.delegation(NOW + YEAR)

    # The machine with the root key knows nothing but the catalog's key.
    seed = read_seed(tmp_path / "exported.key")
    assert seed is not None
    carried = delegate(seed, catalog_key, None, NOW + 301 * DAY, YEAR).to_text()
    writer.install_delegation(Delegation.from_text(carried), NOW + 301 * DAY)

    assert writer.delegation(NOW + YEAR).number > held.number


def test_the_root_key_never_overwrites_a_file(directory: Path, tmp_path: Path) -> None:
    identity = Identity.load_or_create(directory)
    other = Identity.load_or_create(tmp_path / "other")
    other.export_root(tmp_path / "exported.key", NOW)
    with pytest.raises(UsageError, match="another key"):
        identity.export_root(tmp_path / "exported.key", NOW)
    assert (directory / "root.key").exists()
    assert identity.has_root
    with pytest.raises(UsageError, match="not here"):
        other.export_root(tmp_path / "again.key", NOW)


def test_a_delegation_of_another_catalog_is_not_installed(directory: Path) -> None:
    identity = Identity.load_or_create(directory)
    held = identity.delegation(NOW)
    foreign = delegate(os.urandom(32), identity.catalog_key, None, NOW, YEAR)
    seed = read_seed(directory / "root.key")
    assert seed is not None
    for wrong in (foreign, delegate(seed, bytes(32), held, NOW, YEAR)):
        with pytest.raises(VerificationError):
            identity.install_delegation(wrong, NOW)
    older = Delegation.sign(
        SigningKey(seed), identity.catalog_key, number=1, expires_ns=NOW + 2 * YEAR
    )
    with pytest.raises(VerificationError, match="older"):
        identity.install_delegation(older, NOW)
    assert read_delegation(directory) == held


def test_a_node_has_a_key_of_its_own_without_being_a_publisher(directory: Path) -> None:
    node = load_or_create_node(directory)
    assert bytes(load_or_create_node(directory)) == bytes(node)
    assert [path.name for path in directory.iterdir()] == ["node.key"]
    assert Identity.load_or_create(directory).root != bytes(node.verify_key)
