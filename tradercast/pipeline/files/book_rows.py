"""Book messages one by one, collected into columns."""

from __future__ import annotations

import numpy as np

from tradercast.book_levels import BookSide, Levels
from tradercast.book_messages import BookMessages, offsets_of
from tradercast.errors import InputError, UsageError
from tradercast.ids import ABSENT
from tradercast.pipeline.files.binance_rule import Entry, Hole
from tradercast.records import NO_TIME, Decimals, Kind, Notes

_Numbers = tuple[int, int, bool, int, int, int, int]  # times, snapshot, ids, number of levels


class BookRows:
    """Collects entries; `flush` gives them as columns.

    Attributes
    ----------
    name : str
        Of the source, for errors.
    """

    def __init__(self) -> None:
        self.name = ""
        self._clear()

    def _clear(self) -> None:
        self._numbers: list[_Numbers] = []
        self._sides: list[tuple[int, int]] = []  # bids and asks of each message
        self._levels: list[list[str]] = []
        self._notes: list[tuple[int, Kind, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def level_count(self) -> int:
        """Levels of all messages so far."""
        return len(self._levels)

    def add(self, entry: Entry) -> None:
        """One more message or hole."""
        if isinstance(entry, Hole):
            row = len(self._numbers)
            self._notes.append((row, Kind.GAP, entry.first, entry.last, entry.before_ns))
            self._numbers.append((entry.after_ns, NO_TIME, False, ABSENT, ABSENT, ABSENT, 0))
            self._sides.append((0, 0))
            return
        ids = (ABSENT if n is None else n for n in (entry.first, entry.last, entry.prev))
        count = len(entry.bids) + len(entry.asks)
        event = entry.ts_recv if entry.ts_event is None else entry.ts_event
        self._numbers.append((event, entry.ts_recv, entry.is_snapshot, *ids, count))  # type: ignore[arg-type]
        self._sides.append((len(entry.bids), len(entry.asks)))
        self._levels += entry.bids
        self._levels += entry.asks

    def flush(self) -> BookMessages:
        """The columns of everything added since the last time.

        Raises
        ------
        InputError
            If a price or size is no number, or a size is negative.
        """
        numbers = np.array(self._numbers, np.int64).reshape(-1, 7)
        counts = np.array(self._sides, np.int64).reshape(-1)
        sides = np.tile(np.array([BookSide.BID, BookSide.ASK], np.uint8), len(self._sides))
        try:
            prices, sizes = zip(*self._levels, strict=True) if self._levels else ((), ())
            if {*map(type, prices), *map(type, sizes)} - {str}:
                raise TypeError("prices and sizes are no texts")  # a float may not be exact
            levels = Levels(
                np.repeat(sides, counts),
                Decimals.from_strings(prices),
                Decimals.from_strings(sizes),
            )
        except (InputError, UsageError, ValueError, TypeError, AttributeError) as error:
            what = getattr(error, "message", str(error))
            raise InputError(f"{self.name}: a level of the book can not be read: {what}") from None
        event, received, snapshot, first, last, prev, lengths = np.ascontiguousarray(numbers.T)
        notes = Notes.of(self._notes)
        self._clear()
        return BookMessages(
            event,
            snapshot.astype(np.bool_),
            offsets_of(lengths),
            levels,
            received,
            first,
            last,
            None if (prev == ABSENT).all() else prev,
            notes=notes,
        )
