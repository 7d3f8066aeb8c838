"""Lines of raw captures of Bitfinex's WebSocket, read as what its connections told; pure."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tradercast.errors import BadNameError, ExchangeError, InputError
from tradercast.exchanges.bitfinex.messages import CHECKSUM, PRECISION
from tradercast.exchanges.bitfinex.parse import EventMessage, Message, parse
from tradercast.feeds import normalise_symbol
from tradercast.timerange import NS_PER_S

Captures: TypeAlias = "Iterable[tuple[str, Iterable[bytes]]]"

LINE_HINT = (
    "a line is: RECEIVE_TIME_NS MESSAGE_AS_RECEIVED, or, as cryptofeed writes it, "
    "RECEIVE_TIME_S: MESSAGE"
)
# The lines of what was sent, and of connecting, begin with an address.
_LINE = re.compile(rb"(?:(\d{1,10})(?:\.(\d{1,9}))?: |(\d{11,19}) )([\[{].*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel of the symbol begins: its next message is a snapshot."""

    is_checked: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """Messages of the connection are missing."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the symbol's channel, and when it was received (ns UTC)."""

    message: Message
    ts_recv: int


Event: TypeAlias = Opened | Lost | Told


class _Connection:
    """What is known of the connection that a line is of."""

    def __init__(self, kind: str, symbol: str | None) -> None:
        self._kind = kind
        self._symbol = symbol
        self.symbols: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._channel: int | None = None
        self._flags = 0
        self._number: int | None = None  # of the last message, once one has a number

    @property
    def channels(self) -> Container[int]:
        return () if self._channel is None else (self._channel,)

    def hear(self, message: Message, ts_recv: int) -> list[Event]:
        if isinstance(message, EventMessage):
            return self._event(message)
        events: list[Event] = []
        if message.number is not None:
            expected = message.number if self._number is None else self._number + 1
            if message.number != expected:
                events.append(Lost(expected, max(expected, message.number - 1)))
            self._number = message.number
        if message.channel == self._channel:
            events.append(Told(message, ts_recv))
        return events

    def _event(self, message: EventMessage) -> list[Event]:
        if message.event == "info" and message.version is not None:
            self._begin()
        elif message.event == "conf" and message.flags is not None:
            self._flags = message.flags
        elif message.event == "unsubscribed" and message.channel == self._channel:
            self._channel = None
        elif message.event == "subscribed" and message.kind == self._kind:
            return self._subscribed(message)
        return []

    def _subscribed(self, message: EventMessage) -> list[Event]:
        """Of two channels of a symbol, the first that was opened is read."""
        symbol = normalise_symbol(message.symbol or "")
        self.symbols.add(symbol)
        if self._kind == "book" and message.precision != PRECISION:
            return []
        if self._channel is not None or message.channel is None:
            return []
        if symbol != (self._symbol or symbol):
            return []
        self._channel, self._symbol = message.channel, symbol
        return [Opened(bool(self._flags & CHECKSUM))]


def events_of(captures: Captures, kind: str, symbol: str | None) -> Iterator[tuple[str, Event]]:
    """What connections told of one symbol, and the name of the capture.

    Parameters
    ----------
    captures : iterable of (name, lines)
        In order, each going on where the one before ends.
    kind : str
        ``trades`` or ``book``.
    symbol : str or None
        As `normalise_symbol` spells it; else the first that there is.

    Raises
    ------
    InputError
        If a line is broken, or there is no channel of the symbol.
    """
    connection, found = _Connection(kind, symbol), False
    trades = kind == "trades"
    for name, lines in captures:
        for number, line in enumerate(lines, 1):
            matched = _LINE.fullmatch(line.rstrip())
            if matched is None:
                if line[:1].isdigit():
                    raise InputError(f"{name}, line {number}: no frame", hint=LINE_HINT)
                continue
            channels = connection.channels
            ts_recv = _time_of(matched)
            try:
                if trades:
                    message = parse(matched[4], ts_recv, channels)
                else:
                    message = parse(matched[4], ts_recv, (), channels)
                events = connection.hear(message, ts_recv)
            except (ExchangeError, BadNameError) as error:
                raise InputError(f"{name}, line {number}: {error.message}") from None
            for event in events:
                found = True
                yield name, event
    if not found:
        raise _nothing(kind, symbol, connection.symbols)


def _time_of(matched: re.Match[bytes]) -> int:
    if matched[3] is not None:
        return min(int(matched[3]), 2**63 - 1)
    return int(matched[1]) * NS_PER_S + int((matched[2] or b"0").ljust(9, b"0"))


def _nothing(kind: str, symbol: str | None, symbols: set[str]) -> InputError:
    if not symbols:
        return InputError(f"there is no channel of {kind} of Bitfinex", hint=LINE_HINT)
    named = ", ".join(sorted(symbols))
    what = f"channel of {kind} of {symbol}" if symbol else f"channel of {kind}"
    more = f", of precision {PRECISION}" if kind == "book" else ""
    return InputError(
        f"there is no {what}{more}; there are: {named:.200}",
        hint="--native-symbol says the exchange's spelling, e.g. tBTCUSD",
    )
