"""Proofs of a publisher's contradiction: two signed versions of one log, for anyone to check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradercast.errors import FormatError, VerificationError
from tradercast.feed.checkpoint_store import shared_roots
from tradercast.feed.checkpoints import LogCheckpoint, read_nodes, read_state
from tradercast.log import flattree
from tradercast.log.proof import Checkpoint, TreeNode, parent, verify_checkpoint


@dataclass(frozen=True, slots=True)
class Side:
    """One of two versions of a log.

    Parameters
    ----------
    state : Checkpoint
        The version, signed.
    prefix : tuple of TreeNode
        The roots of its first blocks, at the length where the versions are compared.
    extra : tuple of TreeNode
        The subtrees after those; prefix and extra together give the roots of `state`.
    """

    state: Checkpoint
    prefix: tuple[TreeNode, ...] = ()
    extra: tuple[TreeNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """Two signed versions of one log that can not both be true.

    Either they differ in their first `shared_length` blocks, or one of them has a fork
    number above 0: its writer took back what it had signed.

    Parameters
    ----------
    key : bytes
        The log's key.
    seen_ns : int
        When this node saw it (ns UTC).  Nobody signed this.
    shared_length : int
        The length at which the two are compared.
    local : Side or None
        The version that this node has, if it had one.
    remote : Side
        The other.
    """

    key: bytes
    seen_ns: int
    shared_length: int
    local: Side | None
    remote: Side

    @classmethod
    def of(cls, held: LogCheckpoint | None, new: LogCheckpoint, seen_ns: int) -> Incident:
        """The incident of two checkpoints of one log, or of one that has a fork."""
        if held is None:
            return cls(new.key, seen_ns, 0, None, Side(new.state))
        count = shared_roots(held.state, new.state)
        mine, theirs = held.state.roots, new.state.roots
        return cls(
            new.key,
            seen_ns,
            sum(_blocks(root) for root in mine[:count]),
            Side(held.state, mine[:count], mine[count:]),
            Side(new.state, theirs[:count], theirs[count:]),
        )

    @classmethod
    def of_evidence(cls, evidence: Mapping[str, Any]) -> Incident:
        """Read the evidence that the sidecar reports (see ``docs/BRIDGE.md``).

        Raises
        ------
        FormatError
            If it is not of that shape.
        """
        try:
            key, manifest = evidence["key"], evidence["manifest"]
            shared, seen_ms = evidence["shared_length"], evidence["at_ms"]
            if type(key) is not bytes or type(shared) is not int or type(seen_ms) is not int:
                raise FormatError("the evidence of an incident has a field of a wrong type")
            had_one = evidence["local"]["length"] > 0
            local = _side(evidence["local"], manifest) if had_one else None
            remote = _side(evidence["remote"], manifest)
            return cls(key, seen_ms * 1_000_000, shared, local, remote)
        except (TypeError, LookupError):
            raise FormatError("the evidence of an incident is malformed") from None

    def same_as(self, other: Incident) -> bool:
        """Whether both prove the same (seen at whatever time)."""
        mine = (self.key, self.shared_length, self.local, self.remote)
        return mine == (other.key, other.shared_length, other.local, other.remote)

    def check(self) -> str:
        """Prove the contradiction from the signatures alone.

        Returns
        -------
        str
            What it is, in one sentence.

        Raises
        ------
        VerificationError
            If a signature is wrong, or the two versions do not contradict each other.
        """
        sides = [side for side in (self.local, self.remote) if side is not None]
        for side in sides:
            verify_checkpoint(self.key, side.state)
        forks = [side.state.fork for side in sides]
        if len(set(forks)) > 1 or (len(forks) == 1 and forks[0]):
            return (
                f"the writer of log {self.key.hex()} took back what it signed (fork {max(forks)})"
            )
        if self.local is None:
            raise VerificationError("one version of a log is no contradiction")
        _check_side(self.local, self.shared_length)
        _check_side(self.remote, self.shared_length)
        if self.local.prefix == self.remote.prefix:
            raise VerificationError("the two versions do not contradict each other")
        lengths = f"{self.local.state.length} and {self.remote.state.length}"
        return (
            f"the writer of log {self.key.hex()} signed two histories, of {lengths} blocks, that "
            f"differ within the first {self.shared_length}"
        )


def _side(found: Mapping[str, Any], manifest: object) -> Side:
    state = read_state(found["length"], found["fork"], found["roots"], found["signature"], manifest)
    return Side(state, read_nodes(found["prefix"]), read_nodes(found["extra"]))


def _check_side(side: Side, shared_length: int) -> None:
    # Not the hashes but the places are checked on the way up: the signed roots at the end
    # commit to every hash and size below them.
    if not 0 < shared_length <= side.state.length:
        raise VerificationError("the versions are compared beyond the length of one of them")
    if [node.index for node in side.prefix] != flattree.roots(shared_length):
        raise VerificationError(f"the prefix is not that of the first {shared_length} blocks")
    roots = list(side.prefix)
    end = shared_length
    for node in side.extra:
        if _first_block(node) != end:
            raise VerificationError(f"node {node.index} does not follow block {end - 1}")
        end += _blocks(node)
        roots.append(node)
        _merge(roots)
    if tuple(roots) != side.state.roots:
        raise VerificationError("the prefix is not one of the signed version")


def _merge(roots: list[TreeNode]) -> None:
    while len(roots) > 1 and flattree.sibling(roots[-2].index) == roots[-1].index:
        right = roots.pop()
        roots.append(parent(roots.pop(), right))


def _blocks(node: TreeNode) -> int:
    return 1 << flattree.depth(node.index)


def _first_block(node: TreeNode) -> int:
    return (node.index + 1 - _blocks(node)) // 2
