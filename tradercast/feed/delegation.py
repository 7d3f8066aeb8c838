"""The root key's word on which log is the catalog: signed, numbered, and ending."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import msgpack
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from tradercast import z32
from tradercast.errors import FormatError, UnknownVersionError, VerificationError
from tradercast.timerange import MAX_TIME_NS, NS_PER_DAY, NS_PER_S, format_time_ns

VERSION = 1
MAX_BYTES = 256
DEFAULT_LIFE_NS = 365 * NS_PER_DAY
_MAX_NUMBER = 2**53 - 1
_DOMAIN = b"tradercast/delegation/1\x00"
_FIELDS = struct.Struct(">32s32sQq")


@dataclass(frozen=True, slots=True)
class Delegation:
    """A root key names the log that is its catalog.

    Parameters
    ----------
    root : bytes
        The root key (Ed25519, 32 bytes).
    catalog_key : bytes
        The key of the catalog's log (32 bytes).
    number : int
        Of two delegations the one with the higher number counts.
    expires_ns : int
        When it ends (ns UTC).
    signature : bytes
        Of the root key, over all of the above (64 bytes).
    """

    root: bytes
    catalog_key: bytes
    number: int
    expires_ns: int
    signature: bytes

    def __post_init__(self) -> None:
        sizes = ((self.root, 32), (self.catalog_key, 32), (self.signature, 64))
        bounds = ((self.number, 1, _MAX_NUMBER), (self.expires_ns, 0, MAX_TIME_NS))
        if not all(type(value) is bytes and len(value) == size for value, size in sizes):
            raise FormatError("the delegation has a key or signature of another length")
        if not all(type(value) is int and low <= value <= high for value, low, high in bounds):
            raise FormatError("the delegation has a number or time out of range")

    @classmethod
    def sign(
        cls, root: SigningKey, catalog_key: bytes, *, number: int, expires_ns: int
    ) -> Delegation:
        """Make a delegation with the root's secret key."""
        public = bytes(root.verify_key)
        message = _signable(public, catalog_key, number, expires_ns)
        return cls(public, catalog_key, number, expires_ns, root.sign(message).signature)

    @classmethod
    def decode(cls, data: bytes) -> Delegation:
        """Read a delegation from anybody's bytes and check its signature.

        Raises
        ------
        FormatError
            If the bytes are not one; `UnknownVersionError` if a newer program made them.
        VerificationError
            If the root key did not sign it.
        """
        values = _unpacked(data)
        found = cls(*values[1:])
        if found.encode() != data:
            raise FormatError("the delegation is not written in its one canonical way")
        message = _signable(found.root, found.catalog_key, found.number, found.expires_ns)
        try:
            VerifyKey(found.root).verify(message, found.signature)
        except (BadSignatureError, ValueError):
            raise VerificationError(
                f"the delegation of {z32.encode(found.root)} is not signed by that key"
            ) from None
        return found

    def encode(self) -> bytes:
        """The bytes that `decode` reads (about 150)."""
        fields = [VERSION, self.root, self.catalog_key, self.number, self.expires_ns]
        packed: bytes = msgpack.packb([*fields, self.signature])
        return packed

    def to_text(self) -> str:
        """One line of text, to be carried by hand from the machine that has the root key."""
        return z32.encode(self.encode())

    @classmethod
    def from_text(cls, text: str) -> Delegation:
        """Read what `to_text` wrote; raises as `decode`."""
        if len(text) > 2 * MAX_BYTES:
            raise FormatError("the text is too long for a delegation")
        try:
            data = z32.decode(text.strip())
        except ValueError:
            raise FormatError("the text is not a delegation") from None
        return cls.decode(data)

    def check_time(self, now_ns: int) -> None:
        """Refuse a delegation that has ended.

        Raises
        ------
        VerificationError
            If `now_ns` is not before `expires_ns`.
        """
        if now_ns >= self.expires_ns:
            ended = format_time_ns(self.expires_ns)
            raise VerificationError(
                f"the delegation of {z32.encode(self.root)} ended {ended}",
                hint="ask the publisher to run `tradercast identity delegate`, or check the clock",
            )

    def check_replaces(self, held: Delegation | None) -> None:
        """Refuse a delegation that says less or other than the newest one seen.

        Raises
        ------
        VerificationError
            If `held` has a higher number, or the same number for another catalog.
        """
        if held is None:
            return
        if held.root != self.root:
            raise VerificationError("the delegation belongs to another publisher")
        if self.number < held.number:
            raise VerificationError(
                f"delegation {self.number} of {z32.encode(self.root)} is older than number "
                f"{held.number}, which was seen before",
                hint="the peer is behind or replays old data; others will have the newer one",
            )
        if self.number == held.number and self.catalog_key != held.catalog_key:
            raise VerificationError(
                f"{z32.encode(self.root)} signed number {self.number} for two catalogs",
                hint="its root key is used in two places; ask the publisher for a newer one",
            )


def next_number(held: Delegation | None, now_ns: int) -> int:
    """The number of the next delegation.

    It is the time in seconds, so that a root key kept offline, without any memory of what
    it signed before, still counts upwards.
    """
    return max(now_ns // NS_PER_S, 1, held.number + 1 if held else 0)


def needs_renewal(held: Delegation, now_ns: int, life_ns: int = DEFAULT_LIFE_NS) -> bool:
    """Whether less than half of its life remains."""
    return held.expires_ns - now_ns < life_ns // 2


def _signable(root: bytes, catalog_key: bytes, number: int, expires_ns: int) -> bytes:
    return _DOMAIN + _FIELDS.pack(root, catalog_key, number, expires_ns)


def _unpacked(data: bytes) -> list[Any]:
    if len(data) > MAX_BYTES:
        raise FormatError("the delegation is too large")
    try:
        values = msgpack.unpackb(data, raw=False, max_array_len=16, max_map_len=0, max_ext_len=0)
    except (ValueError, msgpack.UnpackException):
        raise FormatError("the bytes are not a delegation") from None
    if not isinstance(values, list) or not values or type(values[0]) is not int:
        raise FormatError("the bytes are not a delegation")
    if values[0] > VERSION:
        raise UnknownVersionError(
            f"the delegation has version {values[0]}, this program knows {VERSION}",
            hint="update tradercast",
        )
    if values[0] != VERSION or len(values) != 6:
        raise FormatError("the bytes are not a delegation")
    return values
