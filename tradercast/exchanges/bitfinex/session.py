"""One connection to Bitfinex: which channel is which symbol, what may follow what, what is late."""

from __future__ import annotations

from collections.abc import Sequence

from tradercast.errors import ExchangeError
from tradercast.exchanges.bitfinex import messages
from tradercast.exchanges.bitfinex.parse import EventMessage, TradeMessage, parse
from tradercast.exchanges.connector import (
    Happening,
    Instrument,
    Maintenance,
    ReconnectError,
    Refused,
    Reply,
    Subscribed,
    Update,
)

# A channel without news sends a heartbeat every 15 s.
SILENCE_S = 35.0
MAINTENANCE_S = 900.0
RESTART, PAUSE, RESUME = 20051, 20060, 20061
_ALREADY = 10301


class BitfinexSession:
    """The state of one connection.

    Messages are numbered (flag 65536), one more each; a number that is missing means that a
    trade may be, and a new connection brings the newest trades again.  An execution comes twice:
    ``te`` at once, ``tu`` when it is settled.  Both carry the same trade under the same id, so
    whichever comes first is the trade, and the other one repeats it.

    Parameters
    ----------
    instruments : sequence of Instrument
    now_s : float
        The time on the clock of `take` and `check`.
    silence_s : float
        How long a channel may say nothing.
    """

    def __init__(
        self, instruments: Sequence[Instrument], now_s: float, silence_s: float = SILENCE_S
    ) -> None:
        self._by_native = {each.native: each for each in instruments}
        self._silence_s = silence_s
        self._number = 0
        self._channels: dict[int, Instrument] = {}
        self._heard = dict.fromkeys(self._by_native, now_s)  # of all that are asked for
        self._paused_at: float | None = None

    def greeting(self) -> list[str]:
        """Numbering first, so that the very first message is numbered."""
        return [messages.configure(), *map(messages.subscribe, self._by_native)]

    def ask(self, symbol: str, now_s: float) -> list[str]:
        """Subscribe to a symbol that was refused."""
        natives = [each.native for each in self._by_native.values() if each.symbol == symbol]
        self._heard |= dict.fromkeys(natives, now_s)
        return [messages.subscribe(native) for native in natives]

    def take(self, frame: bytes, ts_recv: int, now_s: float) -> list[Happening]:
        """Read one frame; raises `ExchangeError`."""
        message = parse(frame, ts_recv, self._channels)
        if isinstance(message, EventMessage):
            return self._event(message, now_s)
        self._follow(message.number)
        instrument = self._channels.get(message.channel)
        if instrument is None:
            return []  # ended by us a moment ago, or nothing that we asked for
        self._heard[instrument.native] = now_s
        if not isinstance(message, TradeMessage):
            return []
        snapshot, repeats = message.kind == "snapshot", message.kind == "tu"
        return [Update(instrument.symbol, message.trades, snapshot, repeats)]

    def check(self, now_s: float) -> None:
        """A channel is late if it is silent, or was asked for and never came."""
        if self._paused_at is not None:
            if now_s - self._paused_at > MAINTENANCE_S:
                raise ExchangeError("Bitfinex does not say that its maintenance is over")
            return
        for native, heard in self._heard.items():
            if now_s - heard > self._silence_s:
                raise ExchangeError(f"Bitfinex says nothing of {native} any more")

    def _follow(self, number: int | None) -> None:
        if number is None:
            return  # a server that does not number
        if number != self._number + 1:
            raise ExchangeError(
                f"message {number} of Bitfinex came after message {self._number}",
                hint="the newest trades are asked for again",
            )
        self._number = number

    def _event(self, message: EventMessage, now_s: float) -> list[Happening]:
        if message.event == "subscribed":
            return self._subscribed(message, now_s)
        if message.event == "unsubscribed":
            instrument = self._channels.pop(message.channel or 0, None)
            return [] if instrument is None else self._ask(instrument, now_s)
        if message.event == "error":
            return self._refused(message)
        if message.event == "info":
            return self._info(message, now_s)
        return []

    def _subscribed(self, message: EventMessage, now_s: float) -> list[Happening]:
        if message.kind != "trades":
            return []
        instrument = self._by_native.get(message.symbol or "")
        if instrument is None or message.channel is None:
            raise ExchangeError("Bitfinex confirmed a channel that was not asked for")
        self._channels[message.channel] = instrument
        self._heard[instrument.native] = now_s
        return [Subscribed(instrument.symbol)]

    def _refused(self, message: EventMessage) -> list[Happening]:
        why = f"{message.text or 'no reason'} (code {message.code})"
        instrument = self._by_native.get(message.symbol or "")
        if message.code == _ALREADY:
            return []
        if instrument is None:
            raise ExchangeError(f"Bitfinex refused: {why}")
        self._heard.pop(instrument.native, None)
        return [Refused(instrument.symbol, why)]

    def _info(self, message: EventMessage, now_s: float) -> list[Happening]:
        if message.version is not None and message.version != messages.VERSION:
            raise ExchangeError(
                f"the server speaks version {message.version}, not {messages.VERSION}",
                hint="check the URL",
            )
        if message.code == RESTART:
            raise ReconnectError("Bitfinex restarts its servers")
        if message.code == PAUSE or message.operative is False:
            self._paused_at = now_s
            return [Maintenance(begun=True)]
        if message.code == RESUME:
            return self._resume(now_s)
        return []

    def _resume(self, now_s: float) -> list[Happening]:
        """After a maintenance all channels are to be asked for again."""
        self._paused_at = None
        happenings: list[Happening] = [Maintenance(begun=False)]
        open_channels = {each.native: number for number, each in self._channels.items()}
        for native in list(self._heard):
            self._heard[native] = now_s
            if native in open_channels:
                happenings.append(Reply(messages.unsubscribe(open_channels[native])))
            else:
                happenings += self._ask(self._by_native[native], now_s)
        return happenings

    def _ask(self, instrument: Instrument, now_s: float) -> list[Happening]:
        self._heard[instrument.native] = now_s
        return [Reply(messages.subscribe(instrument.native))]
