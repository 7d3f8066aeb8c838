"""Announcements: "this node holds these records of this topic", signed by the node.

Bytes of a signed announcement (at most 512)::

    signature (64)  Ed25519 by the node key over DOMAIN + body
    body            msgpack [1, topic, node key, host, port, flags, held, number, expires_s]

``held`` is flat and counts from the previous bound: ``[(2, 5), (9, 12)]`` is ``[2, 3, 4, 3]``.
A topic is a hash: knowing the key of a log is the right to read it, so no key of a
publisher is ever in an announcement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import msgpack
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from tradercast.errors import FormatError, UnknownVersionError, UsageError, VerificationError
from tradercast.swarm.address import is_host, is_port

VERSION = 1
MAX_ENCODED = 512
MAX_HELD = 16
MAX_SEQ = 2**63 - 1
DEFAULT_EXPIRY_S = 30 * 60
MAX_EXPIRY_S = 70 * 60
TOPIC_SIZE = 20

_DOMAIN = b"tradercast/announcement/1\0"
_SIGNATURE = 64
_FULL, _TAIL = 1, 2


def topic_of_root(root: bytes) -> bytes:
    """The 20-byte topic under which holders of a publisher's catalog are found."""
    return _topic(root, b"root")


def topic_of_core(key: bytes) -> bytes:
    """The 20-byte topic under which holders of one log are found."""
    return _topic(key, b"core")


