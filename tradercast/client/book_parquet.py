"""Levels of book messages as Arrow, a row each."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradercast.book_messages import BookMessages
from tradercast.client import extras
from tradercast.client.arrow_columns import numbers
from tradercast.records import NO_TIME

_SIDES = ("", "bid", "ask")


def schema(scale: int) -> Any:
    """The columns of tardis.dev's ``incremental_book_L2``, with times in ns."""
    pa = extras.load("pyarrow", "arrow")
    time, number = pa.timestamp("ns", "UTC"), pa.decimal128(38, scale)
    word = pa.dictionary(pa.int8(), pa.string())
    return pa.schema(
        [
            pa.field("exchange", word, nullable=False),
            pa.field("symbol", word, nullable=False),
            pa.field("timestamp", time, nullable=False),
            pa.field("local_timestamp", time),
            pa.field("is_snapshot", pa.bool_(), nullable=False),
            pa.field("side", word, nullable=False),
            pa.field("price", number, nullable=False),
            pa.field("amount", number, nullable=False),
        ]
    )


def record_batch(run: BookMessages, target: Any, exchange: str, symbol: str) -> Any:
    """One Arrow batch of `target`, a schema made by `schema`; gaps have no row.

    Raises
    ------
    UsageError
        If a value does not fit its type exactly.
    """
    pa = extras.load("pyarrow", "arrow")
    lengths, levels = run.lengths(), run.levels
    recv = np.repeat(run.filled("ts_recv"), lengths)
    time = target.field("timestamp").type

    def words(codes: Any, names: tuple[str, ...]) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), pa.array(names))

    same = np.zeros(len(levels), np.int8)
    columns = [
        words(same, (exchange,)),
        words(same, (symbol,)),
        pa.array(np.repeat(run.ts_event, lengths)).view(time),
        pa.array(recv, mask=recv == NO_TIME).view(time),
        pa.array(np.repeat(run.is_snapshot, lengths)),
        words(levels.side, _SIDES),
        numbers("price", levels.price, target.field("price").type),
        numbers("amount", levels.size, target.field("amount").type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=target)
