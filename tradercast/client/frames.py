"""Trades as polars, pandas and Arrow tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradercast.client import arrow_columns, extras
from tradercast.client.numpy_columns import PriceType, check_price_type, numbers
from tradercast.client.text_rows import SIDES
from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.ids import ABSENT, Ids
from tradercast.records import NO_TIME, Trades

_SIDES = [name.decode() for name in SIDES]
_TOO_WIDE = "use text: price_type='str'"


def to_arrow(trades: Trades, price_type: PriceType) -> Any:
    """A ``pyarrow.Table`` of one batch."""
    pa = extras.load("pyarrow", "arrow")
    scales = (arrow_columns.scale_of(trades.price), arrow_columns.scale_of(trades.size))
    if price_type == "decimal" and max(scales) > arrow_columns.MAX_SCALE:
        raise UsageError(f"a value has {max(scales)} decimals", hint=_TOO_WIDE)
    schema = arrow_columns.schema(price_type, *scales)
    if price_type == "fixed":
        exponents = {"price_exponent": trades.price.exponent, "size_exponent": trades.size.exponent}
        schema = schema.with_metadata({key: str(value) for key, value in exponents.items()})
    return pa.Table.from_batches([arrow_columns.record_batch(trades, schema)])


def capsule(trades: Trades, requested_schema: Any) -> Any:
    """A PyCapsule of an Arrow stream, made by pyarrow or else polars."""
    if extras.find("pyarrow") or not extras.find("polars"):
        return to_arrow(trades, "float").__arrow_c_stream__(requested_schema)
    return to_polars(trades, "float").__arrow_c_stream__(requested_schema)


def to_polars(trades: Trades, price_type: PriceType) -> Any:
    """A polars DataFrame; needs no pyarrow."""
    pl = extras.load("polars", "polars")
    check_price_type(price_type)
    time = pl.Datetime("ns", "UTC")

    def times(name: str, values: Any) -> Any:
        # numpy's type keeps the buffer as it is; a time zone is only a label on it
        return pl.Series(name, values.view("M8[ns]")).dt.replace_time_zone("UTC")

    def null(name: str, kind: Any) -> Any:
        return pl.repeat(None, len(trades), dtype=kind, eager=True).alias(name)

    recv, ids = trades.ts_recv, trades.trade_id
    return pl.DataFrame(
        [
            times("ts_event", trades.ts_event),
            null("ts_recv", time) if recv is None else times("ts_recv", recv),
            null("trade_id", pl.String) if ids is None else _polars_ids(ids, pl),
            pl.Series("side", _SIDES, dtype=pl.Enum(_SIDES)).gather(trades.side.astype(np.uint32)),
            polars_numbers("price", trades.price, price_type, pl),
            polars_numbers("size", trades.size, price_type, pl),
        ]
    )


def to_pandas(trades: Trades, price_type: PriceType) -> Any:
    """A pandas DataFrame indexed by ``ts_event``."""
    pd = extras.load("pandas", "pandas")
    check_price_type(price_type)

    def times(values: Any) -> Any:
        return pd.DatetimeIndex(values.view("M8[ns]"), name="ts_event").tz_localize("UTC")

    recv, ids = trades.ts_recv, trades.trade_id
    if recv is None:
        recv = np.broadcast_to(np.int64(NO_TIME), len(trades)).copy()
    columns = {
        "ts_recv": times(recv),
        "trade_id": _pandas_ids(ids, len(trades), pd),
        "side": pd.Categorical.from_codes(trades.side.astype(np.int8), categories=_SIDES),
        "price": numbers(trades.price, price_type),
        "size": numbers(trades.size, price_type),
    }
    frame = pd.DataFrame(columns, copy=False)
    frame.index = times(trades.ts_event)
    return frame


def _pandas_ids(ids: Ids | None, count: int, pd: Any) -> Any:
    pa = extras.find("pyarrow")
    if pa:  # the same, without a Python object a row
        column = arrow_columns.ids(ids, count)
        return column.to_pandas(types_mapper={pa.string(): pd.StringDtype()}.get)
    return pd.array([None] * count if ids is None else ids.to_strings(), dtype="string")


def _polars_ids(ids: Ids, pl: Any) -> Any:
    if ids.escapes:
        return pl.Series("trade_id", ids.to_strings(), dtype=pl.String)
    whole = pl.Series("trade_id", ids.values)
    return whole.set(whole == ABSENT, None).cast(pl.String)


def polars_numbers(name: str, values: Decimals, price_type: PriceType, pl: Any) -> Any:
    """Prices or sizes as a polars series."""
    if price_type == "str":
        return pl.Series(name, values.to_strings(), dtype=pl.String)
    if price_type != "decimal":
        return pl.Series(name, numbers(values, price_type))
    scale = arrow_columns.scale_of(values)
    if scale > arrow_columns.MAX_SCALE:
        raise UsageError(f"a {name} has {scale} decimals", hint=_TOO_WIDE)
    pa = extras.find("pyarrow")
    if pa:  # the same, without a Python object a row
        exact = arrow_columns.numbers(name, values, pa.decimal128(38, scale))
        return pl.Series(name, pl.from_arrow(exact))
    try:
        return pl.Series(name, values.to_decimals(), dtype=pl.Decimal(38, scale))
    except (pl.exceptions.PolarsError, OverflowError):
        raise UsageError(f"a {name} has more than 38 digits", hint=_TOO_WIDE) from None
