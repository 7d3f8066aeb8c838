"""Intervals of candles: where each begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tradercast.errors import UsageError
from tradercast.rows import I64
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS, NS_PER_DAY, NS_PER_S, format_time_ns

_UNITS = {"s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S, "d": NS_PER_DAY}
_STEPS = (
    "1s",
    "1m",
    "3m",
    "5m",
    "15m",
    "30m",
    "1h",
    "2h",
    "3h",
    "4h",
    "6h",
    "8h",
    "12h",
    "1d",
    "3d",
)
_FIRST_MONDAY = 4 * NS_PER_DAY  # 1970-01-05
_ROOM = 32 * NS_PER_DAY  # no interval is longer


@dataclass(frozen=True, slots=True)
class Interval:
    """The time that a candle stands for; all are in UTC.

    Attributes
    ----------
    name : str
        ``1m``, ``1h``, ``1d`` …
    step_ns : int
        Its length, 0 for a calendar month.
    offset_ns : int
        Where one of them begins: weeks on Mondays, 3 days as counted from 1970-01-01.
    """

    name: str
    step_ns: int
    offset_ns: int = 0

    @classmethod
    def parse(cls, text: str) -> Interval:
        """One of `INTERVALS` by its name.

        Raises
        ------
        UsageError
            If there is none of this name.
        """
        found = INTERVALS.get(text)
        if found is None:
            raise UsageError(
                f"{text!r} is no interval of candles", hint=f"use one of {' '.join(INTERVALS)}"
            )
        return found

    def starts_of(self, times: I64) -> I64:
        """When the intervals begin that these times (ns UTC) lie in.

        Raises
        ------
        UsageError
            If a time is so near the end of int64 that its interval is not inside.
        """
        if not len(times):
            return times
        check_times(int(times.min()), int(times.max()))
        if not self.step_ns:
            months = times.view("M8[ns]").astype("M8[M]")
            return months.astype("M8[ns]").view(np.int64)
        starts: I64 = times - (times - self.offset_ns) % self.step_ns
        return starts

    def start_of(self, time_ns: int) -> int:
        """When the interval begins that a time lies in; raises as `starts_of`."""
        if self.step_ns:
            check_times(time_ns, time_ns)
            return time_ns - (time_ns - self.offset_ns) % self.step_ns
        return int(self.starts_of(np.array([time_ns], np.int64))[0])

    def from_ns(self, time_ns: int) -> int:
        """When the first interval begins that does so at a time or later; raises as `starts_of`."""
        start = self.start_of(time_ns)
        return start if start == time_ns else self.end_of(start)

    def end_of(self, start_ns: int) -> int:
        """When an interval ends, from when it begins."""
        if self.step_ns:
            return start_ns + self.step_ns
        return self.start_of(start_ns + _ROOM)

    def ends_of(self, starts: I64) -> I64:
        """When intervals end, from when they begin; raises as `starts_of`."""
        return starts + self.step_ns if self.step_ns else self.starts_of(starts + _ROOM)

    def count(self, first_ns: int, last_ns: int) -> int:
        """About how many begin between two times: exact but for months."""
        return (last_ns - first_ns) // (self.step_ns or 30 * NS_PER_DAY) + 1

    def between(self, first_ns: int, last_ns: int) -> I64:
        """The beginnings from `first_ns` to `last_ns` inclusive, both of which are some."""
        if self.step_ns:
            steps = (last_ns - first_ns) // self.step_ns
            return first_ns + self.step_ns * np.arange(steps + 1)  # arange itself would round
        first, last = np.array([first_ns, last_ns], "M8[ns]").astype("M8[M]")
        months = np.arange(first, last + np.timedelta64(1, "M"))
        return months.astype("M8[ns]").view(np.int64)

    def holds(self, other: Interval) -> bool:
        """Whether each interval of `other` lies within one of these."""
        if not other.step_ns:
            return not self.step_ns
        whole = NS_PER_DAY if not self.step_ns else self.step_ns
        return (
            whole % other.step_ns == 0 and (self.offset_ns - other.offset_ns) % other.step_ns == 0
        )

    def __str__(self) -> str:
        return self.name


def check_times(first_ns: int, last_ns: int) -> None:
    """Refuse times whose interval may not be inside int64.

    Raises
    ------
    UsageError
        If one is.
    """
    for time in (first_ns, last_ns):
        if not MIN_TIME_NS + _ROOM <= time <= MAX_TIME_NS - 2 * _ROOM:
            raise UsageError(f"there is no candle for {format_time_ns(time)}: the time is too far")


INTERVALS = {
    **{text: Interval(text, int(text[:-1]) * _UNITS[text[-1]]) for text in _STEPS},
    "1w": Interval("1w", 7 * NS_PER_DAY, _FIRST_MONDAY),
    "1M": Interval("1M", 0),
}
MINUTE = INTERVALS["1m"]
