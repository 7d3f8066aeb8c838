"""A long run of trades in short ones."""

from __future__ import annotations

from collections.abc import Iterator

from tradercast.records import Trades
from tradercast.rows import I64

BATCH_ROWS = 65_536


def split(trades: Trades, seq: I64 | None, rows: int) -> Iterator[tuple[Trades, I64 | None]]:
    """The run in pieces of at most `rows`, in order.

    It is halved again and again: cutting the pieces off one by one would look through the
    run's escaped values once for every piece.
    """
    if len(trades) <= rows:
        if len(trades):
            yield trades, seq
        return
    pieces = -(-len(trades) // rows)
    middle = pieces // 2 * rows
    yield from split(trades[:middle], None if seq is None else seq[:middle], rows)
    yield from split(trades[middle:], None if seq is None else seq[middle:], rows)
