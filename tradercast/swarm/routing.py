"""The routing table: exact neighbours, and no bucket filled from one network."""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest
from typing import Any

from kademlia.node import Node
from kademlia.routing import RoutingTable

from tradercast.swarm.address import Address, network_of

MAX_PER_NETWORK_OF_BUCKET = 2


class DirectoryTable(RoutingTable):  # type: ignore[misc]
    """The stock table with a limit per network and a complete search.

    The stock search stops after one bucket on the left where none is left on the right, and
    takes the first `k` nodes that it meets rather than the `k` nearest.
    """

    def nodes(self) -> list[Node]:
        """Every contact that queries are sent to."""
        return [node for bucket in self.buckets for node in bucket.get_nodes()]

    def holds(self, node_id: bytes, address: Address) -> bool:
        """Whether this very contact is in the table."""
        known = self.buckets[self.get_bucket_for(Node(node_id))][node_id]
        return known is not None and (known.ip, known.port) == address

    def add_contact(self, node: Node) -> None:
        """Add a proven contact, or move a known one to its new address."""
        bucket = self.buckets[self.get_bucket_for(node)]
        network = network_of(node.ip)
        if network is not None and bucket[node.id] is None:
            counts = Counter(network_of(known.ip) for known in bucket.get_nodes())
            if counts[network] >= MAX_PER_NETWORK_OF_BUCKET:
                return
        super().add_contact(node)

    def find_neighbors(self, node: Node, k: int | None = None, exclude: Any = None) -> list[Node]:
        """The `k` contacts nearest to `node`, without `node` itself and `exclude`'s address."""
        near = (
            known
            for known in self.nodes()
            if known.id != node.id and not (exclude is not None and known.same_home_as(exclude))
        )
        return nsmallest(k or self.ksize, near, key=node.distance_to)
