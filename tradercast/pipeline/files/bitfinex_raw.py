"""The book and the trades of raw captures of Bitfinex; pure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from tradercast.book_messages import BookMessages
from tradercast.errors import InputError
from tradercast.exchanges.bitfinex.book import BookRule
from tradercast.exchanges.bitfinex.parse import BookMessage, TradeMessage
from tradercast.exchanges.book_entries import Continuity, Entry, Hole
from tradercast.exchanges.connector import ExchangeTrade, Update
from tradercast.exchanges.taken import Taken
from tradercast.pipeline.files.bitfinex_lines import Captures, Event, Lost, Opened, Told, events_of
from tradercast.pipeline.files.book_rows import BATCH_LEVELS, BookRows
from tradercast.pipeline.files.trade_rows import BATCH, TradeRows
from tradercast.records import NO_TIME, Trades

_log = logging.getLogger(__name__)


def read_bitfinex_book(captures: Captures, symbol: str | None = None) -> Iterator[BookMessages]:
    """The messages of a symbol's book (precision P0), by the exchange's rule.

    Of a longer capture they are the same, and more: a message that waits for a checksum at the
    end is not given.

    Parameters
    ----------
    captures : iterable of (name, lines)
        In order, each going on where the one before ends.
    symbol : str, optional
        As `normalise_symbol` spells it; else the first that there is.

    Yields
    ------
    BookMessages
        Batches of about 65,536 levels.  A failed checksum, missing message numbers and a new
        connection are gaps; see `BookRule` and `Continuity`.

    Raises
    ------
    InputError
        If a line is broken, or there is no book of the symbol.
    """
    rows, joined, given = BookRows(), Continuity(), False
    rule = BookRule(is_checked=False)
    for name, event in events_of(captures, "book", symbol):
        if isinstance(event, Opened):
            rule = BookRule(is_checked=event.is_checked)
            continue
        if len(rows) and (rows.level_count >= BATCH_LEVELS or rows.name != name):
            given = True
            yield rows.flush()
        rows.name = name
        for entry in joined.following(_heard(rule, event)):
            rows.add(entry)
    if len(rows):
        yield rows.flush()
    elif not given:
        waiting = f"{len(rule.waiting)} messages wait for a checksum; " if rule.waiting else ""
        raise InputError(
            f"{waiting}no book message of the symbol has its place yet",
            hint="a book begins with the snapshot behind its subscription",
        )
    if rule.waiting:
        _log.warning(
            "the last %d messages wait for a checksum: they come once the capture goes on",
            len(rule.waiting),
        )


def _heard(rule: BookRule, event: Event) -> list[Entry]:
    if isinstance(event, Lost):
        return rule.lose(event.first, event.last)
    assert not isinstance(event, Opened)
    if isinstance(event.message, BookMessage):
        return rule.take(event.message, event.ts_recv)
    return rule.beat(event.ts_recv)


def read_bitfinex_trades(captures: Captures, symbol: str | None = None) -> Iterator[Trades]:
    """The trades of a symbol, each once, in the order in which they were told.

    Missing message numbers are a gap, unless the next snapshot of trades reaches back over them;
    so is a new connection whose snapshot does not reach back.  Trades of a snapshot have no time
    of receipt: they happened before.

    Parameters
    ----------
    captures : iterable of (name, lines)
        In order, each going on where the one before ends.
    symbol : str, optional
        As `normalise_symbol` spells it; else the first that there is.

    Yields
    ------
    Trades
        Batches of 65,536.

    Raises
    ------
    InputError
        If a line is broken, or there is no trade of the symbol.
    """
    rows, told, given = TradeRows(), _Trades(), False
    for name, event in events_of(captures, "trades", symbol):
        fresh = told.hear(event)
        if fresh and len(rows) and (len(rows) >= BATCH or rows.name != name):
            given = True
            yield rows.flush()
        rows.name = name
        for hole, trade in fresh:
            if hole is not None:
                rows.add_gap(hole.first, hole.last, hole.before_ns, hole.after_ns)
            rows.add(trade)
    if len(rows):
        yield rows.flush()
    elif not given:
        raise InputError("there is no trade of the symbol in the captures")


class _Trades:
    """Which of the trades that connections tell of are new, and where some may be missing."""

    def __init__(self) -> None:
        self._taken = Taken()
        self._last: ExchangeTrade | None = None
        self._lost: Lost | None = None
        self._number = 0

    def hear(self, event: Event) -> list[tuple[Hole | None, ExchangeTrade]]:
        """The new trades; before one there may be a hole."""
        if isinstance(event, Lost):
            self._lost = Lost(self._lost.first if self._lost else event.first, event.last)
        if not isinstance(event, Told) or not isinstance(event.message, TradeMessage):
            return []
        message = event.message
        is_snapshot = message.kind == "snapshot"
        news = self._taken.news(Update("", message.trades, is_snapshot, message.kind == "tu"))
        if is_snapshot and not news.hole:
            self._lost = None
        elif is_snapshot and self._lost is None:
            self._lost = Lost(self._number + 1, self._number + 1)
        self._number = message.number or 0
        trades = [replace(each, ts_recv=NO_TIME) for each in news.trades] if is_snapshot else None
        return [(self._hole(each), each) for each in trades or news.trades]

    def _hole(self, trade: ExchangeTrade) -> Hole | None:
        (lost, self._lost), (last, self._last) = (self._lost, None), (self._last, trade)
        if lost is None or last is None:
            return None
        return Hole(lost.first, lost.last, last.ts_event, trade.ts_event)
