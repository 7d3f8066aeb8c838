"""What directory nodes say to each other, and how they learn of one another.

What differs from the stock protocol, and why:

- A contact enters the routing table only after it proved its node id from its address, so
  neither an invented id nor a faked source address gets in.
- A request whose node id is empty comes from somebody who only looks something up: it is
  answered, and its sender is never asked, listed or stored.
- A `store` needs the token that a `find_node` brought to the same address, so that a faked
  source can not use up another network's share of a topic.
- Stored values are never pushed to a new contact; their owners announce them again.
- Whoever does not answer is left alone for 30 seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from typing import Any

from kademlia.node import Node
from nacl.signing import SigningKey

from tradercast.errors import FormatError
from tradercast.swarm import wire
from tradercast.swarm.address import Address, canonical_ip, is_port, may_tell
from tradercast.swarm.limits import RecentSet
from tradercast.swarm.routing import DirectoryTable
from tradercast.swarm.rpc import Answer, RpcProtocol
from tradercast.swarm.storage import AnnouncementStorage

NODE_ID = 20
NO_NODE_ID = b""
TOKEN = 8
TOKEN_LIFE_S = 300
DEAD_S = 30.0
LIAR_S = 60.0
REINTRODUCE_S = 30.0
MAX_INTRODUCTIONS = 64
MAX_REMEMBERED = 5_000

_ASKER, _KEY = (0, NODE_ID), (NODE_ID,)
_ARGUMENTS: dict[str, tuple[tuple[int, ...] | None, ...]] = {
    "ping": (_ASKER,),
    "find_node": (_ASKER, _KEY),
    "find_value": (_ASKER, _KEY),
    "store": (_ASKER, (TOKEN,), None),
}


class DirectoryProtocol(RpcProtocol):
    """Kademlia's four methods between nodes that prove who they are.

    Parameters
    ----------
    source_node : Node
        This node's id.
    storage : AnnouncementStorage
        What `find_value` answers from and `store` writes to.
    ksize : int
        How many contacts a bucket and an answer hold.
    node_key : SigningKey
        Signs replies.
    serving : bool
        False for a client, which asks under no name and answers nothing.

    Attributes
    ----------
    met : asyncio.Event
        Set whenever a contact proves itself.
    liars : RecentSet
        Ids of nodes that lately named mostly dead contacts.
    """

    def __init__(
        self,
        source_node: Node,
        storage: AnnouncementStorage,
        ksize: int,
        *,
        node_key: SigningKey,
        serving: bool = True,
    ) -> None:
        super().__init__(source_node, storage, ksize, node_key=node_key, serving=serving)
        self.router = DirectoryTable(self, ksize, source_node)
        self.met = asyncio.Event()
        self.liars = RecentSet(LIAR_S, MAX_REMEMBERED)
        self._asker = source_node.id if serving else NO_NODE_ID
        self._token_secret = os.urandom(32)
        self._dead = RecentSet(DEAD_S, MAX_REMEMBERED)
        self._introduced = RecentSet(REINTRODUCE_S, MAX_REMEMBERED)
        self._introducing: set[Address] = set()

    # Answering.

    def answer(self, request: wire.Request, sender: Address) -> object:
        """The body of the reply to a request; its asker, if it has a name, is looked at."""
        lengths = _ARGUMENTS.get(request.method)
        if lengths is None:
            raise FormatError("a request for an unknown method")
        given = [item for item in request.arguments[: len(lengths)] if isinstance(item, bytes)]
        if len(given) < len(lengths) or any(
            allowed is not None and len(item) not in allowed
            for item, allowed in zip(given, lengths, strict=True)
        ):
            raise FormatError(f"a {request.method} with wrong arguments")
        body: object = getattr(self, f"rpc_{request.method}")(sender, *given)
        return body

    def rpc_ping(self, sender: Address, node_id: bytes) -> object:
        """Nothing: the signature of the reply is what a ping asks for."""
        self.introduce(node_id, sender)
        return []

    def rpc_find_node(self, sender: Address, node_id: bytes, target: bytes) -> object:
        """A token for `store`, and the contacts nearest to `target`, as many as fit."""
        self.introduce(node_id, sender)
        near = self.router.find_neighbors(Node(target), exclude=Node(target, *sender))
        contacts, size = [], 0
        for node in near:
            size += len(node.ip) + 29  # id, port and framing
            if size <= wire.MAX_BODY - 32:
                contacts.append(list(node))
        return [self._token(sender[0], self._epoch()), contacts]

    def rpc_find_value(self, sender: Address, node_id: bytes, topic: bytes) -> object:
        """How many announcements of a topic are held, and as many of them as fit."""
        self.introduce(node_id, sender)
        return list(self.storage.values(topic, wire.MAX_BODY - 16))

    def rpc_store(self, sender: Address, node_id: bytes, token: bytes, blob: bytes) -> object:
        """Whether this announcement, or a newer one of its node, is held now."""
        self.introduce(node_id, sender)
        valid = (self._token(sender[0], self._epoch() - age) for age in (0, 1))
        has_token = any(hmac.compare_digest(token, v) for v in valid)
        return has_token and self.storage.put(blob, sender[0])

    def _epoch(self) -> int:
        return int(self._clock() // TOKEN_LIFE_S)

    def _token(self, ip: str, epoch: int) -> bytes:
        text = f"{ip} {epoch}".encode()
        return hashlib.blake2b(text, digest_size=TOKEN, key=self._token_secret).digest()

    # Asking. As in the stock library the result is (answered, value), here with checked values.

    async def hello(self, address: Address) -> Node | None:
        """Ask whoever is at an address for its name; the contact, or `None` for no answer."""
        answer = await self.ask(address, "ping", self._asker)
        if answer is None or answer.node_id == self.source_node.id:
            return None
        return self._welcome_proven(answer, address)

    def call_ping(self, node_to_ask: Node) -> asyncio.Task[tuple[bool, Any]]:
        """Ask for a sign of life, in a task that ends with the socket.

        The stock table starts pings and forgets them, which is why this is not a coroutine.
        """
        return self.spawn(self._call(node_to_ask, "ping"))

    async def call_find_node(self, node_to_ask: Node, node_to_find: Node) -> tuple[bool, Any]:
        """Ask for (token, contacts near `node_to_find`)."""
        answered, body = await self._call(node_to_ask, "find_node", node_to_find.id)
        match body:
            case [bytes() as token, list() as contacts] if len(token) == TOKEN:
                return True, (token, self._usable(contacts, node_to_ask.ip))
        return answered, (bytes(TOKEN), [])

    async def call_find_value(self, node_to_ask: Node, node_to_find: Node) -> tuple[bool, Any]:
        """Ask for (number held, some of the announcements) of a topic, not verified."""
        answered, body = await self._call(node_to_ask, "find_value", node_to_find.id)
        match body:
            case [int() as count, list() as values]:
                return True, (count, [value for value in values if isinstance(value, bytes)])
        return answered, (0, [])

    async def call_store(self, node_to_ask: Node, key: bytes, value: bytes) -> tuple[bool, Any]:
        """Hand over an announcement; `key` is the token that the node gave to us."""
        answered, body = await self._call(node_to_ask, "store", key, value)
        return answered, body is True

    async def _call(self, node: Node, method: str, *arguments: bytes) -> tuple[bool, Any]:
        address = (node.ip, node.port)
        if address in self._dead:
            return False, None
        answer = await self.ask(address, method, self._asker, *arguments)
        if answer is not None and answer.node_id == node.id:
            self._welcome_proven(answer, address)
            return True, answer.body
        if answer is None and not self._closed.is_set():
            self._dead.add(address)
        if self.router.holds(node.id, address):
            self.router.remove_contact(node)
        return False, None

    @staticmethod
    def _usable(contacts: list[object], teller: str) -> list[Node]:
        usable = []
        for contact in contacts:
            match contact:
                case [bytes() as node_id, str() as ip, int() as port]:
                    named = len(node_id) == NODE_ID and canonical_ip(ip) == ip and is_port(port)
                    if named and may_tell(teller, ip):
                        usable.append(Node(node_id, ip, port))
        return usable

    # Contacts.

    def introduce(self, node_id: bytes, address: Address) -> None:
        """Somebody named itself in a request: have it prove that, if that is news."""
        claim = (node_id, address)
        if (
            node_id in (NO_NODE_ID, self.source_node.id)
            or self.router.holds(node_id, address)
            or claim in self._introduced
            or address in self._introducing
            or len(self._introducing) >= MAX_INTRODUCTIONS
        ):
            return
        self._introduced.add(claim)
        self._introducing.add(address)
        self.spawn(self._introduce(address))

    async def _introduce(self, address: Address) -> None:
        try:
            await self.hello(address)
        finally:
            self._introducing.discard(address)

    def _welcome_proven(self, answer: Answer, address: Address) -> Node:
        node = Node(answer.node_id, *address)
        self._dead.discard(address)
        self.router.add_contact(node)
        self.met.set()
        return node

    def welcome_if_new(self, node: Node) -> None:
        """Do nothing: contacts come in by proof only (`introduce`)."""
