"""Binance's rule for a local book: where a snapshot belongs, and what is a hole."""

from __future__ import annotations

from dataclasses import replace

from tradercast.exchanges.book_entries import Entry, Hole, Message

MAX_WAITING = 4_096  # changes kept back for a snapshot; one arrives within seconds


class SnapshotRule:
    """Puts a stream in the order in which applying it gives the exchange's book.

    A snapshot takes its place before the first change that is newer than it (``u`` above its
    ``lastUpdateId``), if that change continues it: ``U <= lastUpdateId + 1`` (spot), or
    ``pu <= lastUpdateId`` (futures, where update numbers have holes of their own).  A snapshot
    that is older than all changes at hand, or that comes while the book is whole, is left out.
    A change must follow the one before: ``U <= u' + 1`` (spot), ``pu == u'`` (futures);
    otherwise there is a hole, and the book waits for a fresh snapshot.  A change that brings
    nothing new (``u <= u'``, sent again after a reconnection) is left out.

    Nothing is given before its place is settled: a longer stream gives the same entries, and more.

    Attributes
    ----------
    left_out : int
        Snapshots and changes that are no records.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._whole = False
        self._last: Message | None = None  # the newest change
        self._waiting: list[Message] = []  # changes since the hole
        self._held: Message | None = None  # a snapshot newer than all changes so far

    def take(self, message: Message) -> list[Entry]:
        """The entries that are settled with one more message."""
        return self._snapshot(message) if message.is_snapshot else self._change(message)

    @property
    def waiting(self) -> int:
        """Messages whose place is not settled: a snapshot may yet come between them."""
        return len(self._waiting) + (self._held is not None)

    def _snapshot(self, snapshot: Message) -> list[Entry]:
        if self._whole:
            self.left_out += 1
            return []
        newer = [at for at, change in enumerate(self._waiting) if change.last > snapshot.last]
        if not newer:
            if self._held is not None:
                self.left_out += 1
            self._held = snapshot
            return []
        at = newer[0]
        if not _continues(self._waiting[at], snapshot.last):
            self.left_out += 1
            return []
        before = self._waiting[at - 1] if at else None
        placed = self._timed(snapshot, before or self._waiting[at])
        entries: list[Entry] = [*self._waiting[:at], placed, *self._waiting[at:]]
        self._whole, self._waiting = True, []
        return entries

    def _change(self, change: Message) -> list[Entry]:
        entries: list[Entry] = []
        last = self._last
        if last is not None:
            if change.last <= last.last:
                self.left_out += 1
                return []
            if not _follows(change, last):
                entries = [*self._waiting, _hole(last.last, last, change)]
                self._whole, self._waiting = False, []
        self._last = change
        if self._whole:
            return [*entries, change]
        held = self._held
        if held is None or change.last <= held.last:
            self._waiting.append(change)
            if len(self._waiting) > MAX_WAITING:
                entries.append(self._waiting.pop(0))
            return entries
        self._held = None
        entries += self._waiting
        self._waiting = []
        if _continues(change, held.last):
            self._whole = True
            return [*entries, self._timed(held, last or change), change]
        if last is None:
            # the capture begins with a book that the first change does not continue
            placed = self._timed(held, change)
            entries += [placed, _hole(held.last, placed, change)]
        else:
            self.left_out += 1
        self._waiting = [change]
        return entries

    @staticmethod
    def _timed(snapshot: Message, neighbour: Message | None) -> Message:
        """With the time of the change beside it if it has none."""
        if snapshot.ts_event is not None:
            return snapshot
        near = snapshot.ts_recv if neighbour is None else neighbour.ts_event
        return replace(snapshot, ts_event=near)


def _follows(change: Message, before: Message) -> bool:
    if change.prev is not None:
        return change.prev == before.last
    return change.first is not None and change.first <= before.last + 1


def _continues(change: Message, snapshot_id: int) -> bool:
    if change.prev is not None:
        return change.prev <= snapshot_id
    return change.first is not None and change.first <= snapshot_id + 1


def _hole(known: int, before: Message, after: Message) -> Hole:
    reaches = after.prev if after.prev is not None else (after.first or 0) - 1
    return Hole(known + 1, max(known + 1, reaches), before.ts_event or 0, after.ts_event or 0)
