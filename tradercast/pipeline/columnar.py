"""Documents of trades by column, which need not become objects of Python's.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tradercast.rows import I64

Document = Mapping[str, Any]
FIELDS = ("exchange", "symbol", "trade_id", "ts_event", "ts_recv", "side", "price", "size")
Column: TypeAlias = "Sequence[Any] | NDArray[Any]"
"""Values, or int64 of the integers or printable ASCII bytes of the texts that they are."""


class Columnar(Sequence[Document]):
    """Documents whose fields are known by column already.

    Attributes
    ----------
    columns : dict of str to column
        Every field of a trade, as `Sequence` would give it; None where a document has none.
    """

    columns: dict[str, Column]


def as_list(column: Column) -> Sequence[Any]:
    """The values of a column."""
    if not isinstance(column, np.ndarray):
        return column
    values: list[Any] = (column.astype(np.str_) if column.dtype.kind == "S" else column).tolist()
    return values


def combinations(
    one: NDArray[np.bytes_], two: NDArray[np.bytes_]
) -> tuple[I64, list[tuple[str, str]]]:
    """Per row the number of its pair of texts, and the pairs in the order of their first rows."""
    (first, one_at), (second, two_at) = (
        np.unique(column, return_inverse=True) for column in (one, two)
    )
    pairs, rows, number = np.unique(
        one_at * len(second) + two_at, return_index=True, return_inverse=True
    )
    order = np.argsort(rows)
    names = [(first[pair // len(second)], second[pair % len(second)]) for pair in pairs[order]]
    return np.argsort(order)[number], [(a.decode(), b.decode()) for a, b in names]
