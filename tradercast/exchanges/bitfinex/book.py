"""Bitfinex's rule for a local book: a snapshot, changes, and checksums that say they are right."""

from __future__ import annotations

import heapq
import zlib
from itertools import zip_longest

from tradercast.exchanges.bitfinex.parse import BookMessage, Level, plain
from tradercast.exchanges.book_entries import Entry, Hole, Message
from tradercast.ids import ABSENT
from tradercast.timerange import NS_PER_S

CHECKED_LEVELS = 25  # of each side
_HOLD_NS = NS_PER_S
_Side = dict[str, str]


class BookRule:
    """One channel of a book, from its snapshot on.

    The first message is the snapshot, later ones are changes: a level with orders is set, one
    without is removed.  If the exchange sends checksums, the messages wait for the next one, at
    most until a message that came a second later.  If it is not that of the book, a hole stands
    before those that waited, behind the snapshot, and the book needs a fresh one.

    Nothing is given before its place is settled: a longer stream gives the same entries, and more.

    Parameters
    ----------
    is_checked : bool
        Whether the exchange was asked for checksums, and said yes.

    Attributes
    ----------
    is_wrong : bool
        A checksum did not fit, or messages are missing: only a new snapshot, which is that of a
        new channel, gives the exchange's book again.
    waiting : list of Message
        What is not settled.
    """

    def __init__(self, *, is_checked: bool) -> None:
        self.is_wrong = False
        self.waiting: list[Message] = []
        self._is_checked = is_checked
        self._begun = False
        self._sides: tuple[_Side, _Side] = ({}, {})
        self._known: Message | None = None  # the last that was given, and found right
        self._lost: tuple[int, int] | None = None

    def take(self, frame: BookMessage, ts_recv: int) -> list[Entry]:
        """The entries that are settled with one more message of the channel."""
        is_snapshot = not self._begun
        if is_snapshot and (frame.checksum is not None or not frame.is_list):
            return []  # of a channel whose snapshot is not here
        self._begun = True
        entries = self.beat(ts_recv) if frame.checksum is None else []
        message = _message(frame, ts_recv, is_snapshot=is_snapshot)
        entries += self._place_hole(message)
        if frame.checksum is None:
            self._apply(frame.levels)
        if self.is_wrong or not (self._is_checked or frame.checksum is not None):
            return [*entries, *self._settle(message)]
        if frame.checksum is None:
            self.waiting.append(message)
            return entries
        if frame.checksum == checksum(*self._sides):
            return [*entries, *self._settle(message)]
        return [*entries, *self._distrust(message)]

    def beat(self, ts_recv: int) -> list[Entry]:
        """What has waited long enough when the channel's heartbeat comes."""
        if not self.waiting or ts_recv - self.waiting[0].ts_recv <= _HOLD_NS:
            return []
        return self._settle()

    def lose(self, first: int, last: int) -> list[Entry]:
        """Messages of the connection are missing; the hole is given with the next message."""
        if self.is_wrong or not self._begun:
            return []
        entries = self._settle()
        self._lost, self.is_wrong = (first, last), True
        return entries

    def _settle(self, *more: Message) -> list[Entry]:
        entries: list[Entry] = [*self.waiting, *more]
        self.waiting = []
        if entries and isinstance(last := entries[-1], Message):
            self._known = last
        return entries

    def _place_hole(self, message: Message) -> list[Entry]:
        if self._lost is None:
            return []
        (first, last), self._lost = self._lost, None
        return [_hole(self._known or message, message, first, last)]

    def _distrust(self, message: Message) -> list[Entry]:
        """One of the messages since the last that was right is not, or one is missing."""
        self.is_wrong = True
        suspects = [*self.waiting, message]
        right: list[Message] = []
        if suspects[0].is_snapshot:
            right = [suspects.pop(0)]
        known = right[0] if right else self._known or message
        hole = _hole(known, suspects[0], max(0, known.last + 1), max(0, message.last))
        self.waiting, self._known = [], message
        return [*right, hole, *suspects]

    def _apply(self, levels: tuple[Level, ...]) -> None:
        bids, asks = self._sides
        for price, orders, amount in levels:
            side = asks if amount.startswith("-") else bids
            if orders:
                side[price] = amount
            else:
                side.pop(price, None)


def checksum(bids: _Side, asks: _Side) -> int:
    """CRC-32, signed, of the best 25 levels: ``bid:amount:ask:amount:bid:…``.

    Parameters
    ----------
    bids, asks : dict of str to str
        Amounts at prices, as the exchange wrote them (so does it before it sums them up: small
        numbers with an exponent, asks negative).
    """
    best_bids = heapq.nlargest(CHECKED_LEVELS, bids, key=float)
    best_asks = heapq.nsmallest(CHECKED_LEVELS, asks, key=float)
    parts: list[str] = []
    for bid, ask in zip_longest(best_bids, best_asks):
        if bid is not None:
            parts += bid, bids[bid]
        if ask is not None:
            parts += ask, asks[ask]
    unsigned = zlib.crc32(":".join(parts).encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def _message(frame: BookMessage, ts_recv: int, *, is_snapshot: bool) -> Message:
    sides: tuple[list[list[str | int]], list[list[str | int]]] = ([], [])
    for price, orders, amount in frame.levels:
        size = plain(amount.removeprefix("-")) if orders else "0"
        sides[amount.startswith("-")].append([plain(price), size, orders])
    return Message(
        ts_recv if frame.ts_event is None else frame.ts_event,
        ts_recv,
        None,
        ABSENT if frame.number is None else frame.number,
        None,
        is_snapshot,
        *sides,
        frame.checksum,
    )


def _hole(before: Message, after: Message, first: int, last: int) -> Hole:
    assert before.ts_event is not None
    assert after.ts_event is not None
    return Hole(first, max(first, last), before.ts_event, after.ts_event)
