"""Local wall-clock times to UTC."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from tradercast.errors import InputError, UsageError
from tradercast.pipeline.files.columns import ColumnSpec, TimeRule
from tradercast.rows import I64
from tradercast.timerange import NS_PER_DAY, NS_PER_S

_MINUTE = 60 * NS_PER_S
_EPOCH = dt.datetime(1970, 1, 1)  # local times have no zone yet
_DAY_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{2})([-_]?)(\d{2})\2(\d{2})(?!\d)", re.ASCII)


def load_zone(name: str) -> ZoneInfo:
    """The time zone called `name`.

    Raises
    ------
    UsageError
        If the machine knows none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"no time zone is called {name!r} here",
            hint="use one such as America/New_York; if the system has none: pip install tzdata",
        ) from None


def local_to_utc(local_ns: I64, zone: ZoneInfo) -> I64:
    """Wall-clock times (as ns since 1970-01-01 local) as ns UTC.

    A time that a clock shows twice is its first occurrence.
    """
    minutes, place = np.unique(local_ns // _MINUTE, return_inverse=True)
    offsets = [_offset_ns(minute, zone) for minute in minutes.tolist()]
    return local_ns - np.array(offsets, np.int64)[place]


def since_midnight(count_ns: I64, day: dt.date, zone: ZoneInfo) -> I64:
    """Times of day (ns on the wall clock) of `day` as ns UTC.

    Raises
    ------
    InputError
        If one is not within a day.
    """
    if len(count_ns) and ((count_ns < 0) | (count_ns >= NS_PER_DAY)).any():
        raise InputError("a time since midnight is not within one day")
    return local_to_utc(count_ns + (day - _EPOCH.date()).days * NS_PER_DAY, zone)


def day_in_name(name: str) -> dt.date | None:
    """The one day written in a file's name as 20131007, 2013-10-07 or 2013_10_07."""
    days = set()
    for match in _DAY_IN_NAME.finditer(name):
        try:
            days.add(dt.date(int(match[1]), int(match[3]), int(match[4])))
        except ValueError:
            continue
    return days.pop() if len(days) == 1 else None


def needs_day(rule: TimeRule) -> bool:
    """Whether the rule counts from a midnight that it does not give."""
    return rule.zone is not None and rule.unit != "iso" and rule.day is None


def with_day(spec: ColumnSpec, names: Iterable[str]) -> ColumnSpec:
    """Fill the days that `spec` leaves to the file's name, and check its zones.

    Parameters
    ----------
    spec : ColumnSpec
        As it was written.
    names : iterable of str
        Names of the file, tried in order.

    Raises
    ------
    InputError
        If a day is needed and no name has exactly one.
    UsageError
        If a zone is not known.
    """
    items = dict(spec.items)
    for field, (source, rule) in spec.items.items():
        if isinstance(rule, TimeRule) and rule.zone:
            load_zone(rule.zone)
        if isinstance(rule, TimeRule) and needs_day(rule):
            day = next(filter(None, map(day_in_name, names)), None)
            if day is None:
                raise InputError(
                    f"{next(iter(names), 'the file')} has no single day in its name, which "
                    f"'{field}={source}{rule}' counts from",
                    hint=f"say it: '{field}={source}{rule}/2024-01-31'",
                )
            items[field] = (source, TimeRule(rule.unit, rule.zone, day))
    return ColumnSpec(items)


def _offset_ns(minute: int, zone: ZoneInfo) -> int:
    try:
        offset = (_EPOCH + dt.timedelta(minutes=minute)).replace(tzinfo=zone).utcoffset()
    except OverflowError:
        raise InputError("a local time is outside the years 1 to 9999") from None
    assert offset is not None
    return int(offset.total_seconds()) * NS_PER_S
