"""One running Tradercast on one data directory: its store, its peers, its publishers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from nacl.signing import SigningKey

from tradercast.addresses import Address
from tradercast.client.holdings import Holdings
from tradercast.client.peers import PeerPool
from tradercast.errors import ForkError, TradercastError
from tradercast.feed.catalog_copy import CatalogCopy
from tradercast.feed.checkpoint_store import CheckpointStore
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.delegation import Delegation
from tradercast.feed.gossip import GossipNote, decode_note, encode_note
from tradercast.feed.identity import load_or_create_node
from tradercast.feed.incident_files import IncidentFiles
from tradercast.feed.incidents import Incident
from tradercast.feed.publishers import Publishers
from tradercast.feed.witness import Witness
from tradercast.log import RESTART, Core, Event, LogStore, SwarmAddress
from tradercast.paths import DataDir
from tradercast.swarm.discovery import Discovery

_log = logging.getLogger(__name__)

_MAX_COPIES = 16  # of catalogs that peers told of, and nobody asked for yet


class Node:
    """A data directory in use.  Enter it as an asynchronous context manager.

    Parameters
    ----------
    data : DataDir
        Where everything is kept; made if it is missing.
    clock_ns : callable
        The time now, ns UTC.
    """

    store: LogStore
    key: SigningKey
    publishers: Publishers
    checkpoints: CheckpointStore
    incidents: IncidentFiles
    witness: Witness
    holdings: Holdings

    def __init__(self, data: DataDir, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.data = data
        self.clock_ns = clock_ns
        self.pool: PeerPool | None = None
        self.listening: SwarmAddress | None = None
        self.notices: list[str] = []  # what a person should be told: refused blocks
        self.refused_blocks = 0  # blocks from peers that did not match the signature
        self.damaged: list[tuple[bytes, int]] = []  # log and block that the disk has spoilt
        self.fork: ForkError | None = None
        self._discoveries: tuple[Discovery, ...] = ()
        self._joined: dict[bytes, list[bytes]] = {}
        self._heard: dict[bytes, asyncio.Event] = {}
        self._copies: dict[bytes, CatalogCopy] = {}
        self._later: set[asyncio.Task[None]] = set()
        self._watchers: list[Callable[[Event], None]] = []
        self._events: asyncio.Task[None] | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.data.ensure()
        self.key = load_or_create_node(self.data.identity)
        self.publishers = Publishers(self.data.publishers)
        self.checkpoints = CheckpointStore(self.data.checkpoints)
        self.incidents = IncidentFiles(self.data.incidents)
        self.witness = Witness(self.checkpoints, self.incidents, self.clock_ns)
        self.holdings = Holdings(self.data.holdings)
        try:
            store = await LogStore.open(self.data.root)
            self.store = await self._stack.enter_async_context(store)
            self._events = asyncio.create_task(self._watch(store.events()))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._finish(cancel=kind is not None)
        if self.pool is not None:
            await self.pool.close()
        for discovery in self._discoveries:
            await discovery.close()
        if self._events is not None:
            self._events.cancel()
            with contextlib.suppress(asyncio.CancelledError, TradercastError):
                await self._events
        await self._stack.aclose()

    async def go_online(
        self,
        discoveries: Sequence[Discovery],
        *,
        listen: Address | None = None,
        asked: str = "",
    ) -> None:
        """Connect to other nodes from now on.

        Parameters
        ----------
        discoveries : sequence of Discovery
            Where to look for peers; this node closes them at its end.
        listen : (str, int), optional
            Take connections there too; port 0 picks one.
        asked : str
            Who is asked, as an error shall say it.

        Raises
        ------
        PortInUseError
            If another program has the port.
        """
        self._discoveries = tuple(discoveries)
        self.listening = await self.store.swarm.start(bytes(self.key), listen=listen)
        self.pool = PeerPool(
            self.store.swarm, self._discoveries, own_key=bytes(self.key.verify_key), asked=asked
        )

    async def join(self, root: bytes) -> None:
        """Tell peers who know this publisher what is known of it, and hear what they know."""
        if root in self._joined:
            return
        publisher = self.publishers.get(root)
        notes = []
        if publisher is not None and publisher.delegation is not None:
            notes.append(encode_note(publisher.delegation))
        heard = await self.store.topics.join(root, notes)
        self._joined[root] = notes
        for note in heard:
            self._take_note(root, note.data)

    async def tell(self, root: bytes, notes: Sequence[GossipNote]) -> None:
        """Replace what is told to the peers of a publisher."""
        self._joined[root] = [encode_note(note) for note in notes]
        await self.store.topics.set(root, self._joined[root])

    def heard(self, root: bytes) -> asyncio.Event:
        """Set when a delegation of this publisher was heard."""
        return self._heard.setdefault(root, asyncio.Event())

    def copy_of(self, key: bytes) -> CatalogCopy | None:
        """The catalog with this key as a peer told of it, checked; the longest of several."""
        return self._copies.get(key)

    def later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside what is asked for; this node waits for it before it ends."""
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return task

    async def _finish(self, *, cancel: bool) -> None:
        tasks = tuple(self._later)
        for task in tasks if cancel else ():
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def watch(self, watcher: Callable[[Event], None]) -> Callable[[], None]:
        """Call `watcher` with every event of the store; returns what ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def open_log(self, key: bytes) -> Core:
        """Open a log for reading; what it is known to have contradicted itself in is noted."""
        core = await self.store.core(key=key)
        for evidence in core.incidents:
            self._take_incident(evidence)
        return core

    async def remember(self, core: Core) -> LogCheckpoint | None:
        """Keep the newest signed state of a log; a contradiction is an incident.

        Raises
        ------
        ForkError
            If the log's publisher signed something else before.
        """
        state = await core.checkpoint()
        if state.length == 0:
            return None
        checkpoint = LogCheckpoint(core.key, state)
        await asyncio.to_thread(self.witness.own, checkpoint)  # it waits for the disk
        return checkpoint

    async def _watch(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            try:
                self._take(event)
            except TradercastError as error:
                _log.warning("%s: %s", event.topic, error.message)
            for watcher in tuple(self._watchers):
                watcher(event)

    def _take(self, event: Event) -> None:
        data = event.data
        if event.topic == "topic.note":
            self._take_note(data["root"], data["data"])
        elif event.topic == "peer.close" and self.pool is not None:
            self.pool.lost(data["peer"])
        elif event.topic == RESTART and self.pool is not None:
            self.pool.restart()
        elif event.topic == "block.invalid":
            self.refused_blocks += 1
            banned = ", which is banned now" if data.get("banned") else ""
            self.notices.append(
                f"refused a block that does not match the publisher's signature "
                f"from {data['public_key'].hex()[:8]}{banned}"
            )
        elif event.topic == "block.damaged":
            self.damaged.append((data["key"], data["index"]))
            _log.warning(
                "block %d of log %s was damaged on the disk: it is dropped, a sync fetches it anew",
                data["index"],
                data["key"].hex()[:8],
            )
        elif event.topic == "core.incident":
            self._take_incident(data)

    def _take_note(self, root: bytes, data: bytes) -> None:
        try:
            note = decode_note(data)
            if isinstance(note, Delegation) and note.root == root:
                self.publishers.accept(note, self.clock_ns())
                self.heard(root).set()
            elif isinstance(note, LogCheckpoint):
                self.witness.heard(note)
            elif isinstance(note, CatalogCopy):
                self._take_copy(note)
        except ForkError as error:
            self.fork = error
        except TradercastError as error:
            _log.warning("a peer's note is ignored: %s", error.message)

    def _take_copy(self, note: CatalogCopy) -> None:
        known = self._copies.get(note.key)
        if known is not None and known.checkpoint.length >= note.checkpoint.length:
            return
        note.verify()
        self.witness.heard(note.checkpoint)
        self._copies.pop(note.key, None)
        self._copies[note.key] = note
        if len(self._copies) > _MAX_COPIES:
            del self._copies[next(iter(self._copies))]

    def _take_incident(self, evidence: Mapping[str, Any]) -> None:
        incident = Incident.of_evidence(evidence)
        path = self.incidents.write(incident)
        self.fork = ForkError(
            incident.check(),
            hint=f"what is here stays and is not replaced; the signed proof is in {path}",
        )
