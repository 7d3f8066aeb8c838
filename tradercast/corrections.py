"""Applying busts and amendments to the trades they are about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tradercast.errors import UsageError
from tradercast.records import Gap, Kind, Notes, Trades
from tradercast.rows import I64
from tradercast.runs import Records


def apply(trades: Trades, seq: I64) -> tuple[Trades, I64, list[Gap]]:
    """What a reader sees: plain trades, busted ones gone, amended ones replaced where they stood.

    The last correction of a trade holds.  A correction of a correction is about the trade that
    the first one is about.  One whose trade is not in the run is left out.

    Parameters
    ----------
    trades : Trades
        A run of records.
    seq : int64 array, shape (n,)
        The number of each record, strictly increasing.

    Returns
    -------
    trades : Trades
        Without notes, in the order of the originals.
    seq : int64 array
        The numbers of the original records.
    gaps : list of Gap
    """
    if len(seq) != len(trades):
        raise UsageError(f"{len(trades)} records have {len(seq)} numbers")
    notes = trades.notes
    if not len(notes):
        return trades, seq, []
    source = np.arange(len(trades))
    source[notes.row] = -1
    target = _targets(notes, seq)
    rows, targets, kinds = notes.row[target >= 0], target[target >= 0], notes.kind[target >= 0]
    # the last write to a row wins: numpy assigns in order, and notes are in the order of rows
    source[targets] = np.where(kinds == Kind.BUST, -1, rows)
    keep = np.flatnonzero(source >= 0)
    chosen = source[keep]
    result = Trades(
        trades.ts_event[chosen],
        trades.price[chosen],
        trades.size[chosen],
        trades.side[chosen],
        None if trades.ts_recv is None else trades.ts_recv[chosen],
        None if trades.trade_id is None else trades.trade_id[chosen],
    )
    return result, seq[keep], gaps_of(trades, seq)


def _targets(notes: Notes, seq: I64) -> I64:
    """The row of the plain trade that each note corrects, or -1."""
    correction = notes.kind != Kind.GAP
    target = np.where(correction, _find(seq, notes.ref_seq), -1)
    target[target >= notes.row] = -1  # only what stands before can be corrected
    for _ in range(len(notes)):
        at = np.searchsorted(notes.row, target)
        at = np.minimum(at, len(notes) - 1)
        is_note = (target >= 0) & (notes.row[at] == target)
        if not is_note.any():
            break
        target = np.where(is_note, target[at], target)
    return target


def _find(seq: I64, wanted: I64) -> I64:
    """The index of each wanted number, or -1."""
    at = np.minimum(np.searchsorted(seq, wanted), len(seq) - 1)
    found: NDArray[np.bool_] = seq[at] == wanted
    return np.where(found, at, -1)


def gaps_of(records: Records, seq: I64) -> list[Gap]:
    """The gaps among the records of a run, whose numbers are `seq`."""
    notes, gaps = records.notes, []
    for at in np.flatnonzero(notes.kind == Kind.GAP):
        row = int(notes.row[at])
        gaps.append(
            Gap(
                int(seq[row]),
                int(notes.ref_seq[at]),
                int(notes.ref_end[at]),
                int(notes.ref_ts[at]),
                int(records.ts_event[row]),
            )
        )
    return gaps
