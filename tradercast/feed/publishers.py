"""The publishers that this node knows: how to find each, and its newest delegation."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path

from tradercast import z32
from tradercast.durable import locked, read_limited, replace_file
from tradercast.errors import FormatError, TradercastError
from tradercast.feed.delegation import Delegation
from tradercast.links import MAX_ADDRESSES, Link

VERSION = 1
_MAX_FILE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Publisher:
    """A known publisher.

    Parameters
    ----------
    link : Link
        The publisher (no feed) with all addresses it was heard of, the newest first.
    delegation : Delegation or None
        The one with the highest number ever seen.
    """

    link: Link
    delegation: Delegation | None = None


class Publishers:
    """The files of ``publishers/`` (one a root key), shared by the processes of a node.

    Parameters
    ----------
    directory : Path
        An existing directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, root: bytes) -> Publisher | None:
        """What is known of the publisher with this root key.

        Raises
        ------
        FormatError
            If its file is damaged.  It is not silently replaced: an old delegation could
            be played back then.
        """
        path = self._path(root)
        data = read_limited(path, _MAX_FILE)
        if data is None:
            return None
        try:
            return _decode(data, root)
        except (ValueError, KeyError, TypeError, RecursionError, TradercastError):
            raise FormatError(
                f"{path} is damaged", hint="restore it, or delete it and sync by the link again"
            ) from None

    def all(self) -> list[Publisher]:
        """Every known publisher, in the order of their keys."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                root = z32.decode_key(path.stem)
            except ValueError:
                continue
            publisher = self.get(root)
            if publisher is not None:
                found.append(publisher)
        return found

    def remember(self, link: Link) -> Publisher:
        """Keep the addresses of a link, before those that were known."""
        with locked(self._directory):
            held = self.get(link.root)
            known = held.link if held else Link(link.root)
            return self._write(Publisher(_merged(link, known), held.delegation if held else None))

    def accept(self, delegation: Delegation, now_ns: int) -> Publisher:
        """Keep a delegation unless a newer one was seen.

        Raises
        ------
        VerificationError
            If it is older than the one kept, contradicts it, or has ended.  One that has
            ended is kept all the same: a publisher revokes with it what it signed before.
        """
        with locked(self._directory):
            held = self.get(delegation.root) or Publisher(Link(delegation.root))
            delegation.check_replaces(held.delegation)
            if held.delegation is None or _newer(delegation, held.delegation):
                held = self._write(replace(held, delegation=delegation))
        delegation.check_time(now_ns)
        return held

    def _write(self, publisher: Publisher) -> Publisher:
        replace_file(self._path(publisher.link.root), _encode(publisher))
        return publisher

    def _path(self, root: bytes) -> Path:
        return self._directory / f"{z32.encode(root)}.json"


def _newer(delegation: Delegation, held: Delegation) -> bool:
    # With equal numbers (two writers in one second) the later end is as good as a newer one.
    return (delegation.number, delegation.expires_ns) > (held.number, held.expires_ns)


def _merged(link: Link, known: Link) -> Link:
    half = MAX_ADDRESSES // 2
    bootstrap = tuple(dict.fromkeys(link.bootstrap + known.bootstrap))
    peers = tuple(dict.fromkeys(link.peers + known.peers))
    # Each kind may use what the other leaves, and the newest go first.
    kept = bootstrap[: max(half, MAX_ADDRESSES - len(peers))]
    return Link(link.root, None, kept, peers[: MAX_ADDRESSES - len(kept)])


def _encode(publisher: Publisher) -> bytes:
    delegation = publisher.delegation
    return json.dumps(
        {
            "version": VERSION,
            "link": str(publisher.link),
            "delegation": delegation.to_text() if delegation else None,
        },
        indent=2,
    ).encode()


@functools.lru_cache(16)  # every opening of a feed asks; checking the signature is what costs
def _decode(data: bytes, root: bytes) -> Publisher:
    found = json.loads(data)
    if found["version"] != VERSION:
        raise FormatError("another version")
    link = Link.parse(found["link"])
    text = found["delegation"]
    delegation = None if text is None else Delegation.from_text(text)
    if link.root != root or (delegation is not None and delegation.root != root):
        raise FormatError("another publisher's file")
    return Publisher(link, delegation)
