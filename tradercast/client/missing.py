"""What a read does about records that exist but nobody has."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

from tradercast.errors import MissingDataError, UsageError
from tradercast.feed.report import ReadReport
from tradercast.feeds import FeedId
from tradercast.timerange import TimeRange, format_time_ns

OnMissing = Literal["raise", "warn", "ignore"]


def check_on_missing(word: str) -> None:
    """Refuse what is no `OnMissing`.

    Raises
    ------
    UsageError
    """
    if word not in get_args(OnMissing):
        raise UsageError(
            f"on_missing can not be {word!r}", hint=f"use {', '.join(get_args(OnMissing))}"
        )


def tell_missing(
    feed: FeedId,
    wanted: TimeRange,
    report: ReadReport,
    on_missing: OnMissing,
    stacklevel: int = 4,
    hint: str = "try again later, or pass on_missing='ignore'",
) -> None:
    """Raise or warn about what a report says is missing of a range.

    Raises
    ------
    MissingDataError
        With the ranges.
    """
    if not report.missing or on_missing == "ignore":
        return
    missing = report.missing_times(wanted)
    first, last = missing[0][0], missing[-1][1]
    text = (
        f"{sum(b - a for a, b in report.missing):,} records of {feed} between "
        f"{format_time_ns(first)} and {format_time_ns(last)} could not be had"
    )
    if on_missing == "raise":
        raise MissingDataError(text, missing=missing, hint=hint)
    warnings.warn(text, stacklevel=stacklevel)
