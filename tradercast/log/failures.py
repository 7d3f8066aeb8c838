"""What the sidecar's error codes mean in Python."""

from __future__ import annotations

from typing import Any

from tradercast.errors import (
    DiskFullError,
    ForkError,
    NoPeerError,
    PortInUseError,
    SidecarError,
    SidecarLostError,
    StalledError,
    TradercastError,
    UsageError,
)

_HINTS = {
    "PORT_IN_USE": "choose another port with --listen, or stop the program that holds it",
    "DISK_FULL": "free some space and run the same command again: it goes on where it stopped",
    "BAD_ADDRESS": "give --listen an address of this machine",
    "CONFLICT": "the publisher signed two versions of this log: what is held stays readable",
    "STALLED": "run it again later: what has arrived is kept",
}

_CLASSES: dict[str, type[TradercastError]] = {
    "PORT_IN_USE": PortInUseError,
    "STALLED": StalledError,
    "DISK_FULL": DiskFullError,
    "CONNECT_FAILED": NoPeerError,
    "WRONG_KEY": NoPeerError,
    "BANNED": NoPeerError,
    "CONFLICT": ForkError,
    "WRITE_FAILED": SidecarLostError,  # it ends now, and its next start says what is wrong
    "BAD_ADDRESS": UsageError,
}


class SidecarRefusedError(SidecarError):
    """A failure that has no class of its own.

    Attributes
    ----------
    remote_code : str
        The sidecar's own code for it (``docs/BRIDGE.md``).
    """

    def __init__(self, message: str, *, remote_code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.remote_code = remote_code


def failure(answer: Any) -> TradercastError:
    """The error for a failure message's content, ``{code, message}``; never raises."""
    fields = answer if isinstance(answer, dict) else {}
    code = str(fields.get("code", "UNKNOWN"))[:64]
    message = str(fields.get("message", "the sidecar gave no reason"))[:2000]
    known = _CLASSES.get(code)
    if known is None:
        return SidecarRefusedError(f"{message} ({code})", remote_code=code)
    return known(message, hint=_HINTS.get(code))
