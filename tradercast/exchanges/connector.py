"""What every connector is made of: names and messages, a pure parser, a rule for silence and holes.

None of it does I/O: sockets, clocks and reconnecting are the same for all exchanges, in `stream`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tradercast.errors import ExchangeError
from tradercast.exchanges.book_entries import Entry
from tradercast.records import Side


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol in both spellings.

    Attributes
    ----------
    symbol : str
        The project's, e.g. ``btcusd``.
    native : str
        The exchange's, e.g. ``tBTCUSD``.
    base, quote : str
        As the exchange names them, e.g. ``BTC`` and ``USD``.
    type : str
        ``spot`` or ``perpetual``.
    """

    symbol: str
    native: str
    base: str
    quote: str
    type: str = "spot"


@dataclass(frozen=True, slots=True)
class ExchangeTrade:
    """A trade as an exchange's message says it.

    Attributes
    ----------
    trade_id : int
        Non-negative, and larger for a later trade.
    ts_event, ts_recv : int
        ns UTC: the exchange's time, and when the frame was here; `NO_TIME` for a trade that the
        exchange told of later, among its newest.
    side : Side
        Of the taker.
    price, size : str
        The digits of the message in plain notation; the size is not negative.
    """

    trade_id: int
    ts_event: int
    ts_recv: int
    side: Side
    price: str
    size: str


@dataclass(frozen=True, slots=True)
class Update:
    """Trades of one symbol, in the order in which they happened.

    Attributes
    ----------
    symbol : str
    trades : tuple of ExchangeTrade
    snapshot : bool
        The newest trades at the time of subscribing; they may have been seen before.
    repeats : bool
        An announcement of trades that were announced already, by the exchange's rules.
    """

    symbol: str
    trades: tuple[ExchangeTrade, ...]
    snapshot: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class BookUpdate:
    """What is settled of one symbol's book, in order; begins with a snapshot on each connection."""

    symbol: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The exchange sends this channel of this symbol from now on."""

    symbol: str
    channel: str = "trades"


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange does not send this symbol, and why."""

    symbol: str
    why: str


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The exchange's trading pauses, or goes on."""

    begun: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send to the exchange."""

    text: str


Happening = Update | BookUpdate | Subscribed | Refused | Maintenance | Reply


class ReconnectError(ExchangeError):
    """The exchange asked for a new connection."""


class Session(Protocol):
    """What is known of one connection.  It has no socket: frames go in, happenings come out."""

    def greeting(self) -> list[str]:
        """What to send after connecting."""
        ...

    def ask(self, symbol: str, now_s: float) -> list[str]:
        """What to send to ask once more for a symbol that was refused."""
        ...

    def take(self, frame: bytes, ts_recv: int, now_s: float) -> list[Happening]:
        """Read one frame that arrived at `ts_recv` (ns UTC), `now_s` on the silence clock.

        Raises
        ------
        ExchangeError
            If it makes no sense or does not follow the one before: connect again.
        """
        ...

    def check(self, now_s: float) -> None:
        """Look for a connection or a channel that has fallen silent.

        Raises
        ------
        ExchangeError
            If there is one: connect again.
        """
        ...


class Connector(Protocol):
    """An exchange."""

    name: str
    url: str
    max_channels: int  # on one connection

    def instrument(self, text: str) -> Instrument:
        """What a person's spelling of a symbol means here; raises `BadNameError`."""
        ...

    channels: tuple[str, ...]  # that it can be asked for

    def session(
        self, instruments: Sequence[Instrument], now_s: float, channels: Sequence[str]
    ) -> Session:
        """A new connection's state, for at most `max_channels` channels of all instruments."""
        ...
