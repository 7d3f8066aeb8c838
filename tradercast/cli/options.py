"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from tradercast.addresses import Address, parse_address
from tradercast.errors import UsageError
from tradercast.timerange import NS_PER_DAY, TimeRange

FOREVER = "forever"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

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
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Directory node to ask; repeatable."),
]
PeerOption = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="HOST:PORT", help="Node to connect to directly; repeatable."),
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
