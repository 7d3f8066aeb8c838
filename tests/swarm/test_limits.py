"""Addresses, rates and memories of strangers."""

from __future__ import annotations

import pytest

from tradercast.swarm.address import is_host, may_tell, network_of, parse_ip
from tradercast.swarm.limits import RecentSet, SourceLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("text", ["1.2.3.4", "::1", "2001:db8::1", "localhost", "a.b-c.example."])
def test_hosts(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize("text", ["", "1.2.3", "0x7f.1", "1.2.3.04", "-a", "a b", "é.example", 5])
def test_what_is_no_host(text: object) -> None:
    assert not is_host(text)


def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address() -> None:
    assert str(parse_ip("::ffff:8.8.8.8")) == "8.8.8.8"
    assert parse_ip("::ffff:0.0.0.0") is None


def test_only_addresses_of_the_internet_have_a_limited_network() -> None:
    assert network_of("8.8.8.8") == "8.8.8.0/24"
    assert network_of("2001:4860:4860::8888") == "2001:4860:4860::/48"
    for local in ("127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "fe80::1", "a.example"):
        assert network_of(local) is None


def test_nobody_tells_of_addresses_nearer_than_itself() -> None:
    assert may_tell("127.0.0.1", "127.0.0.1")
    assert may_tell("127.0.0.1", "8.8.8.8")
    assert may_tell("10.0.0.1", "10.0.0.2")
    assert may_tell("8.8.8.8", "seed.example")
    assert not may_tell("10.0.0.1", "127.0.0.1")
    assert not may_tell("8.8.8.8", "10.0.0.2")
    assert not may_tell("8.8.8.8", "::1")


def test_a_source_gets_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    limit = SourceLimit(rate=10, burst=100, clock=clock)
    assert [limit.take(("8.8.8.8", port), 40) for port in (1, 2, 3)] == [True, True, False]
    assert limit.take(("8.8.8.9", 1), 100), "another address has its own share"
    clock.now += 2
    assert limit.take(("8.8.8.8", 4), 40)
    assert not limit.take(("8.8.8.8", 4), 1)
    clock.now += 3600
    assert not limit.take(("8.8.8.8", 4), 101)


def test_sources_are_64_bits_of_ipv6_and_sockets_on_loopback() -> None:
    limit = SourceLimit(rate=0, burst=1, clock=Clock())
    assert limit.take(("2001:db8:0:1::1", 1), 1)
    assert not limit.take(("2001:db8:0:1:9::9", 2), 1)
    assert limit.take(("127.0.0.1", 1), 1)
    assert limit.take(("127.0.0.1", 2), 1)


def test_the_memory_of_sources_is_bounded() -> None:
    limit = SourceLimit(rate=0, burst=1, max_sources=10, clock=Clock())
    for i in range(100):
        assert limit.take((f"8.8.8.{i}", 1), 1)
    assert len(limit._buckets) == 10


def test_a_recent_set_forgets_by_time_and_by_size() -> None:
    clock = Clock()
    recent = RecentSet(30, 2, clock=clock)
    for key in "abc":
        recent.add(key)
        clock.now += 10
    assert ["a" in recent, "b" in recent, "c" in recent] == [False, True, True]
    clock.now += 10
    assert ["b" in recent, "c" in recent] == [False, True]
    recent.discard("c")
    assert "c" not in recent
