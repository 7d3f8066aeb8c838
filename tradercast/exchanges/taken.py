"""Which trades of a symbol were taken already: each once, whichever message has it first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tradercast.exchanges.connector import ExchangeTrade, Update

WINDOW = 8_192


@dataclass(frozen=True, slots=True)
class News:
    """What of an update is new.

    Attributes
    ----------
    trades : list of ExchangeTrade
        In the order of the update.
    differing : list of ExchangeTrade
        Those that were taken with another price, size or side.
    hole : bool
        It is a snapshot that does not reach back to any trade taken before: between the two
        there may be trades that nobody told of.
    """

    trades: list[ExchangeTrade]
    differing: list[ExchangeTrade]
    hole: bool


class Taken:
    """The newest ids of one symbol.

    Parameters
    ----------
    ids : iterable of int
        What was taken in earlier runs, in the order of taking.
    window : int
        How many ids are kept.
    """

    def __init__(self, ids: Iterable[int] = (), window: int = WINDOW) -> None:
        self._window = window
        self._known: dict[int, int | None] = {}  # id -> a hash of the trade, in order of taking
        self._floor = -1  # the largest id that is not kept any more
        for trade_id in ids:
            self._keep(trade_id, None)

    def __len__(self) -> int:
        return len(self._known)

    def news(self, update: Update) -> News:
        """Take what is new of an update, and say what that is."""
        before = len(self._known)
        fresh: list[ExchangeTrade] = []
        differing: list[ExchangeTrade] = []
        for trade in update.trades:
            content = hash((trade.price, trade.size, trade.side))
            if trade.trade_id in self._known:
                known = self._known[trade.trade_id]
                if known is not None and known != content:
                    differing.append(trade)
            elif trade.trade_id > self._floor or not (update.repeats or update.snapshot):
                self._keep(trade.trade_id, content)
                fresh.append(trade)
        reaches_back = not before or len(fresh) < len(update.trades)
        return News(fresh, differing, update.snapshot and bool(fresh) and not reaches_back)

    def _keep(self, trade_id: int, content: int | None) -> None:
        self._known[trade_id] = content
        if len(self._known) > self._window:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._floor = max(self._floor, oldest)
