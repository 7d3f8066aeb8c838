"""Links: all that a stranger needs to find a publisher, ``tradercast://<root key>/…``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from tradercast import z32
from tradercast.addresses import (
    Address,
    check_address,
    format_address,
    is_loopback,
    parse_address,
)
from tradercast.errors import LinkError, UsageError
from tradercast.feeds import FeedId

SCHEME = "tradercast://"
MAX_ADDRESSES = 16
_MAX_LENGTH = 8_192
_MAX_PAIRS = 64
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_HINT = "a link looks like tradercast://<52 characters>/bitfinex/btcusd/trades?bootstrap=host:port"


@dataclass(frozen=True, slots=True)
class Link:
    """A publisher, perhaps one of its feeds, and where to start looking for it.

    Parameters
    ----------
    root : bytes
        The publisher's root key (Ed25519, 32 bytes).
    feed : FeedId, optional
        The feed that is meant; `None` means the publisher.
    bootstrap : tuple of (str, int)
        Nodes of the directory to ask first.
    peers : tuple of (str, int)
        Nodes to connect to without asking.  At most 16 addresses in all.

    Raises
    ------
    LinkError
        If the key has another length or an address is none.
    """

    root: bytes
    feed: FeedId | None = None
    bootstrap: tuple[Address, ...] = ()
    peers: tuple[Address, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.root, bytes) or len(self.root) != 32:
            raise LinkError("the root key of a link has 32 bytes")
        if len(self.bootstrap) + len(self.peers) > MAX_ADDRESSES:
            raise LinkError(f"a link holds at most {MAX_ADDRESSES} addresses")
        # Canonical from the start, so that a link equals what its own text is read as.
        try:
            object.__setattr__(self, "bootstrap", tuple(check_address(*a) for a in self.bootstrap))
            object.__setattr__(self, "peers", tuple(check_address(*a) for a in self.peers))
        except UsageError as error:
            raise LinkError(f"the link holds a bad address: {error.message}", hint=_HINT) from None

    @classmethod
    def parse(cls, text: str) -> Link:
        """Read a link.

        The scheme and the key may be in any case; names are taken exactly as written.
        Query keys other than ``bootstrap`` and ``peer`` are ignored.

        Raises
        ------
        LinkError
            If the text is not a link.
        """
        rest = _without_scheme(text)
        path, _, query = rest.partition("?")
        key, _, feed = path.partition("/")
        bootstrap, peers = _addresses(query)
        return cls(_root(key), _feed(feed), bootstrap, peers)

    def with_feed(self, feed: FeedId | None) -> Link:
        """The same publisher and addresses for another feed."""
        return Link(self.root, feed, self.bootstrap, self.peers)

    def __str__(self) -> str:
        path = f"/{self.feed}" if self.feed else ""
        pairs = [f"bootstrap={format_address(a)}" for a in self.bootstrap]
        pairs += [f"peer={format_address(a)}" for a in self.peers]
        query = "?" + "&".join(pairs) if pairs else ""
        return f"{SCHEME}{z32.encode(self.root)}{path}{query}"


def local_addresses(link: Link) -> tuple[Address, ...]:
    """The addresses of the link that mean something on this machine only."""
    return tuple(a for a in link.bootstrap + link.peers if is_loopback(a[0]))


def is_local_only(link: Link) -> bool:
    """Whether the link has addresses but none that another machine could use."""
    addresses = link.bootstrap + link.peers
    return bool(addresses) and len(local_addresses(link)) == len(addresses)


def _without_scheme(text: str) -> str:
    if not isinstance(text, str) or len(text) > _MAX_LENGTH:
        raise LinkError(f"a link is a text of at most {_MAX_LENGTH} characters", hint=_HINT)
    text = text.strip()
    if text[: len(SCHEME)].lower() != SCHEME:
        raise LinkError(f"{_shown(text)} does not start with {SCHEME}", hint=_HINT)
    if not _PRINTABLE.fullmatch(text) or "#" in text:
        raise LinkError(f"{_shown(text)} holds characters that no link has", hint=_HINT)
    return text[len(SCHEME) :]


def _root(key: str) -> bytes:
    try:
        return z32.decode_key(key.lower())
    except ValueError as error:
        raise LinkError(f"the key in the link is not readable: {error}", hint=_HINT) from None


def _feed(path: str) -> FeedId | None:
    if not path:
        return None
    try:
        return FeedId.parse(path)
    except UsageError as error:
        raise LinkError(
            f"the feed in the link is not readable: {error.message}", hint=_HINT
        ) from None


def _addresses(query: str) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    found: dict[str, list[Address]] = {"bootstrap": [], "peer": []}
    pairs = query.split("&") if query else []
    if len(pairs) > _MAX_PAIRS:
        raise LinkError(f"the link has more than {_MAX_PAIRS} parameters", hint=_HINT)
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key in found:
            found[key].append(_address(unquote(value)))
    return tuple(found["bootstrap"]), tuple(found["peer"])


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except UsageError as error:
        raise LinkError(f"the link holds a bad address: {error.message}", hint=_HINT) from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
