"""The announcements that a directory node keeps for others, verified as they come in."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kademlia.storage import IStorage

from tradercast.errors import FormatError, VerificationError
from tradercast.swarm.address import may_tell, network_of
from tradercast.swarm.announcement import (
    TOPIC_SIZE,
    Announcement,
    read_announcement,
    verify_announcement,
)

MAX_TOPICS = 100_000
MAX_ANNOUNCEMENTS = 200_000
MAX_PER_TOPIC = 64
MAX_PER_NETWORK_OF_TOPIC = 2
MAX_PER_NETWORK = 10_000
MAX_REPLY_VALUES = 1_000


@dataclass(frozen=True, slots=True)
class _Kept:
    announcement: Announcement
    blob: bytes
    networks: frozenset[str]


class AnnouncementStorage(IStorage):  # type: ignore[misc]
    """Newest valid announcement of each node of each topic, within limits.

    A topic keeps 64 announcements, two of them from one /24 (/48 for IPv6); loopback and
    site addresses are not counted (see `address.network_of`).  Where a topic is full, a
    network that has none yet takes the place of the second of another network.  Nothing is
    republished: owners announce again before their announcements expire.

    Parameters
    ----------
    clock : callable
        Seconds UTC.
    rng : random.Random
        Chooses what a reply holds where not everything fits.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        *,
        max_topics: int = MAX_TOPICS,
        max_announcements: int = MAX_ANNOUNCEMENTS,
        max_per_network: int = MAX_PER_NETWORK,
    ) -> None:
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._max_topics = max_topics
        self._max_announcements = max_announcements
        self._max_per_network = max_per_network
        self._topics: dict[bytes, dict[bytes, _Kept]] = {}
        self._per_network: Counter[str] = Counter()
        self._count = 0

    def put(self, blob: bytes, sender: str | None = None) -> bool:
        """Take an announcement in.

        Parameters
        ----------
        blob : bytes
            Signed bytes of anyone.
        sender : str, optional
            The IP address that sent it; `None` for this process itself.

        Returns
        -------
        bool
            Whether it, or a newer one of the same node, is held now.
        """
        try:
            claim = read_announcement(blob)
            if sender is not None and not may_tell(sender, claim.host):
                return False
            topic = self._topics.get(claim.topic, {})
            old = topic.get(claim.node_key)
            if old is not None and old.blob == blob:
                return old.announcement.expires_s > self._clock()
            found = verify_announcement(blob, topic=claim.topic, now_s=self._clock())
        except (FormatError, VerificationError):
            return False
        if old is not None and (old.announcement.number, old.blob) > (found.number, blob):
            return True
        addresses = {found.host} if sender is None else {found.host, sender}
        networks = frozenset(n for n in map(network_of, addresses) if n is not None)
        return self._insert(_Kept(found, blob, networks), old)

    def values(self, topic: bytes, limit: int = MAX_REPLY_VALUES) -> tuple[int, list[bytes]]:
        """How many announcements of a topic are held, and a random choice of `limit` bytes."""
        kept = self._alive(topic)
        blobs = [k.blob for k in kept]
        self._rng.shuffle(blobs)
        chosen, size = [], 0
        for blob in blobs:
            # 3 bytes of msgpack stand before each value.
            if size + len(blob) + 3 <= limit:
                chosen.append(blob)
                size += len(blob) + 3
        return len(kept), chosen

    def all_values(self, topic: bytes) -> list[bytes]:
        """Every announcement held of a topic."""
        return [k.blob for k in self._alive(topic)]

    def drop_expired(self) -> int:
        """Forget what has expired, in every topic; returns how many that were."""
        before = self._count
        for topic in list(self._topics):
            self._alive(topic)
        return before - self._count

    @property
    def count(self) -> int:
        """How many announcements are held."""
        return self._count

    def _alive(self, topic: bytes) -> list[_Kept]:
        now = self._clock()
        for kept in list(self._topics.get(topic, {}).values()):
            if kept.announcement.expires_s <= now:
                self._remove(kept)
        return list(self._topics.get(topic, {}).values())

    def _insert(self, new: _Kept, old: _Kept | None) -> bool:
        others = [k for k in self._alive(new.announcement.topic) if k is not old]
        counts = Counter(network for k in others for network in k.networks)
        if any(counts[network] >= MAX_PER_NETWORK_OF_TOPIC for network in new.networks):
            return False
        if old is None and not self._has_room(new):
            return False
        if len(others) >= MAX_PER_TOPIC:
            second = next((k for k in others if any(counts[n] > 1 for n in k.networks)), None)
            if second is None or any(counts[network] for network in new.networks):
                return False
            self._remove(second)
        if old is not None:
            self._remove(old)
        self._topics.setdefault(new.announcement.topic, {})[new.announcement.node_key] = new
        self._per_network.update(new.networks)
        self._count += 1
        return True

    def _has_room(self, new: _Kept) -> bool:
        if self._count >= self._max_announcements:
            return False
        if new.announcement.topic not in self._topics and len(self._topics) >= self._max_topics:
            return False
        return all(self._per_network[n] < self._max_per_network for n in new.networks)

    def _remove(self, kept: _Kept) -> None:
        topic = self._topics[kept.announcement.topic]
        if topic.get(kept.announcement.node_key) is not kept:
            return
        del topic[kept.announcement.node_key]
        if not topic:
            del self._topics[kept.announcement.topic]
        self._count -= 1
        self._per_network.subtract(kept.networks)
        for network in kept.networks:
            if self._per_network[network] <= 0:
                del self._per_network[network]

    # What the stock library asks of a storage.

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.put(value)

    def __getitem__(self, key: bytes) -> list[bytes]:
        values = self.get(key)
        if values is None:
            raise KeyError(key)
        return values

    def get(self, key: bytes, default: list[bytes] | None = None) -> list[bytes] | None:
        """A random choice of a topic's announcements that fits a reply."""
        usable = isinstance(key, bytes) and len(key) == TOPIC_SIZE
        return (self.values(key)[1] if usable else []) or default

    def iter_older_than(self, seconds_old: float) -> list[tuple[bytes, bytes]]:
        """Nothing: owners republish, holders do not."""
        return []

    def __iter__(self) -> Iterator[tuple[bytes, list[bytes]]]:
        return iter([(topic, self.all_values(topic)) for topic in list(self._topics)])
