"""Trades as Arrow tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradercast.client import extras
from tradercast.client.numpy_columns import PriceType, check_price_type
from tradercast.client.text_rows import SIDES
from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.ids import ABSENT, Ids
from tradercast.records import NO_TIME, Trades

MAX_SCALE = 38


def scale_of(*columns: Decimals) -> int:
    """The places after the point that hold all values of the columns."""
    places = [-column.exponent for column in columns]
    for column in columns:
        places += [-_exponent(value) for value in column.escapes.values()]
    return max(0, *places)


def schema(price_type: PriceType, price_scale: int = 0, size_scale: int = 0) -> Any:
    """The schema of a table of trades; the scales are those of decimals."""
    pa = extras.load("pyarrow", "arrow")
    check_price_type(price_type)
    time = pa.timestamp("ns", "UTC")

    def number(scale: int) -> Any:
        if price_type == "decimal":
            return pa.decimal128(38, scale)
        return {"float": pa.float64(), "fixed": pa.int64(), "str": pa.string()}[price_type]

    return pa.schema(
        [
            pa.field("ts_event", time, nullable=False),
            pa.field("ts_recv", time),
            pa.field("trade_id", pa.string()),
            pa.field("side", pa.dictionary(pa.int8(), pa.string()), nullable=False),
            pa.field("price", number(price_scale), nullable=False),
            pa.field("size", number(size_scale), nullable=False),
        ]
    )


def record_batch(trades: Trades, target: Any) -> Any:
    """One Arrow batch of `target`, a schema made by `schema`.

    Raises
    ------
    UsageError
        If a value does not fit its type exactly.
    """
    pa = extras.load("pyarrow", "arrow")
    count = len(trades)
    recv = trades.ts_recv
    time = target.field("ts_event").type
    side = pa.DictionaryArray.from_arrays(
        pa.array(trades.side.astype(np.int8)), pa.array([name.decode() for name in SIDES])
    )
    columns = [
        pa.array(trades.ts_event).view(time),
        pa.nulls(count, time) if recv is None else pa.array(recv, mask=recv == NO_TIME).view(time),
        ids(trades.trade_id, count),
        side,
        numbers("price", trades.price, target.field("price").type),
        numbers("size", trades.size, target.field("size").type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=target)


def ids(column: Ids | None, count: int) -> Any:
    """Ids of `count` rows as an Arrow array of text, null where absent."""
    pa = extras.load("pyarrow", "arrow")
    if column is None:
        return pa.nulls(count, pa.string())
    if column.escapes:
        return pa.array(column.to_strings(), pa.string())
    return pa.array(column.values, mask=column.values == ABSENT).cast(pa.string())


def numbers(field: str, values: Decimals, kind: Any) -> Any:
    """Prices or sizes as an Arrow array of the type `kind`; raises as `record_batch`."""
    pa = extras.load("pyarrow", "arrow")
    if pa.types.is_floating(kind):
        return pa.array(values.to_float())
    if pa.types.is_string(kind):
        return pa.array(values.to_strings(), kind)
    if pa.types.is_integer(kind):
        if values.escapes:
            raise UsageError(
                f"not every {field} fits int64 at one exponent", hint="use price_type='decimal'"
            )
        return pa.array(values.mantissa)
    try:
        return _decimals(values, kind, pa)
    except pa.ArrowException:
        raise UsageError(
            f"a {field} has more than {kind.scale} decimals or {kind.precision} digits",
            hint="use text: price_type='str', or export to CSV",
        ) from None


def _decimals(values: Decimals, kind: Any, pa: Any) -> Any:
    if values.escapes or not 0 <= -values.exponent <= MAX_SCALE:
        return pa.array(values.to_decimals(), kind)
    words = np.empty((len(values), 2), np.int64)  # 128 bits, the low half first
    words[:, 0] = values.mantissa
    words[:, 1] = values.mantissa >> 63
    made = pa.decimal128(38, -values.exponent)
    array = pa.Array.from_buffers(made, len(values), [None, pa.py_buffer(words)])
    return array.cast(kind)


def _exponent(value: Any) -> int:
    exponent: int = value.normalize().as_tuple().exponent
    return exponent
