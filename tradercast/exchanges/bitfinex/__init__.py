"""Bitfinex: public trades and books by WebSocket, version 2 (https://docs.bitfinex.com/docs/ws-general)."""

from __future__ import annotations

from collections.abc import Sequence

from tradercast.exchanges.bitfinex.session import BitfinexSession
from tradercast.exchanges.bitfinex.symbols import instrument
from tradercast.exchanges.connector import Instrument


class Bitfinex:
    """The connector of Bitfinex."""

    name = "bitfinex"
    url = "wss://api-pub.bitfinex.com/ws/2"
    max_channels = 25  # of one connection; it allows 20 new connections a minute
    channels: tuple[str, ...] = ("trades", "book")

    def instrument(self, text: str) -> Instrument:
        """``btcusd`` -> ``tBTCUSD``, ``avaxusd`` -> ``tAVAX:USD``; raises `BadNameError`."""
        return instrument(text)

    def session(
        self, instruments: Sequence[Instrument], now_s: float, channels: Sequence[str] = ("trades",)
    ) -> BitfinexSession:
        """A new connection's state."""
        return BitfinexSession(instruments, now_s, channels=channels)
