"""One connection to Bitfinex: which channel is which symbol, what may follow what, what is late."""

from __future__ import annotations

from collections.abc import Sequence

from tradercast.errors import ExchangeError
from tradercast.exchanges.bitfinex import messages
from tradercast.exchanges.bitfinex.book import BookRule
from tradercast.exchanges.bitfinex.parse import (
    BookMessage,
    ChannelMessage,
    EventMessage,
    TradeMessage,
    parse,
)
from tradercast.exchanges.connector import (
    BookUpdate,
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

    Of a book, `BookRule` says what is settled; one that is wrong is subscribed to anew.  Messages
    are numbered (flag 65536), one more each; a number that is missing means that a
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
    channels : sequence of str
        What of each instrument: ``trades``, ``book``.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        now_s: float,
        silence_s: float = SILENCE_S,
        channels: Sequence[str] = ("trades",),
    ) -> None:
        self._by_native = {each.native: each for each in instruments}
        self._kinds = tuple(channels)
        self._silence_s = silence_s
        self._number = 0
        self._trades: dict[int, Instrument] = {}
        self._books: dict[int, Instrument] = {}
        self._rules: dict[int, BookRule] = {}
        self._renewed: set[int] = set()  # books whose new snapshot is asked for
        self._is_checked = False
        wanted = [(native, kind) for native in self._by_native for kind in self._kinds]
        self._heard = dict.fromkeys(wanted, now_s)  # of all that are asked for
        self._paused_at: float | None = None

    def greeting(self) -> list[str]:
        """Numbering first, so that the very first message is numbered."""
        with_books = "book" in self._kinds
        asked = [messages.subscribe(*each) for each in self._heard]
        return [messages.configure(with_books=with_books), *asked]

    def ask(self, symbol: str, now_s: float) -> list[str]:
        """Subscribe to a symbol that was refused."""
        natives = [each.native for each in self._by_native.values() if each.symbol == symbol]
        wanted = [(native, kind) for native in natives for kind in self._kinds]
        self._heard |= dict.fromkeys(wanted, now_s)
        return [messages.subscribe(*each) for each in wanted]

    def take(self, frame: bytes, ts_recv: int, now_s: float) -> list[Happening]:
        """Read one frame; raises `ExchangeError`."""
        message = parse(frame, ts_recv, self._trades, self._books)
        if isinstance(message, EventMessage):
            return self._event(message, now_s)
        self._follow(message.number)
        if message.channel in self._books:
            return self._book(message, ts_recv, now_s)
        instrument = self._trades.get(message.channel)
        if instrument is None:
            return []  # ended by us a moment ago, or nothing that we asked for
        self._heard[instrument.native, "trades"] = now_s
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
        for (native, _), heard in self._heard.items():
            if now_s - heard > self._silence_s:
                raise ExchangeError(f"Bitfinex says nothing of {native} any more")

    def _book(
        self, message: TradeMessage | BookMessage | ChannelMessage, ts_recv: int, now_s: float
    ) -> list[Happening]:
        """A book that is wrong is asked for anew: only a new channel begins with a snapshot."""
        channel = message.channel
        instrument, rule = self._books[channel], self._rules[channel]
        self._heard[instrument.native, "book"] = now_s
        if isinstance(message, BookMessage):
            entries = rule.take(message, ts_recv)
        else:
            entries = rule.beat(ts_recv)
        found: list[Happening] = []
        if entries:
            found.append(BookUpdate(instrument.symbol, tuple(entries)))
        if rule.is_wrong and channel not in self._renewed:
            self._renewed.add(channel)
            found.append(Reply(messages.unsubscribe(channel)))
        return found

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
            return self._unsubscribed(message.channel or 0, now_s)
        if message.event == "conf":
            self._is_checked = bool((message.flags or 0) & messages.CHECKSUM)
        if message.event == "error":
            return self._refused(message)
        if message.event == "info":
            return self._info(message, now_s)
        return []

    def _subscribed(self, message: EventMessage, now_s: float) -> list[Happening]:
        kind, channel = message.kind or "", message.channel
        if kind not in self._kinds:
            return []
        instrument = self._by_native.get(message.symbol or "")
        if instrument is None or channel is None:
            raise ExchangeError("Bitfinex confirmed a channel that was not asked for")
        if kind == "book":
            self._books[channel] = instrument
            self._rules[channel] = BookRule(is_checked=self._is_checked)
            self._renewed.discard(channel)
        else:
            self._trades[channel] = instrument
        self._heard[instrument.native, kind] = now_s
        return [Subscribed(instrument.symbol, kind)]

    def _unsubscribed(self, channel: int, now_s: float) -> list[Happening]:
        for kind, known in (("trades", self._trades), ("book", self._books)):
            instrument = known.pop(channel, None)
            if instrument is not None:
                return self._ask(instrument.native, kind, now_s)
        return []

    def _refused(self, message: EventMessage) -> list[Happening]:
        why = f"{message.text or 'no reason'} (code {message.code})"
        instrument = self._by_native.get(message.symbol or "")
        if message.code == _ALREADY:
            return []
        if instrument is None:
            raise ExchangeError(f"Bitfinex refused: {why}")
        for kind in self._kinds:
            self._heard.pop((instrument.native, kind), None)
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
        known = (("trades", self._trades), ("book", self._books))
        open_channels = {
            (each.native, kind): number for kind, some in known for number, each in some.items()
        }
        for wanted in list(self._heard):
            self._heard[wanted] = now_s
            if wanted in open_channels:
                happenings.append(Reply(messages.unsubscribe(open_channels[wanted])))
            else:
                happenings += self._ask(*wanted, now_s)
        return happenings

    def _ask(self, native: str, kind: str, now_s: float) -> list[Happening]:
        self._heard[native, kind] = now_s
        return [Reply(messages.subscribe(native, kind))]
