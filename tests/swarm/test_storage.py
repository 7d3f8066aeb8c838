"""What a directory node keeps for others, and what it refuses."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from nacl.signing import SigningKey

from tradercast.swarm import topic_of_core
from tradercast.swarm.announcement import read_announcement
from tradercast.swarm.storage import AnnouncementStorage

START = 1_700_000_000.0
KEYS = [SigningKey(bytes([i + 1]) * 32) for i in range(80)]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(clock: Clock) -> AnnouncementStorage:
    return AnnouncementStorage(clock, random.Random(1))


@pytest.fixture
def blob(signed: Callable[..., bytes]) -> Callable[..., bytes]:
    def make(who: int = 0, **fields: object) -> bytes:
        return signed(KEYS[who], START, **fields)

    return make


Blob = Callable[..., bytes]


def test_a_valid_announcement_is_kept_and_given_back(
    storage: AnnouncementStorage, blob: Blob, topic: bytes
) -> None:
    assert storage.put(blob(), "127.0.0.1")
    assert storage.values(topic) == (1, [blob()])
    assert storage[topic] == [blob()]
    assert dict(storage) == {topic: [blob()]}
    assert storage.iter_older_than(0) == []


def test_forged_expired_and_garbled_bytes_are_refused(
    storage: AnnouncementStorage, blob: Blob, topic: bytes
) -> None:
    forged = bytes(64) + blob()[64:]
    for bad in (forged, blob(expires_in=0), blob(expires_in=4201), b"", b"x" * 200, blob()[:-1]):
        assert not storage.put(bad, "127.0.0.1")
    assert storage.count == 0
    assert storage.get(topic) is None
    assert storage.get(b"odd", [b"default"]) == [b"default"]
    with pytest.raises(KeyError):
        storage[topic]


def test_the_higher_number_stays_and_a_replay_changes_nothing(
    storage: AnnouncementStorage, blob: Blob, topic: bytes
) -> None:
    old, new = blob(number=1), blob(number=2)
    assert storage.put(old)
    assert storage.put(new)
    assert storage.put(old), "a newer one is held, so nothing is missing"
    assert storage.values(topic) == (1, [new])

    tied = sorted([blob(number=3, port=1), blob(number=3, port=2)])
    for each in (tied[1], tied[0]):
        storage.put(each)
    assert storage.values(topic) == (1, [tied[1]])


def test_what_expires_is_gone(
    storage: AnnouncementStorage, blob: Blob, clock: Clock, topic: bytes
) -> None:
    storage.put(blob(0, expires_in=100))
    storage.put(blob(1, expires_in=200))
    clock.now += 100
    assert storage.values(topic) == (1, [blob(1, expires_in=200)])
    assert not storage.put(blob(0, expires_in=100))
    clock.now += 100
    assert storage.drop_expired() == 1
    assert storage.count == 0
    assert list(storage) == []


def test_a_topic_holds_64_and_a_refresh_still_gets_in(
    storage: AnnouncementStorage, blob: Blob, topic: bytes
) -> None:
    taken = [storage.put(blob(who)) for who in range(70)]
    assert taken == [True] * 64 + [False] * 6
    assert storage.put(blob(5, number=9))
    assert storage.values(topic)[0] == 64


@pytest.mark.parametrize(
    ("first", "second", "third", "elsewhere"),
    [
        ("8.8.4.1", "8.8.4.200", "8.8.4.77", "8.8.5.1"),
        ("2001:4860:1::1", "2001:4860:1:9::1", "2001:4860:1:ffff::2", "2001:4860:2::1"),
    ],
)
def test_two_of_a_network_are_kept_in_a_topic(
    storage: AnnouncementStorage, blob: Blob, first: str, second: str, third: str, elsewhere: str
) -> None:
    assert storage.put(blob(0, host=first), first)
    assert storage.put(blob(1, host=second), second)
    assert not storage.put(blob(2, host=third), third)
    assert storage.put(blob(3, host=elsewhere), elsewhere)
    assert storage.put(blob(1, host=second, number=2), second), "a refresh is no third one"
    other = topic_of_core(b"\x02" * 32)
    assert storage.put(blob(2, host=third, topic=other), third), "another topic, another count"


def test_the_sender_counts_too_so_that_invented_hosts_do_not_help(
    storage: AnnouncementStorage, blob: Blob
) -> None:
    taken = [storage.put(blob(i, host=f"8.8.{i}.1"), "9.9.9.9") for i in range(4)]
    taken += [storage.put(blob(9, host="a.example"), "9.9.9.10")]
    assert taken == [True, True, False, False, False]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "fd00::7", "::1"])
def test_many_nodes_of_one_machine_or_site_are_kept(
    storage: AnnouncementStorage, blob: Blob, host: str
) -> None:
    assert all(storage.put(blob(who, host=host), host) for who in range(10))


@pytest.mark.parametrize(
    ("sender", "host"),
    [("8.8.8.8", "127.0.0.1"), ("8.8.8.8", "192.168.0.1"), ("10.0.0.1", "127.0.0.1")],
)
def test_an_address_that_means_nothing_where_it_comes_from_is_refused(
    storage: AnnouncementStorage, blob: Blob, sender: str, host: str
) -> None:
    assert not storage.put(blob(host=host), sender)


def test_in_a_full_topic_a_new_network_displaces_the_second_of_another(
    storage: AnnouncementStorage, blob: Blob, topic: bytes
) -> None:
    for i in range(32):
        for j in (1, 2):
            assert storage.put(blob(2 * i + j - 1, host=f"8.8.{i}.{j}"), f"8.8.{i}.{j}")
    assert not storage.put(blob(70, host="8.8.0.3"), "8.8.0.3")
    assert storage.put(blob(71, host="9.9.9.9"), "9.9.9.9")
    kept = [read_announcement(b).host for b in storage.all_values(topic)]
    assert len(kept) == 64
    assert "9.9.9.9" in kept


def test_the_whole_store_is_limited(clock: Clock, blob: Blob) -> None:
    topics = [topic_of_core(bytes([i]) * 32) for i in range(6)]
    few = AnnouncementStorage(clock, max_topics=3)
    assert [few.put(blob(topic=t)) for t in topics] == [True] * 3 + [False] * 3
    assert few.put(blob(1, topic=topics[0])), "a known topic still takes another node"
    few = AnnouncementStorage(clock, max_announcements=4)
    assert [few.put(blob(topic=t)) for t in topics] == [True] * 4 + [False] * 2
    few = AnnouncementStorage(clock, max_per_network=2)
    taken = [few.put(blob(topic=t, host="8.8.8.8"), "8.8.8.8") for t in topics]
    assert taken == [True] * 2 + [False] * 4
    clock.now += 1801
    few.drop_expired()
    assert not few._per_network
    assert not few._topics


def test_a_reply_is_a_random_choice_that_fits(
    storage: AnnouncementStorage, blob: Blob, topic: bytes
) -> None:
    for who in range(40):
        storage.put(blob(who))
    seen = set()
    for _ in range(60):
        count, values = storage.values(topic, 900)
        assert count == 40
        assert len(values) >= 5
        assert sum(len(v) + 3 for v in values) <= 900
        seen |= set(values)
    assert len(seen) == 40
