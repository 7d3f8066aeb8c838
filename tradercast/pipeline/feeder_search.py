"""Records of the whole log by id and time: for rescans and late corrections."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradercast.feed.archive import ArchiveIndex, ChunkRef
from tradercast.feed.history import History
from tradercast.ids import ABSENT, Ids
from tradercast.records import Trades
from tradercast.rows import I64
from tradercast.timerange import TimeRange

_KEPT = 8  # chunks, about 1 MB each


@dataclass(frozen=True, slots=True)
class _ChunkIds:
    """The ids of a chunk's plain trades."""

    values: I64
    seqs: I64
    texts: dict[str, int]


class IdSearch:
    """Looks in the archive; the tail's records are in the window of recent ids anyway.

    Parameters
    ----------
    history : History
        Of the feed.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._chunks: OrderedDict[int, _ChunkIds] = OrderedDict()
        self._index: ArchiveIndex | None = None

    async def find(self, trade_id: str, ts_event: int) -> int | None:
        """The number of the trade with this id and time, if it is in the archive."""
        one = Ids.from_strings([trade_id])
        for ref in await self._refs(ts_event, ts_event):
            ids = await self._load(ref)
            if one.escapes:
                if trade_id in ids.texts:
                    return ids.texts[trade_id]
                continue
            at = int(np.searchsorted(ids.values, one.values[0]))
            if at < len(ids.values) and ids.values[at] == one.values[0]:
                return int(ids.seqs[at])
        return None

    async def known(self, ids: Ids, times: I64) -> NDArray[np.bool_]:
        """Which of these trades are in the archive, looked for at their times (ns UTC)."""
        found = np.zeros(len(ids), np.bool_)
        if not len(ids):
            return found
        for ref in await self._refs(int(times.min()), int(times.max())):
            rows = np.flatnonzero((times >= ref.min_ns) & (times <= ref.max_ns) & ~found)
            if not len(rows):
                continue
            there = await self._load(ref)
            found[rows] = np.isin(ids.values[rows], there.values) & (ids.values[rows] != ABSENT)
            for row, text in ids.escapes.items():
                if ref.min_ns <= times[row] <= ref.max_ns and text in there.texts:
                    found[row] = True
        return found

    async def _refs(self, first_ns: int, last_ns: int) -> list[ChunkRef]:
        if self._index is None or self._index.end_seq != self._history.sealed_seq:
            self._index = await self._history.index()
        return await self._index.chunks_for(TimeRange(first_ns, last_ns + 1))

    async def _load(self, ref: ChunkRef) -> _ChunkIds:
        found = self._chunks.get(ref.number)
        if found is None:
            found = _ids_of(await self._history.load(ref), ref.first_seq)
            self._chunks[ref.number] = found
            if len(self._chunks) > _KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(ref.number)
        return found


def plain_ids(trades: Trades, first_seq: int) -> tuple[Ids, I64]:
    """The ids of a run's plain trades, and their numbers."""
    plain = np.ones(len(trades), np.bool_)
    plain[trades.notes.row] = False
    seqs = first_seq + np.flatnonzero(plain)
    ids = trades.trade_id
    return (Ids.absent(len(seqs)) if ids is None else ids[plain]), seqs


def _ids_of(trades: Trades, first_seq: int) -> _ChunkIds:
    ids, seqs = plain_ids(trades, first_seq)
    order = np.argsort(ids.values, kind="stable")
    texts = {text: int(seqs[row]) for row, text in ids.escapes.items()}
    return _ChunkIds(ids.values[order], seqs[order], texts)
