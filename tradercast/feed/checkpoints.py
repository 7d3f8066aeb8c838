"""Signed states of logs, as peers send them and as files hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from tradercast.errors import FormatError, UnknownVersionError
from tradercast.log.proof import Checkpoint, TreeNode, verify_checkpoint

VERSION = 1
MAX_BYTES = 8_192
MAX_NODES = 64
_MAX_BLOB = 1_024
_MAX_INT = 2**53 - 1


@dataclass(frozen=True, slots=True)
class LogCheckpoint:
    """A state of a log as its writer signed it, with all that is needed to check that.

    Parameters
    ----------
    key : bytes
        The log's key (32 bytes).
    state : Checkpoint
        Length, fork, roots, signature and manifest.
    """

    key: bytes
    state: Checkpoint

    @property
    def length(self) -> int:
        """Blocks of the log."""
        return self.state.length

    @property
    def fork(self) -> int:
        """How often it was cut back; anything but 0 is a breach of the rules."""
        return self.state.fork

    def verify(self) -> None:
        """Check the signature against the log's key.

        Raises
        ------
        VerificationError
            If the writer of the log did not sign this state.
        """
        verify_checkpoint(self.key, self.state)

    def encode(self) -> bytes:
        """The bytes that `decode` reads."""
        state = self.state
        roots = [[node.index, node.size, node.hash] for node in state.roots]
        head = [VERSION, self.key, state.length, state.fork, roots]
        packed: bytes = msgpack.packb([*head, state.signature, state.manifest])
        return packed

    @classmethod
    def decode(cls, data: bytes) -> LogCheckpoint:
        """Read anybody's bytes; the signature is not checked here.

        Raises
        ------
        FormatError
            If they are no checkpoint; `UnknownVersionError` if a newer program made them.
        """
        if len(data) > MAX_BYTES:
            raise FormatError("the checkpoint is too large")
        try:
            values = msgpack.unpackb(data, max_array_len=MAX_NODES, max_map_len=0, max_ext_len=0)
            if type(values[0]) is int and values[0] > VERSION:
                raise UnknownVersionError("the checkpoint has a newer version than is known here")
            version, key, *state = values
            made = cls(_blob(key, 32), read_state(*state))
        except (ValueError, TypeError, LookupError, msgpack.UnpackException):
            raise FormatError("the bytes are not a checkpoint") from None
        if version != VERSION or made.encode() != data:
            raise FormatError("the checkpoint is not written in its one canonical way")
        return made

    def to_json(self) -> dict[str, Any]:
        """The same for a file that people read: bytes are hexadecimal."""
        return {"key": self.key.hex(), **state_to_json(self.state)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> LogCheckpoint:
        """Read what `to_json` made; raises as `decode`."""
        try:
            return cls(_blob(bytes.fromhex(found["key"]), 32), state_from_json(found))
        except (ValueError, TypeError, LookupError):
            raise FormatError("the text is not a checkpoint") from None


def read_state(
    length: object, fork: object, roots: object, signature: object, manifest: object
) -> Checkpoint:
    """A checkpoint of values of unknown origin, their types and sizes checked.

    Raises
    ------
    FormatError
        If one is of the wrong type or size.
    """
    return Checkpoint(
        _number(length), _number(fork), read_nodes(roots), _blob(signature), _blob(manifest)
    )


def read_nodes(values: object) -> tuple[TreeNode, ...]:
    """Tree nodes of ``[[index, size, hash], …]`` of unknown origin; raises as `read_state`."""
    if not isinstance(values, list | tuple) or len(values) > MAX_NODES:
        raise FormatError("the checkpoint has too many nodes")
    return tuple(_node(value) for value in values)


def state_to_json(state: Checkpoint) -> dict[str, Any]:
    """A checkpoint as a JSON object; bytes are hexadecimal."""
    return {
        "length": state.length,
        "fork": state.fork,
        "roots": nodes_to_json(state.roots),
        "signature": state.signature.hex(),
        "manifest": state.manifest.hex(),
    }


def state_from_json(found: Mapping[str, Any]) -> Checkpoint:
    """Read what `state_to_json` made; any exception of a wrong shape passes through."""
    signature, manifest = bytes.fromhex(found["signature"]), bytes.fromhex(found["manifest"])
    roots = nodes_from_json(found["roots"])
    return read_state(found["length"], found["fork"], roots, signature, manifest)


def nodes_to_json(nodes: tuple[TreeNode, ...]) -> list[list[Any]]:
    """Tree nodes as ``[[index, size, hash], …]``, the hash hexadecimal."""
    return [[node.index, node.size, node.hash.hex()] for node in nodes]


def nodes_from_json(found: list[list[Any]]) -> list[list[Any]]:
    """The lists that `read_nodes` takes, of what `nodes_to_json` made."""
    return [[index, size, bytes.fromhex(text)] for index, size, text in found]


def _node(value: Any) -> TreeNode:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise FormatError("a node of the checkpoint is malformed")
    index, size, digest = value
    return TreeNode(_number(index), _number(size), _blob(digest, 32))


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_INT:
        raise FormatError("the checkpoint has a number out of range")
    return value


def _blob(value: object, size: int | None = None) -> bytes:
    if type(value) is not bytes or not 0 < len(value) <= _MAX_BLOB:
        raise FormatError("the checkpoint has a field of another length or type")
    if size is not None and len(value) != size:
        raise FormatError(f"the checkpoint has a field of {len(value)} bytes instead of {size}")
    return value
