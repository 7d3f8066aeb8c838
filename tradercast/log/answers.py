"""What the sidecar answers, checked and as Python types.

An answer of the wrong shape is a `SidecarError`, never a `KeyError` somewhere later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from tradercast.errors import SidecarError
from tradercast.log.line import LogState, Offer
from tradercast.log.line_frames import TOKEN_BYTES
from tradercast.log.proof import BlockProof, Checkpoint, TreeNode
from tradercast.log.spans import BlockRange, Cursor


@dataclass(frozen=True, slots=True)
class CoreInfo:
    """How long a log is, and what this node has of it.

    Attributes
    ----------
    length, fork : int
        Blocks that the newest signature known here covers; 0 unless the publisher forked.
    contiguous_length : int
        The first block neither held nor cleared on purpose: a writer's end of the log.
    byte_length : int
        Bytes of all blocks.
    peers : int
        Connected peers that have the log.
    remote_length : int
        The greatest length that one of them says it has; 0 without a peer.
    recovering : bool
        The store lost its newest writes; appends are refused until `Core.recover`.
    """

    length: int
    fork: int
    contiguous_length: int
    byte_length: int
    peers: int
    remote_length: int
    recovering: bool = False


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The log's length after an append, and whether it was done."""

    length: int
    appended: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """Blocks and bytes that have arrived from peers."""

    blocks: int
    bytes: int

    def __add__(self, other: Progress) -> Progress:
        return Progress(self.blocks + other.blocks, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class OpenedCore:
    """The answer to ``core.open``."""

    handle: int
    key: bytes
    discovery_key: bytes
    writable: bool
    manifest: bytes | None
    incidents: list[dict[str, Any]]


def mapping(answer: Any) -> dict[str, Any]:
    """An answer that has to be a map."""
    if not isinstance(answer, dict):
        _bad("answer")
    return answer


def number(fields: dict[str, Any], name: str) -> int:
    """A field that has to be a natural number."""
    value = fields.get(name)
    if type(value) is not int or not 0 <= value <= 1 << 53:
        _bad(name)
    return value


def key(fields: dict[str, Any], name: str) -> bytes:
    """A field that has to be 32 bytes."""
    return _bin(fields.get(name), 32)


def opened(answer: Any) -> OpenedCore:
    """The answer to ``core.open``."""
    fields = mapping(answer)
    manifest = fields.get("manifest")
    return OpenedCore(
        handle=number(fields, "handle"),
        key=key(fields, "key"),
        discovery_key=key(fields, "discovery_key"),
        writable=bool(fields.get("writable")),
        manifest=None if manifest is None else _bin(manifest),
        incidents=[mapping(one) for one in _list(fields.get("incidents", []))],
    )


def core_info(answer: Any) -> CoreInfo:
    """The info of a log."""
    fields = mapping(answer)
    return CoreInfo(
        length=number(fields, "length"),
        fork=number(fields, "fork"),
        contiguous_length=number(fields, "contiguous_length"),
        byte_length=number(fields, "byte_length"),
        peers=number(fields, "peers"),
        remote_length=number(fields, "remote_length"),
        recovering=bool(fields.get("recovering", False)),
    )


def appended(answer: Any) -> AppendResult:
    """The answer to ``core.append``."""
    fields = mapping(answer)
    return AppendResult(number(fields, "length"), fields.get("appended") is True)


def blocks(item: Any, cursor: Cursor) -> list[tuple[int, bytes | None]]:
    """One item of ``core.read``, which has to go on where `cursor` stands."""
    batch: list[tuple[int, bytes | None]] = []
    try:
        for index, block in item:
            if not cursor.take(index) or not (block is None or type(block) is bytes):
                _bad("block")
            batch.append((index, block))
    except (TypeError, ValueError):
        _bad("block")
    return batch


def progress(item: Any) -> Progress:
    """One item, or the result, of ``core.download``."""
    fields = mapping(item)
    return Progress(number(fields, "blocks"), number(fields, "bytes"))


def ranges(answer: Any) -> list[BlockRange]:
    """The ``ranges`` of an answer."""
    return pairs(mapping(answer).get("ranges"))


def pairs(entries: Any) -> list[BlockRange]:
    """A list of ``[start, end]``."""
    found = []
    for pair in _list(entries):
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(n) is int for n in pair):
            _bad("range")
        found.append((pair[0], pair[1]))
    return found


def checkpoint(answer: Any) -> Checkpoint:
    """The answer to ``core.checkpoint``; an empty log has neither signature nor manifest."""
    fields = mapping(answer)
    return Checkpoint(
        length=number(fields, "length"),
        fork=number(fields, "fork"),
        roots=tree_nodes(fields.get("roots")),
        signature=_bin(fields.get("signature") or b""),
        manifest=_bin(fields.get("manifest") or b""),
    )


def log_state(answer: Any, key: bytes, discovery_key: bytes) -> LogState:
    """The state of a log in the answer to ``core.lines``."""
    fields = mapping(answer)
    return LogState(
        key,
        discovery_key,
        number(fields, "fork"),
        number(fields, "length"),
        tree_nodes(fields.get("roots")),
    )


def offers(answer: Any) -> list[Offer]:
    """The lines in the answer to ``core.lines``."""
    found = []
    for entry in _list(mapping(answer).get("lines")):
        fields = mapping(entry)
        peer, port = number(fields, "peer"), number(fields, "port")
        token, secret = _bin(fields.get("token"), TOKEN_BYTES), key(fields, "secret")
        found.append(Offer(peer, str(fields.get("host")), port, token, secret))
    return found


def proofs(item: Any) -> list[BlockProof]:
    """One item of ``core.proofs``."""
    found = []
    for entry in _list(item):
        if not isinstance(entry, list) or len(entry) != 4 or type(entry[0]) is not int:
            _bad("proof")
        value = None if entry[1] is None else _bin(entry[1])
        found.append(BlockProof(entry[0], value, tree_nodes(entry[3])))
    return found


def tree_nodes(entries: Any) -> tuple[TreeNode, ...]:
    """A list of ``[index, size, hash]``."""
    nodes = []
    for entry in _list(entries):
        if not isinstance(entry, list) or len(entry) != 3:
            _bad("tree node")
        index, size, digest = entry
        if type(index) is not int or type(size) is not int:
            _bad("tree node")
        nodes.append(TreeNode(index, size, _bin(digest, 32)))
    return tuple(nodes)


def _bin(value: Any, size: int | None = None) -> bytes:
    if type(value) is not bytes or (size is not None and len(value) != size):
        _bad("bytes")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        _bad("list")
    return value


def _bad(what: str) -> NoReturn:
    raise SidecarError(f"the sidecar's answer has a malformed {what}")
