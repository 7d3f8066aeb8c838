"""Delegations: signed, numbered, ending; and the publishers that a reader remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tradercast.errors import FormatError, TradercastError, UnknownVersionError, VerificationError
from tradercast.feed.delegation import Delegation, needs_renewal, next_number
from tradercast.feed.publishers import Publishers
from tradercast.feeds import FeedId
from tradercast.links import Link

ROOT = SigningKey(bytes(32))
PUBLIC = bytes(ROOT.verify_key)
CATALOG = b"\x01" * 32
OTHER = b"\x02" * 32
NOW = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9


def signed(number: int = 1, expires_ns: int = NOW + DAY, catalog: bytes = CATALOG) -> Delegation:
    return Delegation.sign(ROOT, catalog, number=number, expires_ns=expires_ns)


@given(st.integers(1, 2**53 - 1), st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_bytes_and_text_are_read_back(number: int, expires_ns: int, catalog: bytes) -> None:
    made = signed(number, expires_ns, catalog)
    assert Delegation.decode(made.encode()) == made
    assert Delegation.from_text(made.to_text() + "\n") == made
    assert len(made.encode()) < 256


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"expires_ns": NOW + DAY + 1},
        {"catalog_key": OTHER},
        {"root": bytes(SigningKey(b"\x07" * 32).verify_key)},
        {"root": b"\xff" * 32},
        {"signature": bytes(64)},
    ],
)
def test_every_field_is_under_the_signature(change: dict[str, object]) -> None:
    forged = replace(signed(), **change)
    with pytest.raises(VerificationError):
        Delegation.decode(forged.encode())


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1],
        [0, PUBLIC, CATALOG, 1, NOW, bytes(64)],
        [True, PUBLIC, CATALOG, 1, NOW, bytes(64)],
        [1, PUBLIC, CATALOG, 1, NOW, bytes(64), 0],
        [1, PUBLIC[:31], CATALOG, 1, NOW, bytes(64)],
        [1, PUBLIC, "x" * 32, 1, NOW, bytes(64)],
        [1, PUBLIC, CATALOG, 0, NOW, bytes(64)],
        [1, PUBLIC, CATALOG, 2**53, NOW, bytes(64)],
        [1, PUBLIC, CATALOG, 1.0, NOW, bytes(64)],
        [1, PUBLIC, CATALOG, 1, -1, bytes(64)],
        [1, PUBLIC, CATALOG, 1, NOW, bytes(300)],
        {"version": 1},
        7,
    ],
)
def test_other_shapes_are_refused(values: object) -> None:
    with pytest.raises(FormatError):
        Delegation.decode(msgpack.packb(values))


def test_a_newer_version_is_told_apart() -> None:
    with pytest.raises(UnknownVersionError):
        Delegation.decode(msgpack.packb([2, "anything"]))


def test_there_is_one_way_to_write_it() -> None:
    data = signed().encode()
    number = data.index(b"\x01\xcf")  # the number 1, one byte, before the 64-bit time
    longer = data[:number] + b"\xcc\x01" + data[number + 1 :]
    assert msgpack.unpackb(longer) == msgpack.unpackb(data)
    with pytest.raises(FormatError, match="canonical"):
        Delegation.decode(longer)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TradercastError):
        Delegation.decode(data)


@given(st.text(max_size=600))
def test_random_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Delegation.from_text(text)


def test_it_ends_at_its_time_and_not_before() -> None:
    made = signed(expires_ns=NOW)
    made.check_time(NOW - 1)
    with pytest.raises(VerificationError, match="ended 2023-11-14T22:13:20Z") as refused:
        made.check_time(NOW)
    assert "identity delegate" in (refused.value.hint or "")


def test_the_next_number_is_the_time_unless_that_was_used() -> None:
    assert next_number(None, NOW) == 1_700_000_000
    assert next_number(signed(5), NOW) == 1_700_000_000
    assert next_number(signed(1_800_000_000), NOW) == 1_800_000_001
    assert next_number(None, -5) == 1


def test_it_is_due_for_renewal_when_less_than_half_is_left() -> None:
    made = signed(expires_ns=NOW + 10 * DAY)
    assert not needs_renewal(made, NOW, 20 * DAY)
    assert needs_renewal(made, NOW + 1, 20 * DAY)


def test_a_reader_keeps_the_highest_number_over_restarts(tmp_path: Path) -> None:
    Publishers(tmp_path).accept(signed(5), NOW)
    with pytest.raises(VerificationError, match="older than number 5"):
        Publishers(tmp_path).accept(signed(4), NOW)
    Publishers(tmp_path).accept(signed(5), NOW)
    newer = signed(6, catalog=OTHER)
    assert Publishers(tmp_path).accept(newer, NOW).delegation == newer
    found = Publishers(tmp_path).get(PUBLIC)
    assert found is not None
    assert found.delegation == newer


def test_one_number_for_two_catalogs_is_a_contradiction(tmp_path: Path) -> None:
    publishers = Publishers(tmp_path)
    publishers.accept(signed(5), NOW)
    with pytest.raises(VerificationError, match="two catalogs"):
        publishers.accept(signed(5, catalog=OTHER), NOW)


def test_of_one_number_the_later_end_counts(tmp_path: Path) -> None:
    publishers = Publishers(tmp_path)
    later = signed(5, NOW + 2 * DAY)
    for delegation in (signed(5), later, signed(5)):
        kept = publishers.accept(delegation, NOW)
    assert kept.delegation == later


def test_a_delegation_that_has_ended_still_revokes_older_ones(tmp_path: Path) -> None:
    publishers = Publishers(tmp_path)
    publishers.accept(signed(5), NOW)
    with pytest.raises(VerificationError, match="ended"):
        publishers.accept(signed(6, NOW), NOW)
    with pytest.raises(VerificationError, match="older"):
        publishers.accept(signed(5), NOW)


def test_links_are_remembered_the_newest_addresses_first(tmp_path: Path) -> None:
    publishers = Publishers(tmp_path)
    feed = FeedId("bitfinex", "btcusd")
    publishers.remember(Link(PUBLIC, feed, (("old", 1), ("both", 1)), (("peer", 1),)))
    publishers.accept(signed(5), NOW)

    publishers.remember(Link(PUBLIC, None, (("new", 1), ("both", 1))))

    (known,) = Publishers(tmp_path).all()
    assert known.link == Link(PUBLIC, None, (("new", 1), ("both", 1), ("old", 1)), (("peer", 1),))
    assert known.delegation == signed(5)


def test_addresses_do_not_pile_up(tmp_path: Path) -> None:
    publishers = Publishers(tmp_path)
    for number in range(1, 40):
        publishers.remember(Link(PUBLIC, None, (("b", number),), (("p", number),)))
    link = publishers.all()[0].link
    assert link.bootstrap == tuple(("b", number) for number in range(39, 31, -1))
    assert link.peers == tuple(("p", number) for number in range(39, 31, -1))


def test_an_unknown_publisher_is_none(tmp_path: Path) -> None:
    assert Publishers(tmp_path).get(PUBLIC) is None
    (tmp_path / "notes.json").write_text("{}")
    assert Publishers(tmp_path).all() == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"version": 1, "link": 5}', "[" * 50_000, "\xff"]
)
def test_a_damaged_file_is_said_and_not_replaced(tmp_path: Path, text: str) -> None:
    publishers = Publishers(tmp_path)
    publishers.accept(signed(5), NOW)
    (path,) = tmp_path.glob("*.json")
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FormatError, match="damaged"):
        publishers.accept(signed(6), NOW)
    assert path.read_text(encoding="latin-1") == text
