"""z-base-32: keys as 52 lower-case characters that can be read aloud."""

from __future__ import annotations

import base64

_RFC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_Z = b"ybndrfg8ejkmcpqxot1uwisza345h769"
_TO_Z = bytes.maketrans(_RFC, _Z)
_FROM_Z = bytes.maketrans(_Z, _RFC)
_LETTERS = frozenset(_Z)

KEY_CHARS = 52


def encode(data: bytes) -> str:
    """The z-base-32 text of `data`, without padding."""
    return base64.b32encode(data).rstrip(b"=").translate(_TO_Z).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a z-base-32 text; one text for each value, so the spare bits must be zero.

    Raises
    ------
    ValueError
        If `text` holds another character, has an impossible length, or sets spare bits.
    """
    raw = text.encode("utf-8")
    if not _LETTERS.issuperset(raw):
        raise ValueError("a character is not of the z-base-32 alphabet")
    try:
        data = base64.b32decode(raw.translate(_FROM_Z) + b"=" * (-len(raw) % 8))
    except ValueError:
        raise ValueError("this is no possible length of a z-base-32 text") from None
    if encode(data) != text:
        raise ValueError("the last character has bits that belong to nothing")
    return data


def decode_key(text: str) -> bytes:
    """The 32 bytes of a key written as 52 characters.

    Raises
    ------
    ValueError
        If `text` is not exactly that.
    """
    if len(text) != KEY_CHARS:
        raise ValueError(f"a key has {KEY_CHARS} characters, this has {len(text)}")
    return decode(text)
