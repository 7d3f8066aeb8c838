"""What a reader sees of a gap: beside the records of a stream, among the messages of a book."""

from __future__ import annotations

import numpy as np
import pytest
from support.books import BID, gap, messages_of, row
from support.memory_logs import trades_at

from tradercast.candles import Candles
from tradercast.feed.fixes import Fixes, settle
from tradercast.notes import Gap, Kind, Notes
from tradercast.records import Decimals
from tradercast.runs import Records
from tradercast.timerange import TimeRange

GAP = (1, Kind.GAP, 7, 9, 20)
SEQ = np.array([5, 6, 7, 8], np.int64)
TIMES = [10, 30, 30, 40]
VALUES = Decimals.from_ints(np.arange(4), 0)
NUMBERS = np.arange(4)

TRADES = trades_at(TIMES, [GAP])
CANDLES = Candles(np.array(TIMES, np.int64), *[VALUES] * 6, NUMBERS, notes=Notes.of([GAP]))
BOOK = messages_of([row(10, (BID, "1", "1")), gap(30, 7, 9, 20), row(30, (BID, "1", "2")), row(40)])


@pytest.mark.parametrize(
    ("records", "kept"),
    [(TRADES, [7]), (CANDLES, [7]), (BOOK, [6, 7])],
    ids=["trades", "candles", "book"],
)
def test_only_a_book_keeps_the_place_of_a_gap(records: Records, kept: list[int]) -> None:
    found, seq, gaps = settle(records, SEQ, Fixes.of(()), TimeRange(20, 40))

    assert seq.tolist() == kept
    assert len(found.notes) == len(kept) - 1
    assert found.equals(records[np.isin(SEQ, kept)])
    assert gaps == [Gap(6, 7, 9, 20, 30)]
