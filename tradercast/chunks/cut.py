"""Where a feed's records are cut into chunks: a function of their times alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tradercast.chunks.block import MAX_RECORDS
from tradercast.rows import I64
from tradercast.timerange import NS_PER_DAY, NS_PER_HOUR

MIN_HOURLY = 8_192  # an hour with fewer records shares its chunk with the next


@dataclass(frozen=True, slots=True)
class CutState:
    """What the rule remembers between batches.

    Parameters
    ----------
    count : int
        Weight of the records in the chunk that is open.
    running_max_ns : int or None
        The largest time so far; `None` before the first record.
    """

    count: int = 0
    running_max_ns: int | None = None


def find_cuts(
    times: I64, state: CutState, weights: I64 | None = None
) -> tuple[list[int], CutState]:
    """Find the rows before which a chunk ends.

    That is before record i if its day is new, or the chunk is full, or its hour is new and the
    chunk weighs at least 8,192.  Day and hour are those of the running maximum of time.  A chunk
    is full for a record with which it would weigh more than 65,536.

    Parameters
    ----------
    times : int64 array, shape (n,)
        `Trades.times` or `BookMessages.times` of the next batch of records.
    state : CutState
        What the batch before returned.
    weights : int64 array, shape (n,), optional
        `BookMessages.weights`, each at least 1; without them every record weighs 1.

    Returns
    -------
    cuts : list of int
        Rows of `times` before which a chunk ends, increasing; 0 means before the batch.
    state : CutState
        For the next batch.  Any split of a feed into batches gives the same cuts.
    """
    if not len(times):
        return [], state
    first = int(times[0]) if state.running_max_ns is None else state.running_max_ns
    running = np.maximum.accumulate(times)
    if first > running[0]:
        np.maximum(running, first, out=running)
    turns = _turns(first, running)
    before = np.where(turns, running[turns - 1], first)
    new_day = running[turns] // NS_PER_DAY != before // NS_PER_DAY
    edges = np.arange(len(times) + 1) if weights is None else _edges(weights)
    cuts: list[int] = []
    start = -state.count  # the weight at which the open chunk began
    for row, is_day in zip(turns.tolist(), new_day.tolist(), strict=True):
        start = _fill(start, row, edges, cuts)
        weight = int(edges[row]) - start
        if weight and (is_day or weight >= MIN_HOURLY):
            cuts.append(row)
            start += weight
    start = _fill(start, len(times) - 1, edges, cuts)
    return cuts, CutState(int(edges[-1]) - start, int(running[-1]))


def _turns(first: int, running: I64) -> I64:
    """The rows whose hour is later than that of the row before; before all of them was `first`."""
    low, high = first // NS_PER_HOUR, int(running[-1]) // NS_PER_HOUR
    if high - low <= len(running) // 32:  # it is quicker to look for each hour's beginning
        starts = np.arange(low + 1, high + 1) * NS_PER_HOUR
        return np.unique(np.searchsorted(running, starts))
    hours = np.concatenate(([first], running)) // NS_PER_HOUR
    return np.flatnonzero(hours[1:] != hours[:-1])


def _edges(weights: I64) -> I64:
    return np.concatenate(([0], np.cumsum(weights)))


def _fill(start: int, row: int, edges: I64, cuts: list[int]) -> int:
    """Cut full chunks up to and including a cut before `row`; return where the open one began."""
    while True:
        full = int(np.searchsorted(edges, start + MAX_RECORDS, "right")) - 1
        full = max(full, int(np.searchsorted(edges, start, "right")))  # one record at least
        if full > row:
            return start
        cuts.append(full)
        start = int(edges[full])
