"""Columns of trades as numpy arrays, with prices in the form asked for."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.ids import ABSENT
from tradercast.records import NO_TIME, Trades

PriceType: TypeAlias = Literal["float", "decimal", "fixed", "str"]
COLUMNS = ("ts_event", "ts_recv", "trade_id", "side", "price", "size")


def check_price_type(price_type: str) -> None:
    """Refuse anything but a `PriceType`.

    Raises
    ------
    UsageError
        If it is none.
    """
    if price_type not in get_args(PriceType):
        raise UsageError(
            f"{price_type!r} is not a price type", hint=f"use {', '.join(get_args(PriceType))}"
        )


def numbers(values: Decimals, price_type: PriceType) -> NDArray[Any]:
    """Prices or sizes as float64, int64 (`fixed`), or objects (`decimal`, `str`).

    Raises
    ------
    UsageError
        If `fixed` is asked for and a value does not fit int64 at the column's exponent.
    """
    check_price_type(price_type)
    if price_type == "float":
        return values.to_float()
    if price_type == "fixed":
        if values.escapes:
            raise UsageError(
                "not all values fit int64 at one exponent", hint="use price_type='decimal'"
            )
        return values.mantissa
    items: list[Any] = values.to_decimals() if price_type == "decimal" else values.to_strings()
    out = np.empty(len(items), object)
    out[:] = items
    return out


def to_numpy(trades: Trades, price_type: PriceType) -> dict[str, NDArray[Any]]:
    """All six columns; absent ones are constant views that take no memory."""
    count = len(trades)
    recv = trades.ts_recv
    return {
        "ts_event": trades.ts_event,
        "ts_recv": np.broadcast_to(np.int64(NO_TIME), count) if recv is None else recv,
        "trade_id": _ids(trades),
        "side": trades.side,
        "price": numbers(trades.price, price_type),
        "size": numbers(trades.size, price_type),
    }


def _ids(trades: Trades) -> NDArray[Any]:
    ids = trades.trade_id
    if ids is None:
        return np.broadcast_to(np.int64(ABSENT), len(trades))
    if not ids.escapes:
        return ids.values
    out = np.empty(len(ids), object)
    out[:] = ids.to_strings()
    return out
