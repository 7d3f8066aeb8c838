"""Every error Tradercast raises, with its exit code and the way out of it.

All of them descend from `TradercastError`.  ``code`` is a stable identifier for
programs, ``exit_code`` is what the command line returns, ``hint`` says what to do next.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_INCOMPLETE = 3
EXIT_NO_PEER = 4
EXIT_VERIFICATION = 5
EXIT_HOLE = 6
EXIT_INTERRUPTED = 130


class TradercastError(Exception):
    """The root of all errors of this package.

    Parameters
    ----------
    message : str
        One sentence that names the thing that is wrong.
    hint : str, optional
        One sentence that says what to do about it.
    """

    code = "INTERNAL"
    exit_code = EXIT_INTERNAL

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_dict(self) -> dict[str, dict[str, str | None]]:
        """The error as the object that ``--json`` prints."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


class UsageError(TradercastError):
    """The caller asked for something that makes no sense (bad name, time, link, option)."""

    code = "USAGE"
    exit_code = EXIT_USAGE


class BadNameError(UsageError):
    """An exchange, symbol or channel that breaks the naming rule or is not known."""

    code = "BAD_NAME"


class LinkError(UsageError):
    """A link that can not be read."""

    code = "BAD_LINK"


class AmbiguousSymbolError(UsageError):
    """A symbol that more than one feed answers to."""

    code = "AMBIGUOUS_SYMBOL"


class UnknownSymbolError(UsageError):
    """A symbol that no known publisher has."""

    code = "UNKNOWN_SYMBOL"


class InputError(UsageError):
    """A source file or record that can not be taken; names the row."""

    code = "BAD_INPUT"


class PortInUseError(UsageError):
    """A port that another program holds."""

    code = "PORT_IN_USE"


class NodeMissingError(UsageError):
    """No usable Node.js was found for the sidecar."""

    code = "NO_NODE"


class ConflictingImportError(UsageError):
    """A file that differs from what its feed already holds."""

    code = "IMPORT_DIFFERS"


class FeedBusyError(UsageError):
    """A feed that another program is writing on this data directory."""

    code = "FEED_BUSY"


class EncodeError(TradercastError):
    """A record that no chunk can hold exactly; names the record."""

    code = "NOT_ENCODABLE"
    exit_code = EXIT_USAGE


class FormatError(TradercastError):
    """Bytes that are not a valid block of the stated format."""

    code = "BAD_FORMAT"
    exit_code = EXIT_VERIFICATION


class UnknownVersionError(FormatError):
    """A block written by a newer format than this program knows."""

    code = "UNKNOWN_VERSION"


class IncompleteError(TradercastError):
    """Part of what was asked for could not be had."""

    code = "INCOMPLETE"
    exit_code = EXIT_INCOMPLETE


class MissingDataError(IncompleteError):
    """Records of the range that nobody has.

    Parameters
    ----------
    missing : list of (int, int)
        Half-open ranges of ``ts_event`` (ns UTC) that are missing.
    """

    code = "MISSING_DATA"

    def __init__(
        self, message: str, *, missing: list[tuple[int, int]] | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.missing = missing or []


class StalledError(IncompleteError):
    """A transfer that made no progress for longer than its limit."""

    code = "STALLED"


class ServiceError(IncompleteError):
    """A server, of MongoDB or Kafka, that is out of reach or refuses what is asked of it."""

    code = "SERVICE"


class FencedError(IncompleteError):
    """A service whose place another one with the same id has taken."""

    code = "FENCED"


class ExchangeError(IncompleteError):
    """An exchange that refuses, falls silent, or sends what makes no sense."""

    code = "EXCHANGE"


class DiskFullError(IncompleteError):
    """The disk has no room for what is to be written."""

    code = "DISK_FULL"


class WriterBehindError(IncompleteError):
    """A writer whose log lacks blocks that were signed before; appending would fork it."""

    code = "WRITER_BEHIND"


class SourceHoleError(TradercastError):
    """Messages of a feed that its source lost; only a person can say that they are gone."""

    code = "SOURCE_HOLE"
    exit_code = EXIT_HOLE


class NoPeerError(TradercastError):
    """No peer that could answer was found."""

    code = "NO_PEER"
    exit_code = EXIT_NO_PEER


class VerificationError(TradercastError):
    """Data that does not match the publisher's signature."""

    code = "VERIFICATION_FAILED"
    exit_code = EXIT_VERIFICATION


class ForkError(VerificationError):
    """Two different signed versions of one log."""

    code = "FORK"


class WriterConflictError(VerificationError):
    """A log that already holds other bytes where this writer wanted to append."""

    code = "WRITER_CONFLICT"


class SidecarError(TradercastError):
    """The sidecar refused a request or can not be started."""

    code = "SIDECAR"


class SidecarLostError(SidecarError):
    """The connection to the sidecar broke while a request was under way."""

    code = "SIDECAR_LOST"
