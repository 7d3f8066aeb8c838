"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from tradercast.addresses import Address, parse_address
from tradercast.errors import TradercastError, UsageError
from tradercast.private import has_secret, read_private
from tradercast.timerange import NS_PER_DAY, TimeRange

FOREVER = "forever"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

T = TypeVar("T")


class WrongValueError(typer.BadParameter):
    """A value that an option can not have, and the way out."""

    def __init__(self, error: TradercastError) -> None:
        super().__init__(error.message)
        self.hint = error.hint


def checked(read: Callable[[str], object]) -> Callable[[T], T]:
    """A callback that tries to read each value while it is known where it comes from.

    Parameters
    ----------
    read : callable
        Raises a `TradercastError` for what makes no sense.
    """

    def callback(value: T) -> T:
        texts: list[Any] = value if isinstance(value, list) else [value]
        try:
            for text in texts:
                if text is not None:
                    read(text)
        except TradercastError as error:
            raise WrongValueError(error) from None
        return value

    return callback


def secret(ctx: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
    """A callback: ``file:PATH`` is the content of a file that only its owner may read."""
    if value is not None and value.startswith("file:"):
        try:
            return read_private(Path(value.removeprefix("file:")))
        except UsageError as error:
            raise WrongValueError(error) from None
    given = ctx.get_parameter_source(param.name or "")
    if has_secret(value or "") and given is not None and given.name == "COMMANDLINE":
        ctx.obj.out.warn(
            f"every user of this machine sees the password in --{param.name}: "
            "have it in the environment, or in a file and say file:PATH"
        )
    return value


def listening_address(text: str) -> Address:
    """The value of an option that says where to listen; raises `UsageError`."""
    return parse_address(text, listen=True)


FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="LINK", help="The publisher's link; remembered afterwards."),
]
ChannelOption = Annotated[
    str | None, typer.Option("--channel", help="trades (default), book, candles-1m, …")
]
ExchangeOption = Annotated[
    str | None, typer.Option("--exchange", help="Needed when several exchanges have the symbol.")
]
StartOption = Annotated[
    str | None,
    typer.Option("--start", metavar="TIME", help="First time, e.g. 2024-01-31 or …T12:00:00Z."),
]
EndOption = Annotated[
    str | None, typer.Option("--end", metavar="TIME", help="First time that is not wanted.")
]
DaysOption = Annotated[
    float | None, typer.Option("--days", min=0, help="Only the last N days up to now.")
]
BootstrapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bootstrap",
        metavar="HOST:PORT",
        help="Directory node to ask; repeatable.",
        callback=checked(parse_address),
    ),
]
PeerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        metavar="HOST:PORT",
        help="Node to connect to directly; repeatable.",
        callback=checked(parse_address),
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        help="Serve /metrics for Prometheus, and /health.",
        callback=checked(listening_address),
    ),
]


def addresses(texts: list[str] | None) -> tuple[Address, ...]:
    """Read the values of a repeatable HOST:PORT option.

    Raises
    ------
    UsageError
        If one is not an address.
    """
    return tuple(parse_address(text) for text in texts or ())


def time_range(
    start: str | None, end: str | None, days: float | None = None, *, now_ns: int
) -> TimeRange:
    """The range that ``--start``, ``--end`` and ``--days`` mean together.

    Raises
    ------
    UsageError
        If a time can not be read, or ``--days`` is given beside ``--start``.
    """
    if days is None:
        return TimeRange.parse(start, end)
    if start is not None:
        raise UsageError("--days and --start say the same thing twice", hint="give one of them")
    until = TimeRange.parse(None, end).end_ns if end else now_ns
    return TimeRange(until - int(days * NS_PER_DAY), TimeRange.parse(None, end).end_ns)


def duration_s(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``15m``, ``2h`` or ``1d``.

    Raises
    ------
    UsageError
        If the text is none of these.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a duration", hint="write 90s, 15m, 2h or 1d")
    return float(match[1]) * _SECONDS[match[2]]


def optional_value(arguments: list[str], option: str, default: str) -> list[str]:
    """Give `option` a value where it stands alone: ``--seed`` and ``--seed 10m`` both work."""
    result: list[str] = []
    for at, argument in enumerate(arguments):
        result.append(argument)
        following = arguments[at + 1] if at + 1 < len(arguments) else ""
        if argument == option and not _DURATION.fullmatch(following):
            result.append(default)
    return result


def last_value(arguments: list[str], option: str) -> str | None:
    """The value of an option, before anything is parsed."""
    found = None
    for at, argument in enumerate(arguments):
        if argument == option and at + 1 < len(arguments):
            found = arguments[at + 1]
        elif argument.startswith(f"{option}="):
            found = argument.partition("=")[2]
    return found
