"""Which trades of a message were in the feed before: the ids of its newest records.

The window is counted in records of the log, and looked at from where a message begins: so what is
dropped depends on the log and the message alone, not on batches, restarts or a clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradercast.ids import ABSENT, Ids
from tradercast.rows import I64

WINDOW = 131_072
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Part:
    """Integer ids of a run of records, sorted; of equal ones only the newest."""

    ids: I64
    seqs: I64
    end_seq: int

    def __len__(self) -> int:
        return len(self.ids)


class RecentIds:
    """The ids of the newest records of a feed and their numbers.

    Parameters
    ----------
    window : int
        How many records back an id counts.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._parts: list[_Part] = []  # from old to new, each larger than the next or nearly so
        self._texts: dict[str, int] = {}
        self._text_order: deque[tuple[int, str]] = deque()

    def repeats(self, ids: Ids, next_seq: int) -> Mask:
        """Which rows repeat an id of the window, or of an earlier row of the same run.

        Parameters
        ----------
        ids : Ids
            Of trades to come; absent ones repeat nothing.
        next_seq : int
            The number that the first of them would get: the window ends before it.
        """
        since = max(0, next_seq - self._window)
        repeated = np.zeros(len(ids), np.bool_)
        present = np.flatnonzero(ids.values != ABSENT)
        values = ids.values[present]
        if len(values):
            repeated[present] = self._known(values, since) | _later_ones(values)
        seen: set[str] = set()
        for row, text in sorted(ids.escapes.items()):
            repeated[row] = text in seen or self._texts.get(text, -1) >= since
            seen.add(text)
        return repeated

    def add(self, ids: Ids, seqs: I64) -> None:
        """Take in the newest records.

        Parameters
        ----------
        ids : Ids
            One a record.
        seqs : int64 array
            Their numbers, increasing, and above those of earlier calls.
        """
        if not len(seqs):
            return
        end = int(seqs[-1]) + 1
        present = np.flatnonzero(ids.values != ABSENT)
        if len(present):
            self._push(_sorted(ids.values[present], seqs[present], end))
        for row, text in sorted(ids.escapes.items()):
            self._texts[text] = int(seqs[row])
            self._text_order.append((int(seqs[row]), text))
        self._forget(end - self._window)

    def find(self, trade_id: str, next_seq: int) -> int | None:
        """The number of the newest record of the window that has this id."""
        one = Ids.from_strings([trade_id])
        since = max(0, next_seq - self._window)
        if one.escapes:
            seq = self._texts.get(trade_id, -1)
            return seq if seq >= since else None
        value = int(one.values[0])
        for part in reversed(self._parts):
            at = int(np.searchsorted(part.ids, value))
            if at < len(part) and part.ids[at] == value and part.seqs[at] >= since:
                return int(part.seqs[at])
        return None

    def _known(self, values: I64, since: int) -> Mask:
        found = np.zeros(len(values), np.bool_)
        low, high = int(values.min()), int(values.max())
        for part in self._parts:
            if part.end_seq <= since or high < part.ids[0] or part.ids[-1] < low:
                continue
            at = np.minimum(np.searchsorted(part.ids, values), len(part) - 1)
            found |= (part.ids[at] == values) & (part.seqs[at] >= since)
        return found

    def _push(self, part: _Part) -> None:
        # Parts double in size, so that a record is merged a few times and not once a message.
        while self._parts and len(self._parts[-1]) <= 2 * len(part):
            last = self._parts.pop()
            ids = np.concatenate([last.ids, part.ids])
            part = _sorted(ids, np.concatenate([last.seqs, part.seqs]), part.end_seq)
        self._parts.append(part)

    def _forget(self, since: int) -> None:
        while self._parts and self._parts[0].end_seq <= since:
            self._parts.pop(0)
        if self._parts and len(self._parts[0]) > 2 * self._window:
            old = self._parts[0]
            keep = old.seqs >= since
            self._parts[:1] = (
                [_Part(old.ids[keep], old.seqs[keep], old.end_seq)] if keep.any() else []
            )
        while self._text_order and self._text_order[0][0] < since:
            seq, text = self._text_order.popleft()
            if self._texts.get(text) == seq:
                del self._texts[text]


def _sorted(ids: I64, seqs: I64, end_seq: int) -> _Part:
    """A part of records in order of seq; a stable sort keeps the newest of equal ids last."""
    if len(ids) > 1 and not (ids[1:] > ids[:-1]).all():
        order = np.argsort(ids, kind="stable")
        ids, seqs = ids[order], seqs[order]
        last = np.append(ids[1:] != ids[:-1], True)
        ids, seqs = ids[last], seqs[last]
    return _Part(ids, seqs, end_seq)


def _later_ones(values: I64) -> Mask:
    """Which values stood earlier in the array already."""
    repeated = np.zeros(len(values), np.bool_)
    if len(values) > 1 and not (values[1:] > values[:-1]).all():
        repeated[:] = True
        repeated[np.unique(values, return_index=True)[1]] = False
    return repeated
