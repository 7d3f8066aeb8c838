"""The announcement's bytes: what fits, what is believed, what is refused."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tradercast.errors import FormatError, UnknownVersionError, UsageError, VerificationError
from tradercast.swarm.address import is_host
from tradercast.swarm.announcement import (
    MAX_ENCODED,
    MAX_HELD,
    MAX_SEQ,
    Announcement,
    newest,
    read_announcement,
    sign_announcement,
    topic_of_core,
    topic_of_root,
    verify_announcement,
)

NOW = 1_700_000_000
KEY = SigningKey(b"\x05" * 32)
TOPIC = topic_of_core(b"\x01" * 32)
PLAIN = Announcement(
    TOPIC,
    node_key=bytes(KEY.verify_key),
    host="192.0.2.7",
    port=4001,
    held=((0, 5), (9, 12)),
    tail=True,
    number=3,
    expires_s=NOW + 1800,
)


def signed(**changes: object) -> bytes:
    return sign_announcement(replace(PLAIN, **changes), KEY)  # type: ignore[arg-type]


def resigned(fields: list[object]) -> bytes:
    """Signed by the real key, whatever the fields are."""
    body: bytes = msgpack.packb(fields)
    return bytes(KEY.sign(b"tradercast/announcement/1\0" + body).signature) + body


def fields_of(blob: bytes) -> list[object]:
    fields: list[object] = msgpack.unpackb(blob[64:])
    return fields


def test_topics_are_hashes_that_differ_by_kind() -> None:
    assert topic_of_core(b"\x01" * 32).hex() == "91c21a50997d920f44d135a8eef2579a5260c6e0"
    assert topic_of_root(b"\x01" * 32) != topic_of_core(b"\x01" * 32)
    assert len(topic_of_root(b"\x01" * 32)) == 20
    with pytest.raises(UsageError, match="32 bytes"):
        topic_of_core(b"short")


def test_what_was_signed_comes_back_equal() -> None:
    assert verify_announcement(signed(), topic=TOPIC, now_s=NOW) == PLAIN
    assert len(signed()) == 147


ranges = st.lists(st.integers(0, MAX_SEQ), max_size=2 * MAX_HELD, unique=True).map(
    lambda bounds: tuple(zip(sorted(bounds)[0::2], sorted(bounds)[1::2], strict=False))
)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z]{2,20}){0,2}", fullmatch=True),
).filter(is_host)


@given(ranges, hosts, st.integers(1, 65_535), st.booleans(), st.integers(0, MAX_SEQ))
def test_any_legal_announcement_fits_and_round_trips(
    held: tuple[tuple[int, int], ...], host: str, port: int, tail: bool, number: int
) -> None:
    announcement = replace(PLAIN, held=held, host=host, port=port, tail=tail, number=number)
    blob = sign_announcement(announcement, KEY)
    assert len(blob) <= MAX_ENCODED
    assert verify_announcement(blob, topic=TOPIC, now_s=NOW) == announcement


def test_the_largest_one_fits() -> None:
    step = MAX_SEQ // 33
    blob = signed(
        host="a" * 31 + "." + "b" * 32,
        held=tuple((2 * i * step + 1, 2 * i * step + 1 + step) for i in range(MAX_HELD)),
        number=MAX_SEQ,
        expires_s=NOW + 4200,
    )
    assert len(blob) == 489


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"topic": b"short"}, "topic"),
        ({"host": ""}, "host"),
        ({"host": "0.0.0.0"}, "host"),
        ({"host": "224.0.0.1"}, "host"),
        ({"host": "255.255.255.255"}, "host"),
        ({"host": "::ffff:1.2.3.4"}, "host"),
        ({"host": "2001:DB8::1"}, "host"),
        ({"host": "fe80::1%eth0"}, "host"),
        ({"host": "127.1"}, "host"),
        ({"host": "a_b..c"}, "host"),
        ({"host": "Example.org"}, "host"),
        ({"host": "a" * 65}, "host"),
        ({"host": "x/../y"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        ({"port": True}, "port"),
        ({"held": ((5, 5),)}, "held"),
        ({"held": ((5, 9), (9, 10))}, "held"),
        ({"held": ((5, 9), (1, 2))}, "held"),
        ({"held": ((-1, 9),)}, "held"),
        ({"held": ((0, 2**63),)}, "held"),
        ({"held": tuple((2 * i, 2 * i + 1) for i in range(17))}, "held"),
        ({"full": True}, "full"),
        ({"number": -1}, "number"),
        ({"number": 2**63}, "number"),
        ({"expires_s": -1}, "expiry"),
    ],
)
def test_what_breaks_a_rule_is_not_signed(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        signed(**changes)


def test_only_the_node_itself_signs() -> None:
    with pytest.raises(UsageError, match="signed by the node"):
        sign_announcement(PLAIN, SigningKey.generate())


def test_a_foreign_topic_is_refused() -> None:
    with pytest.raises(VerificationError, match="another topic"):
        verify_announcement(signed(), topic=topic_of_root(b"\x01" * 32), now_s=NOW)


@pytest.mark.parametrize(
    ("expires_in", "complaint"),
    [(0, "expired"), (-1, "expired"), (70 * 60 + 1, "longer than 70 minutes")],
)
def test_time_is_limited_on_both_sides(expires_in: int, complaint: str) -> None:
    with pytest.raises(VerificationError, match=complaint):
        verify_announcement(signed(expires_s=NOW + expires_in), topic=TOPIC, now_s=NOW)


def test_seventy_minutes_and_one_second_are_both_fine() -> None:
    for expires_in in (1, 70 * 60):
        verify_announcement(signed(expires_s=NOW + expires_in), topic=TOPIC, now_s=NOW)


def test_every_flipped_bit_is_noticed() -> None:
    blob = signed()
    for at in range(len(blob)):
        flipped = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        with pytest.raises((FormatError, VerificationError)):
            verify_announcement(flipped, topic=TOPIC, now_s=NOW)


def test_signed_by_another_key_is_refused() -> None:
    other = SigningKey.generate()
    forged = sign_announcement(replace(PLAIN, node_key=bytes(other.verify_key)), other)
    fields = fields_of(forged)
    fields[2] = PLAIN.node_key
    with pytest.raises(VerificationError, match="bad signature"):
        verify_announcement(forged[:64] + msgpack.packb(fields), topic=TOPIC, now_s=NOW)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (1, None), (1, b""), (2, b"x"), (3, b"192.0.2.7"), (3, 5), (4, "4001"), (4, -1),
        (5, 4), (5, None), (5, True), (6, [1]), (6, [1, 0]), (6, [1, "2"]), (6, [1, 2.0]),
        (6, [0, True]), (6, 5), (6, [1] * 34), (6, [2**63, 2**63]), (7, None), (7, 1.0),
        (8, "soon"), (8, []), (6, [[[[[]]]]]),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_even_if_signed(at: int, value: object) -> None:
    fields = fields_of(signed())
    fields[at] = value
    with pytest.raises(FormatError):
        verify_announcement(resigned(fields), topic=TOPIC, now_s=NOW)


def test_a_newer_version_is_told_apart_from_garbage() -> None:
    with pytest.raises(UnknownVersionError, match="version 2"):
        read_announcement(resigned([2, "whatever"]))


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_with_our_error(blob: bytes) -> None:
    with pytest.raises((FormatError, VerificationError)):
        verify_announcement(blob, topic=TOPIC, now_s=NOW)


def test_the_newest_of_each_node_wins_and_a_tie_goes_to_the_larger_bytes() -> None:
    other = SigningKey.generate()
    foreign = sign_announcement(replace(PLAIN, node_key=bytes(other.verify_key)), other)
    tied = [signed(number=8, port=1), signed(number=8, port=2)]
    blobs = [signed(number=7), *tied, signed(number=9, expires_s=NOW), b"x" * 90, None, foreign]

    best = newest(blobs, topic=TOPIC, now_s=NOW)

    assert best == {PLAIN.node_key: max(tied), bytes(other.verify_key): foreign}
