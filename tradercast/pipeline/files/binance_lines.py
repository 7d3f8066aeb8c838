"""Lines of raw captures of Binance: ``<receive time, ns> <message as received>``; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

from tradercast.errors import InputError
from tradercast.feeds import normalise_symbol

Captures: TypeAlias = "Iterable[tuple[str, Iterable[bytes]]]"
"""Names and lines of captures, in order, each going on where the one before ends."""

T = TypeVar("T")
Parse: TypeAlias = "Callable[[int, dict[str, Any]], tuple[str | None, T | None]]"

_MICROSECONDS = 10**15  # event times from here on are in µs, which spot sends when asked to
_LINE = re.compile(rb"(\d{1,19}) (.*)", re.DOTALL)
_MAX_NUMBER = 2**63 - 1
_OTHER_SYMBOL = (
    "publish each symbol from a capture of its own; --native-symbol says the exchange's spelling"
)
LINE_HINT = "a line is: RECEIVE_TIME_NS MESSAGE_AS_RECEIVED"


def messages_of(
    captures: Captures, marks: tuple[bytes, ...], parse: Parse[T], what: str, symbol: str | None
) -> Iterator[tuple[str, T]]:
    """Every message of a kind, and the name of its capture.

    Parameters
    ----------
    captures : iterable of (name, lines)
        In order.
    marks : tuple of bytes
        Lines without any of them are passed over.
    parse : callable
        Of the receive time (ns) and the message: the symbol, if it says one, and what it makes of
        it, or None.
    what : str
        The kind, for errors.
    symbol : str or None
        What all must be of, as `normalise_symbol` spells it; else any one symbol.

    Raises
    ------
    InputError
        If a line is broken or of another symbol; names it.
    """
    for name, lines in captures:
        for number, line in enumerate(lines, 1):
            if not any(mark in line for mark in marks):
                continue
            try:
                matched = _LINE.match(line)
                if matched is None:
                    raise ValueError("no receive time")
                found, message = parse(natural(int(matched[1])), json.loads(matched[2]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{name}, line {number}: no {what} of Binance ({error!r:.60})"
                ) from None
            if found is not None:
                symbol = _same_symbol(found, symbol, f"{name}, line {number}")
            if message is not None:
                yield name, message


def natural(value: Any) -> int:
    """A number of an update or a trade; raises `ValueError`."""
    if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
        raise ValueError(f"{value!r:.30} is no number of an update")
    return value


def time_ns(value: Any) -> int:
    """A time of Binance, ms or µs, in ns; raises `ValueError`."""
    return natural(natural(value) * (1_000 if value >= _MICROSECONDS else 1_000_000))


def _same_symbol(found: str, symbol: str | None, place: str) -> str:
    spelt = normalise_symbol(str(found))
    if symbol is not None and spelt != symbol:
        raise InputError(f"{place}: of {spelt!r:.30}, not of {symbol!r:.30}", hint=_OTHER_SYMBOL)
    return spelt
