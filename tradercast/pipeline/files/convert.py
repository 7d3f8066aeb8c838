"""Mapped columns of text to Trades, naming the first broken row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tradercast.decimals import Decimals
from tradercast.errors import TradercastError
from tradercast.ids import MAX_ID_BYTES, Ids
from tradercast.pipeline.files import values
from tradercast.pipeline.files.bad_rows import RowError, first_bad
from tradercast.pipeline.files.columns import PRICES, ColumnSpec, TimeRule
from tradercast.records import NO_TIME, Trades
from tradercast.rows import I64, U8

# quotes may double inside a quoted id
CELL_LIMIT = {"trade_id": 2 * MAX_ID_BYTES, "side": 64, "price": 200, "size": 200}
TIME_LIMIT = 64

T = TypeVar("T")
ColumnOf = Callable[[str], values.Bytes]


def checked(field: str, texts: Any, convert: Callable[[Any], T], what: str) -> T:
    """``convert(texts)``; a failure becomes a `RowError` about the first row that fails."""
    try:
        return convert(texts)
    except TradercastError:
        row = first_bad(len(texts), lambda rows: convert(texts[rows]))
    at = texts[row : row + 1]
    text = shown(at.to_strings()[0] if isinstance(at, Decimals) else at[0])
    raise RowError(row, f"{field} {text!r} {what}" if text else f"{field} is empty")


def shown(value: Any) -> str:
    """A value as an error shows it."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 60 else text[:60] + "…"


def trades_from_text(column: ColumnOf, spec: ColumnSpec) -> Trades:
    """A batch of Trades from the text of its columns.

    Parameters
    ----------
    column : callable
        Gives the text of a field's source column as an array of bytes.
    spec : ColumnSpec
        Which fields there are, and their rules.

    Raises
    ------
    RowError
        About the first row that any field refuses.
    """
    return assemble(fields_from_text(column, spec))


def fields_from_text(column: ColumnOf, spec: ColumnSpec) -> dict[str, Any]:
    """All fields of a batch; parameters and errors as of `trades_from_text`."""
    found: dict[str, Any] = {}
    first: RowError | None = None
    for field in spec.items:
        try:
            found[field] = text_field(field, column(field), spec)
        except RowError as error:
            if first is None or error.row < first.row:
                first = error
    if first is not None:
        raise first
    return found


def assemble(found: dict[str, Any]) -> Trades:
    """Trades from converted columns; what is absent in every row is left out."""
    times: I64 = found["ts_event"]
    side: U8 = found["side"] if "side" in found else np.zeros(len(times), np.uint8)
    recv: I64 | None = found.get("ts_recv")
    ids: Ids | None = found.get("trade_id")
    return Trades(
        times,
        found["price"],
        found["size"],
        side,
        None if recv is None or bool((recv == NO_TIME).all()) else recv,
        None if ids is None or not ids.any() else ids,
    )


def text_field(field: str, texts: values.Bytes, spec: ColumnSpec) -> Any:
    """One field from its text; raises `RowError` about the first row that its rule refuses."""
    if field in ("ts_event", "ts_open", "ts_close"):
        rule = spec.time(field)
        return checked(field, texts, lambda t: values.times_from_text(t, rule), not_a_time(rule))
    if field == "ts_recv":
        late = spec.time(field)
        return checked(field, texts, lambda t: values.optional_times(t, late), not_a_time(late))
    if field == "side":
        how = spec.side()
        return checked(field, texts, lambda t: values.sides_from_text(t, how), "is not a side")
    if field == "trade_id":
        return checked(field, texts, Ids.from_strings, f"is no id of at most {MAX_ID_BYTES} bytes")
    plain = checked(field, texts, Decimals.from_strings, "is not a number")
    return number(field, plain, spec)


def number(field: str, plain: Decimals, spec: ColumnSpec) -> Decimals:
    """A number after its rule; only prices may be negative.

    Raises
    ------
    RowError
        About the first row that is.
    """
    rule, negative = spec.number(field), field in PRICES
    try:
        return values.numbers(plain, rule, allow_negative=negative)
    except TradercastError:
        row = first_bad(
            len(plain), lambda rows: values.numbers(plain[rows], rule, allow_negative=negative)
        )
    text = plain[row : row + 1].to_strings()[0]
    wrong = "is negative" if text.startswith("-") and not negative else "has too many digits"
    raise RowError(row, f"{field} {text} {wrong}")


def not_a_time(rule: TimeRule) -> str:
    """What to say about text that is no time by this rule."""
    if rule.unit == "iso":
        return "is not an ISO time of the years 1678 to 2261"
    if rule.zone is not None:
        return f"is not a time of day in {rule.unit}"
    return f"is not a time in {rule.unit} (whole ns of the years 1678 to 2261)"
