"""Book messages one by one, collected into columns."""

from __future__ import annotations

import numpy as np

from tradercast.book_levels import BookSide, Levels
from tradercast.book_messages import NO_CHECKSUM, BookMessages, offsets_of
from tradercast.errors import InputError, UsageError
from tradercast.exchanges.book_entries import Entry, Hole
from tradercast.ids import ABSENT
from tradercast.records import NO_TIME, Decimals, Kind, Notes
from tradercast.rows import I64

BATCH_LEVELS = 65_536
# times, snapshot, ids, checksum, number of levels
_Numbers = tuple[int, int, bool, int, int, int, int, int]


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
        self._levels: list[list[str | int]] = []
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
            self._numbers.append(
                (entry.after_ns, NO_TIME, False, ABSENT, ABSENT, ABSENT, NO_CHECKSUM, 0)
            )
            self._sides.append((0, 0))
            return
        ids = (ABSENT if n is None else n for n in (entry.first, entry.last, entry.prev))
        count = len(entry.bids) + len(entry.asks)
        event = entry.ts_recv if entry.ts_event is None else entry.ts_event
        checksum = NO_CHECKSUM if entry.checksum is None else entry.checksum
        self._numbers.append((event, entry.ts_recv, entry.is_snapshot, *ids, checksum, count))  # type: ignore[arg-type]
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
        numbers = np.array(self._numbers, np.int64).reshape(-1, 8)
        counts = np.array(self._sides, np.int64).reshape(-1)
        sides = np.tile(np.array([BookSide.BID, BookSide.ASK], np.uint8), len(self._sides))
        try:
            columns = list(zip(*self._levels, strict=True)) or [(), ()]
            prices, sizes, *counted = columns
            if {*map(type, prices), *map(type, sizes)} - {str}:
                raise TypeError("prices and sizes are no texts")  # a float may not be exact
            levels = Levels(
                np.repeat(sides, counts),
                Decimals.from_strings(prices),
                Decimals.from_strings(sizes),
                _counts(counted),
            )
        except (InputError, UsageError, ValueError, TypeError, AttributeError) as error:
            what = getattr(error, "message", str(error))
            raise InputError(f"{self.name}: a level of the book can not be read: {what}") from None
        event, received, snapshot, *ids, checksum, lengths = np.ascontiguousarray(numbers.T)
        first, last, prev = [None if (column == ABSENT).all() else column for column in ids]
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
            prev,
            None if (checksum == NO_CHECKSUM).all() else checksum,
            notes=notes,
        )


def _counts(columns: list[tuple[int, ...]]) -> I64 | None:
    """The number of orders of each level, if the source says it."""
    if not columns:
        return None
    [counts] = columns
    if {*map(type, counts)} - {int}:
        raise TypeError("a number of orders is no integer")
    return np.array(counts, np.int64)
