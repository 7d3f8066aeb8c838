"""Walking through the directory towards a topic, and asking those who are nearest to it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from kademlia.crawling import SpiderCrawl
from kademlia.node import Node

from tradercast.errors import FormatError
from tradercast.swarm.address import may_tell, network_of
from tradercast.swarm.announcement import read_announcement
from tradercast.swarm.protocol import DirectoryProtocol
from tradercast.swarm.storage import MAX_PER_TOPIC

MAX_ASKED = 160
MAX_PER_NETWORK_OF_CRAWL = 2
MAX_VALUE_ROUNDS = 6
DISTRUST_AFTER = 3
FEW = 3


@dataclass(frozen=True, slots=True)
class Reached:
    """A node that answered, with the token that allows to store there."""

    node: Node
    token: bytes


class Crawl(SpiderCrawl):  # type: ignore[misc]
    """Find the live nodes nearest to a target.

    Unlike the stock crawl it goes on as soon as any question is answered, so that dead nodes
    cost no round of their own; it stops at a deadline with what it has; it takes two nodes
    of a network at most; and it leaves alone what is named only by nodes whose contacts
    turn out dead (else one liar with invented contacts takes all of the time).

    Parameters
    ----------
    protocol : DirectoryProtocol
        Asks.
    target : Node
        The place to get near to.
    peers : list of Node
        Where to start.
    ksize, alpha : int
        How many to find; how many to ask at once.
    deadline : float
        Of the running loop's clock.
    """

    def __init__(
        self,
        protocol: DirectoryProtocol,
        target: Node,
        peers: list[Node],
        ksize: int,
        alpha: int,
        *,
        deadline: float,
    ) -> None:
        super().__init__(protocol, target, [], ksize, alpha)
        self._deadline = deadline
        self._candidates: dict[bytes, Node] = {}
        self._asked: set[bytes] = set()
        self._running: dict[asyncio.Task[tuple[bool, Any]], Node] = {}
        self._reached: dict[bytes, Reached] = {}
        self._tellers: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._blame: Counter[bytes] = Counter()
        self._networks: Counter[str] = Counter()
        for peer in peers:
            self._hear_of(peer, None)

    async def find(self) -> list[Reached]:
        """Walk; the at most `ksize` nearest nodes that answered, the nearest first."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                while len(self._running) < self.alpha and (peer := self._next()) is not None:
                    self._asked.add(peer.id)
                    call = self.protocol.call_find_node(peer, self.node)
                    self._running[loop.create_task(call)] = peer
                left = self._deadline - loop.time()
                if not self._running or left <= 0:
                    break
                done, _ = await asyncio.wait(
                    self._running, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    self._hear(self._running.pop(task), *task.result())
        finally:
            await cancel_all(self._running)
        found = self._reached.values()
        return nsmallest(self.ksize, found, key=lambda r: self.node.distance_to(r.node))

    def _next(self) -> Node | None:
        """The nearest that is worth a question now."""
        if len(self._asked) >= MAX_ASKED:
            return None
        trusted = [node for node in self._candidates.values() if self._is_trusted(node)]
        for node in nsmallest(self.ksize, trusted, key=self.node.distance_to):
            if node.id not in self._asked and not self._is_busy_with_teller_of(node):
                return node
        if not self._running and len(self._reached) < FEW:
            doubtful = [n for n in self._candidates.values() if n.id not in self._asked]
            return min(doubtful, key=self.node.distance_to, default=None)
        return None

    def _is_trusted(self, node: Node) -> bool:
        tellers = self._tellers[node.id]
        return not tellers or any(self._blame[teller] < DISTRUST_AFTER for teller in tellers)

    def _is_busy_with_teller_of(self, node: Node) -> bool:
        """Whether half of the running questions stem from the only teller of `node`."""
        tellers = self._tellers[node.id]
        same = sum(self._tellers[peer.id] == tellers for peer in self._running.values())
        return len(tellers) == 1 and 2 * same >= self.alpha

    def _hear(self, peer: Node, answered: bool, value: Any) -> None:
        for teller in self._tellers[peer.id]:
            self._blame[teller] += -1 if answered else 1
            if self._blame[teller] >= DISTRUST_AFTER:
                self.protocol.liars.add(teller)
        if not answered:
            self._drop(peer)
            return
        token, contacts = value
        self._reached[peer.id] = Reached(peer, token)
        for contact in contacts[: self.ksize]:
            self._hear_of(contact, peer.id)

    def _hear_of(self, node: Node, teller: bytes | None) -> None:
        if node.id == self.protocol.source_node.id:
            return
        if teller is not None:
            self._tellers[node.id].add(teller)
            if teller not in self._blame and teller in self.protocol.liars:
                self._blame[teller] = DISTRUST_AFTER
        if node.id in self._candidates or node.id in self._asked:
            return
        network = network_of(node.ip)
        if network is not None:
            if self._networks[network] >= MAX_PER_NETWORK_OF_CRAWL:
                return
            self._networks[network] += 1
        self._candidates[node.id] = node

    def _drop(self, node: Node) -> None:
        network = network_of(node.ip)
        if self._candidates.pop(node.id, None) is not None and network is not None:
            self._networks[network] -= 1


async def gather_values(
    protocol: DirectoryProtocol, reached: list[Reached], topic: bytes, *, deadline: float
) -> list[bytes]:
    """The announcements, not verified, that the given nodes hold of a topic.

    A reply holds only a few, chosen at random; who says that it has more is asked again, six
    times at most.
    """
    values: set[bytes] = set()
    loop = asyncio.get_running_loop()

    async def ask(node: Node) -> None:
        # Each is counted by itself: what a liar adds must not end the asking of the others.
        told: set[bytes] = set()
        for _ in range(MAX_VALUE_ROUNDS):
            answered, (count, some) = await protocol.call_find_value(node, Node(topic))
            told.update(some)
            values.update(value for value in some if _is_tellable(value, node.ip))
            if not answered or len(told) >= min(count, MAX_PER_TOPIC):
                return

    tasks = [loop.create_task(ask(peer.node)) for peer in reached]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, deadline - loop.time()))
    finally:
        await cancel_all(tasks)
    return list(values)


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_tellable(blob: bytes, teller: str) -> bool:
    try:
        return may_tell(teller, read_announcement(blob).host)
    except FormatError:
        return False
