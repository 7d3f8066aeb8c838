"""Book messages and holes as an exchange's stream tells them, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tradercast.ids import ABSENT


@dataclass(frozen=True, slots=True)
class Message:
    """A snapshot, a set of changes, or a checksum alone.

    Parameters
    ----------
    ts_event : int or None
        ns UTC; a spot snapshot of Binance has none of its own.
    ts_recv : int
        ns UTC.
    first, last, prev : int or None
        The source's numbers: the first and last update in it, and the last one before it.  Of a
        snapshot, `last` is the newest update in it; `ABSENT` for a source without numbers.
    is_snapshot : bool
    bids, asks : list of [price, size] or [price, size, count]
        As text; the number of orders as int.
    checksum : int or None
        Of the book after the message.
    """

    ts_event: int | None
    ts_recv: int
    first: int | None
    last: int
    prev: int | None
    is_snapshot: bool
    bids: Sequence[Any]
    asks: Sequence[Any]
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class Hole:
    """Updates that are missing, or can not be trusted.

    Parameters
    ----------
    first, last : int
        Their numbers.
    before_ns, after_ns : int
        Event times on both sides.
    """

    first: int
    last: int
    before_ns: int
    after_ns: int


Entry: TypeAlias = Message | Hole


class Continuity:
    """Puts a hole before every snapshot that does not mend one: changes before it were missed.

    For sources that send a snapshot only when a stream begins anew.

    Parameters
    ----------
    last_ns : int or None
        Event time of the last record so far; None if there is none.
    last_number : int
        Its number, or `ABSENT`.
    """

    def __init__(self, last_ns: int | None = None, last_number: int = ABSENT) -> None:
        self._last_ns = last_ns
        self._last_number = last_number
        self._whole = last_ns is not None

    def following(self, entries: Sequence[Entry]) -> list[Entry]:
        """The next entries, with the holes that are due."""
        found: list[Entry] = []
        for entry in entries:
            if isinstance(entry, Hole):
                self._whole = False
            else:
                if entry.is_snapshot:
                    if self._whole:
                        found.append(self._hole(entry))
                    self._whole = True
                self._last_ns = entry.ts_recv if entry.ts_event is None else entry.ts_event
                self._last_number = entry.last
            found.append(entry)
        return found

    def _hole(self, snapshot: Message) -> Hole:
        """How many are missing nobody knows: the numbers begin anew."""
        assert self._last_ns is not None
        first = 1 + max(0, self._last_number)
        after = snapshot.ts_recv if snapshot.ts_event is None else snapshot.ts_event
        return Hole(first, first, self._last_ns, after)
