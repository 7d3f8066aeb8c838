"""Bounded memories of strangers: how much each may ask, and who did not answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic

from tradercast.swarm.address import Address, Scope, parse_ip, scope_of

SOURCE_BYTES_PER_S = 256 * 1024
SOURCE_BURST = 1024 * 1024
MAX_SOURCES = 20_000
DEAD_S = 30.0
MAX_DEAD = 5_000


class SourceLimit:
    """A token bucket in bytes for each source of requests.

    A source is an IPv4 address or an IPv6 /64.  On loopback it is one socket: there many
    nodes share an address, and nobody fakes one.
    """

    def __init__(
        self,
        rate: float = SOURCE_BYTES_PER_S,
        burst: float = SOURCE_BURST,
        *,
        max_sources: int = MAX_SOURCES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._max_sources = max_sources
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, source: Address, size: int) -> bool:
        """Charge `size` bytes to a source; False if it has used up its share."""
        key = _source_key(source)
        now = self._clock()
        left, since = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        allowed = left >= size
        self._buckets[key] = (left - size if allowed else left, now)
        if len(self._buckets) > self._max_sources:
            self._buckets.popitem(last=False)
        return allowed


class RecentSet:
    """Keys seen in the last `ttl_s` seconds, the newest `max_size` of them."""

    def __init__(
        self, ttl_s: float, max_size: int, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._ttl_s = ttl_s
        self._max_size = max_size
        self._clock = clock
        self._seen: OrderedDict[Hashable, float] = OrderedDict()

    def add(self, key: Hashable) -> None:
        """Remember `key` from now."""
        self._seen.pop(key, None)
        self._seen[key] = self._clock()
        if len(self._seen) > self._max_size:
            self._seen.popitem(last=False)

    def discard(self, key: Hashable) -> None:
        """Forget `key`."""
        self._seen.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        since = self._seen.get(key)
        return since is not None and self._clock() - since < self._ttl_s


def _source_key(source: Address) -> Hashable:
    ip = parse_ip(source[0])
    if ip is None:
        return source[0]
    if scope_of(ip) is Scope.LOOPBACK:
        return source
    return ip.packed if ip.version == 4 else ip.packed[:8]
