"""Times as int64 nanoseconds UTC, and half-open ranges of them."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

from tradercast.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

TimeLike: TypeAlias = "SupportsIndex | str | dt.datetime | dt.date | np.datetime64"

NS_PER_S = 1_000_000_000
NS_PER_HOUR = 3_600 * NS_PER_S
NS_PER_DAY = 24 * NS_PER_HOUR
MIN_TIME_NS = -(2**63) + 1  # the smallest int64 means "no time" (see records)
MAX_TIME_NS = 2**63 - 1

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NANOSECONDS = re.compile(r"-?\d{17,19}", re.ASCII)
_FRACTION = re.compile(r"([^.,]*[:T ]\d{2}:\d{2}:\d{2})\.(\d{1,9})(\D.*)?")


def parse_time_ns(value: TimeLike) -> int:
    """A point in time as nanoseconds since 1970-01-01 UTC.

    Parameters
    ----------
    value : int, str, datetime, date or datetime64
        An int, numpy's too, is nanoseconds.  Text is ISO 8601 with up to nine fractional
        digits, or the nanoseconds that programs print (17 digits and more: no ISO date has so
        many in a row).  pandas' Timestamp is a datetime; its nanoseconds are kept.  A time
        without a zone is UTC.  A date is its midnight.

    Raises
    ------
    UsageError
        If the text is not a time or the value is outside int64.
    """
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        return _in_range(value.__index__(), value)
    if isinstance(value, dt.datetime) and _is_time(value):
        return _in_range(_datetime_ns(value), value)
    if isinstance(value, dt.date) and _is_time(value):
        return _in_range((value - dt.date(1970, 1, 1)).days * NS_PER_DAY, value)
    if isinstance(value, str):
        return _in_range(_text_ns(value.strip()), value)
    if type(value).__name__ == "datetime64" and _is_time(value):  # numpy is slow to import
        return _in_range(_datetime64_ns(value), value)
    raise UsageError(
        f"{value!r} is not a time", hint="use ISO 8601, a datetime, or int nanoseconds"
    )


def format_time_ns(ns: int) -> str:
    """ISO 8601 in UTC with nine fractional digits where there are any."""
    seconds, fraction = divmod(ns, NS_PER_S)
    try:
        text = (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        return f"{ns}ns"
    return f"{text}.{fraction:09d}Z" if fraction else f"{text}Z"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The half-open range ``[start_ns, end_ns)`` of ``ts_event``."""

    start_ns: int = MIN_TIME_NS
    end_ns: int = MAX_TIME_NS

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise UsageError(
                f"the range ends ({format_time_ns(self.end_ns)}) before it starts "
                f"({format_time_ns(self.start_ns)})"
            )

    @classmethod
    def parse(cls, start: TimeLike | None = None, end: TimeLike | None = None) -> TimeRange:
        """A range from anything `parse_time_ns` takes; `None` is open."""
        return cls(
            MIN_TIME_NS if start is None else parse_time_ns(start),
            MAX_TIME_NS if end is None else parse_time_ns(end),
        )

    def overlaps(self, min_ns: int, max_ns: int) -> bool:
        """Whether a run of records with these (inclusive) times can lie in the range."""
        return min_ns < self.end_ns and max_ns >= self.start_ns

    def __str__(self) -> str:
        start = "start" if self.start_ns == MIN_TIME_NS else format_time_ns(self.start_ns)
        end = "end" if self.end_ns == MAX_TIME_NS else format_time_ns(self.end_ns)
        return f"[{start}, {end})"


def _datetime_ns(value: dt.datetime) -> int:
    aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    delta = aware - _EPOCH
    nanoseconds: int = getattr(value, "nanosecond", 0)  # pandas' Timestamp is finer
    microseconds = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    return microseconds * 1_000 + nanoseconds


def _is_time(value: Any) -> bool:
    return bool(value == value)  # NaT, pandas' and numpy's, equals nothing


def _datetime64_ns(value: Any) -> int:
    seconds = value.astype("datetime64[s]")  # first, since it wraps around in nanoseconds
    fraction = (value - seconds).astype("timedelta64[ns]")
    return int(seconds.astype("int64")) * NS_PER_S + int(fraction.astype("int64"))


def _text_ns(text: str) -> int:
    if _NANOSECONDS.fullmatch(text):
        return int(text)
    match = _FRACTION.fullmatch(text)
    fraction_ns = 0
    whole = text
    if match:
        fraction_ns = int(match[2].ljust(9, "0"))
        whole = match[1] + (match[3] or "")
    try:
        if "." in whole or "," in whole:  # fromisoformat would cut off what it can not hold
            raise ValueError("a fraction of more than nine digits, or of none")
        return _datetime_ns(dt.datetime.fromisoformat(whole)) + fraction_ns
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time", hint="write it as 2024-01-31 or 2024-01-31T12:00:00Z"
        ) from None


def _in_range(ns: int, shown: object) -> int:
    if not MIN_TIME_NS <= ns <= MAX_TIME_NS:
        raise UsageError(f"{shown} is outside the years 1678 to 2262")
    return ns
