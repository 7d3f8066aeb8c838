"""Numbers and names as people read them, and strangers' text made harmless."""

from __future__ import annotations

import re

# Everything that moves a cursor, hides or reorders text: C0, C1, and the bidirectional controls.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: object) -> str:
    """`text` without characters that could drive a terminal (a peer may have chosen them)."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", str(text))


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 record``, ``12,345 records``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def size(number: float) -> str:
    """Bytes in units of 1,000: ``999 B``, ``3.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return (
                f"{number:.0f} {unit}" if unit == "B" or number >= 99.5 else f"{number:.1f} {unit}"
            )
        number /= 1000
    return f"{number:.1f} TB"


def duration(seconds: float) -> str:
    """``0.8 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 6 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
