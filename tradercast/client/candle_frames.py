"""Candles as numpy arrays, and as polars, pandas and Arrow tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradercast.candles import DECIMALS, PRICES, Candles
from tradercast.client import arrow_columns, extras
from tradercast.client.frames import polars_numbers
from tradercast.client.numpy_columns import PriceType, check_price_type, numbers
from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.ids import ABSENT
from tradercast.market.exact import to_decimals, to_whole, unit_of

COLUMNS = ("ts_open", *DECIMALS, "trades")


def aligned(candles: Candles) -> Candles:
    """The same with all prices in one unit, so that scaled integers can be compared."""
    prices: list[Decimals] = [getattr(candles, name) for name in PRICES]
    unit = min(unit_of(each) for each in prices)
    opens, high, low, close = (to_decimals(to_whole(each, unit), unit) for each in prices)
    return replace(candles, open=opens, high=high, low=low, close=close)


def to_numpy(candles: Candles, price_type: PriceType) -> dict[str, NDArray[Any]]:
    """All eight columns."""
    columns: dict[str, NDArray[Any]] = {"ts_open": candles.ts_open}
    for name, values in _decimals(candles).items():
        columns[name] = (
            _absent(len(candles), price_type) if values is None else numbers(values, price_type)
        )
    columns["trades"] = candles.counts()
    return columns


def to_polars(candles: Candles, price_type: PriceType) -> Any:
    """A polars DataFrame."""
    pl = extras.load("polars", "polars")
    check_price_type(price_type)
    series = [pl.Series("ts_open", candles.ts_open.view("M8[ns]")).dt.replace_time_zone("UTC")]
    for name, values in _decimals(candles).items():
        if values is None:
            nothing = polars_numbers(name, Decimals(np.zeros(0, np.int64)), price_type, pl)
            series.append(nothing.extend_constant(None, len(candles)))
        else:
            series.append(polars_numbers(name, values, price_type, pl))
    counts = pl.Series("trades", candles.counts())
    series.append(counts.set(counts == ABSENT, None))
    return pl.DataFrame(series)


def to_pandas(candles: Candles, price_type: PriceType) -> Any:
    """A pandas DataFrame indexed by ``ts_open``."""
    pd = extras.load("pandas", "pandas")
    columns = to_numpy(candles, price_type)
    times = columns.pop("ts_open").view("M8[ns]")
    counts = columns["trades"]
    if (counts == ABSENT).any():
        columns["trades"] = pd.arrays.IntegerArray(counts.copy(), counts == ABSENT)
    frame = pd.DataFrame(columns, copy=False)
    frame.index = pd.DatetimeIndex(times, name="ts_open").tz_localize("UTC")
    return frame


def to_arrow(candles: Candles, price_type: PriceType) -> Any:
    """A ``pyarrow.Table`` of one batch."""
    pa = extras.load("pyarrow", "arrow")
    check_price_type(price_type)
    fields = [pa.field("ts_open", pa.timestamp("ns", "UTC"), nullable=False)]
    arrays = [pa.array(candles.ts_open).view(fields[0].type)]
    for name, values in _decimals(candles).items():
        kind = _arrow_type(name, values, price_type)
        fields.append(pa.field(name, kind, nullable=name == "quote_volume"))
        if values is None:
            arrays.append(pa.nulls(len(candles), kind))
        else:
            arrays.append(arrow_columns.numbers(name, values, kind))
    counts = candles.counts()
    fields.append(pa.field("trades", pa.int64()))
    arrays.append(pa.array(counts, mask=counts == ABSENT))
    schema = pa.schema(fields)
    if price_type == "fixed":
        schema = schema.with_metadata(
            {
                f"{name}_exponent": str(values.exponent)
                for name, values in _decimals(candles).items()
                if values is not None
            }
        )
    return pa.Table.from_arrays(arrays, schema=schema)


def _decimals(candles: Candles) -> dict[str, Decimals | None]:
    return {name: getattr(candles, name) for name in DECIMALS}


def _absent(count: int, price_type: PriceType) -> NDArray[Any]:
    check_price_type(price_type)
    if price_type == "fixed":
        raise UsageError("there is no quote volume here", hint="use another price_type")
    return np.full(count, np.nan) if price_type == "float" else np.full(count, None, object)


def _arrow_type(name: str, values: Decimals | None, price_type: PriceType) -> Any:
    pa = extras.load("pyarrow", "arrow")
    if price_type != "decimal":
        return {"float": pa.float64(), "fixed": pa.int64(), "str": pa.string()}[price_type]
    scale = 0 if values is None else arrow_columns.scale_of(values)
    if scale > arrow_columns.MAX_SCALE:
        raise UsageError(f"a {name} has {scale} decimals", hint="use text: price_type='str'")
    return pa.decimal128(38, scale)
