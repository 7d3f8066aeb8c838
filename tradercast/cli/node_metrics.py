"""What a node exchanges with its peers, and what it holds, as metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tradercast.client.node import Node
from tradercast.errors import SidecarLostError
from tradercast.pipeline.telemetry import Reading

_EVERY_S = 5.0


@dataclass(slots=True)
class Traffic:
    """Since the sidecar started, of all connections.

    Attributes
    ----------
    sent, received : int
        Bytes.
    blocks_sent, blocks_received : int
        Blocks of logs.
    peers : int
        Connections that stand.
    free : int
        Bytes that the store's disk has left; -1 if that is not known.
    lost : int
        Times that the sidecar did not answer, for it was killed or is new.
    """

    sent: int = 0
    received: int = 0
    blocks_sent: int = 0
    blocks_received: int = 0
    peers: int = 0
    free: int = -1
    lost: int = 0

    async def watch(self, node: Node) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            try:
                await self._look(node)
            except SidecarLostError:
                self.lost += 1
            await asyncio.sleep(_EVERY_S)

    async def _look(self, node: Node) -> None:
        stats = await node.store.stats()
        connections = [*stats["peers"], stats["closed"]]
        self.peers = len(stats["peers"])
        self.sent = sum(one["bytes_out"] for one in connections)
        self.received = sum(one["bytes_in"] for one in connections)
        self.blocks_sent = sum(one.get("blocks_out", 0) for one in connections)
        self.blocks_received = sum(one.get("blocks_in", 0) for one in connections)
        with contextlib.suppress(KeyError):
            self.free = int((await node.store.free_space())["free"])


def node_readings(service: str, traffic: Traffic, node: Node) -> Iterator[Reading]:
    """What a serving node tells, whatever else it does.

    Parameters
    ----------
    service : str
        ``feeder``, ``serve`` or ``collect``: uploaded by the first, served by the others.
    traffic : Traffic
        Watched.
    node : Node
        Whose it is.
    """
    prefix = f"tradercast_{service}"
    text = "Bytes exchanged with peers since the sidecar started."
    for direction, value in (("sent", traffic.sent), ("received", traffic.received)):
        yield Reading(f"{prefix}_peer_bytes_total", text, value, {"direction": direction})
    text = "Blocks of logs exchanged with peers since the sidecar started."
    pairs = (("sent", traffic.blocks_sent), ("received", traffic.blocks_received))
    for direction, value in pairs:
        yield Reading(f"{prefix}_peer_blocks_total", text, value, {"direction": direction})
    yield Reading(f"{prefix}_peers", "Connections with peers that stand.", traffic.peers)
    yield Reading(f"{prefix}_feeds", "Feeds of which something is here.", len(node.holdings.all()))
    text = "Times that the sidecar did not answer."
    yield Reading(f"{prefix}_sidecar_lost_total", text, traffic.lost)
    if traffic.free >= 0:
        text = "Bytes left on the disk of the data directory."
        yield Reading(f"{prefix}_disk_free_bytes", text, traffic.free)
    text = "1 if two versions of a publisher's log were seen: see `tradercast verify`."
    yield Reading(f"{prefix}_forked", text, int(node.fork is not None))