def _topic(key: bytes, kind: bytes) -> bytes:
    if len(key) != 32:
        raise UsageError(f"a key has 32 bytes, this one has {len(key)}")
    return hashlib.blake2b(key, digest_size=TOPIC_SIZE, person=b"tradercast/" + kind).digest()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one node says about one topic.

    Attributes
    ----------
    topic : bytes
        20 bytes, from `topic_of_root` or `topic_of_core`.
    node_key : bytes
        The Ed25519 public key that the node proves when dialled.  Empty if not known (a
        static peer); a directory fills in its own.
    host, port : str, int
        Where the node takes connections: a canonical IP address or a lower-case host name.
    full : bool
        Whether every record is held.
    held : tuple of (int, int)
        The ranges of `seq` that are held, sorted, apart, at most 16.  Empty if `full`.
    tail : bool
        Whether the newest records, not yet in the archive, are held too.
    number : int
        Of one node's announcements of one topic, the highest is the newest.
    expires_s : int
        When it stops to be valid, in seconds UTC.
    """

    topic: bytes
    node_key: bytes = b""
    host: str = "127.0.0.1"
    port: int = 0
    full: bool = False
    held: tuple[tuple[int, int], ...] = ()
    tail: bool = False
    number: int = 0
    expires_s: int = 0

    @property
    def holds_anything(self) -> bool:
        """False for the announcement by which a node takes its earlier one back."""
        return self.full or self.tail or bool(self.held)

    def renewed(self, node_key: bytes, number: int, expires_s: int) -> Announcement:
        """The same offer by `node_key`, newer."""
        return replace(self, node_key=node_key, number=number, expires_s=expires_s)


def check(announcement: Announcement) -> None:
    """Raise if an announcement breaks a rule of the format.

    Raises
    ------
    FormatError
        Naming the field.
    """
    a = announcement
    bounds = [bound for pair in a.held for bound in pair]
    rules = (
        (_is_bytes(a.topic, TOPIC_SIZE), "the topic is not 20 bytes"),
        (_is_bytes(a.node_key, 32), "the node key is not 32 bytes"),
        (is_host(a.host), "the host is neither a plain IP address nor a host name"),
        (is_port(a.port), "the port is not between 1 and 65535"),
        (len(a.held) <= MAX_HELD, f"more than {MAX_HELD} held ranges"),
        (not (a.full and a.held), "a full holder lists ranges"),
        (all(type(b) is int and 0 <= b <= MAX_SEQ for b in bounds), "a held range is no seq"),
        (all(low < high for low, high in pairwise(bounds)), "held ranges touch or go back"),
        (type(a.number) is int and 0 <= a.number <= MAX_SEQ, "the number is out of range"),
        (type(a.expires_s) is int and 0 <= a.expires_s <= MAX_SEQ, "the expiry is out of range"),
    )
    for holds, complaint in rules:
        if not holds:
            raise FormatError(f"not an announcement: {complaint}")


def sign_announcement(announcement: Announcement, node_key: SigningKey) -> bytes:
    """The signed bytes of an announcement, at most 512.

    Raises
    ------
    FormatError
        If a field breaks a rule.
    UsageError
        If `node_key` is not the announcement's.
    """
    if bytes(node_key.verify_key) != announcement.node_key:
        raise UsageError("an announcement is signed by the node that makes it")
    check(announcement)
    body = _encode_body(announcement)
    blob = bytes(node_key.sign(_DOMAIN + body).signature) + body
    if len(blob) > MAX_ENCODED:
        raise FormatError(f"an announcement of {len(blob)} bytes; at most {MAX_ENCODED} fit")
    return blob


def read_announcement(blob: object) -> Announcement:
    """Decode signed bytes without checking the signature (cheap, to sort out the rest).

    Raises
    ------
    FormatError
        If the bytes are not exactly one announcement.
    UnknownVersionError
        If a newer program wrote them.
    """
    if not isinstance(blob, bytes) or not _SIGNATURE < len(blob) <= MAX_ENCODED:
        raise FormatError("not an announcement: wrong size")
    announcement = _decode_body(blob[_SIGNATURE:])
    check(announcement)
    return announcement


def verify_announcement(blob: bytes, *, topic: bytes, now_s: float) -> Announcement:
    """Decode signed bytes and check that they may be believed now, for this topic.

    Parameters
    ----------
    blob : bytes
        What a peer sent.
    topic : bytes
        The topic that it was found under.
    now_s : float
        The present, in seconds UTC.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not an announcement.
    VerificationError
        If it is for another topic, has expired, outlives 70 minutes, or the signature is bad.
    """
    announcement = read_announcement(blob)
    if announcement.topic != topic:
        raise VerificationError("an announcement of another topic")
    if announcement.expires_s <= now_s:
        raise VerificationError("an announcement that has expired")
    if announcement.expires_s > now_s + MAX_EXPIRY_S:
        raise VerificationError("an announcement that would last longer than 70 minutes")
    try:
        VerifyKey(announcement.node_key).verify(_DOMAIN + blob[_SIGNATURE:], blob[:_SIGNATURE])
    except (BadSignatureError, ValueError, TypeError):
        raise VerificationError("an announcement with a bad signature") from None
    return announcement


def newest(blobs: Iterable[object], *, topic: bytes, now_s: float) -> dict[bytes, bytes]:
    """Of many bytes of unknown origin, the newest valid announcement of each node.

    Returns
    -------
    dict
        Node key to signed bytes.  What is not valid is left out without a word.
    """
    best: dict[bytes, tuple[int, bytes]] = {}
    for blob in {blob for blob in blobs if isinstance(blob, bytes)}:
        try:
            found = verify_announcement(blob, topic=topic, now_s=now_s)
        except (FormatError, VerificationError):
            continue
        rank = (found.number, blob)
        best[found.node_key] = max(best.get(found.node_key, rank), rank)
    return {node_key: blob for node_key, (_, blob) in best.items()}


def _is_bytes(value: object, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size


def _encode_body(a: Announcement) -> bytes:
    bounds = [0, *(bound for pair in a.held for bound in pair)]
    steps = [high - low for low, high in pairwise(bounds)]
    flags = _FULL * a.full + _TAIL * a.tail
    body: bytes = msgpack.packb(
        [VERSION, a.topic, a.node_key, a.host, a.port, flags, steps, a.number, a.expires_s]
    )
    return body


def _decode_body(body: bytes) -> Announcement:
    try:
        fields = msgpack.unpackb(
            body,
            max_array_len=2 * MAX_HELD,
            max_str_len=256,
            max_bin_len=64,
            max_map_len=0,
            max_ext_len=0,
        )
    except Exception:  # msgpack's errors have no common root
        raise FormatError("not an announcement: not msgpack") from None
    if not isinstance(fields, list) or not fields or type(fields[0]) is not int:
        raise FormatError("not an announcement: not a list of fields")
    if fields[0] != VERSION:
        raise UnknownVersionError(f"an announcement of version {fields[0]}, not {VERSION}")
    if len(fields) != 9:
        raise FormatError("not an announcement: not nine fields")
    _, topic, node_key, host, port, flags, steps, number, expires_s = fields
    if type(flags) is not int or not 0 <= flags <= _FULL | _TAIL:
        raise FormatError("not an announcement: unknown flags")
    if not isinstance(steps, list) or len(steps) % 2 or any(type(s) is not int for s in steps):
        raise FormatError("not an announcement: the held ranges are not pairs of numbers")
    bounds = list(accumulate(steps))
    return Announcement(
        topic=topic,
        node_key=node_key,
        host=host,
        port=port,
        full=bool(flags & _FULL),
        held=tuple(zip(bounds[::2], bounds[1::2], strict=True)),
        tail=bool(flags & _TAIL),
        number=number,
        expires_s=expires_s,
    )
