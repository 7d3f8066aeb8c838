"""A book at fixed steps as files, one a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tradercast.client.book_snapshots import BookSnapshots, Steps
from tradercast.client.books import take_steps, traded_between
from tradercast.client.export import kind_of
from tradercast.client.feed import OpenFeed
from tradercast.client.missing import tell_missing
from tradercast.client.step_files import write_steps
from tradercast.errors import UsageError
from tradercast.feed.reader import ReadReport
from tradercast.timerange import NS_PER_DAY, TimeRange, format_time_ns

_HINT = "sync the range first, or say --ignore-missing"


@dataclass(frozen=True, slots=True)
class Day:
    """The file of one day (UTC).

    Attributes
    ----------
    path : Path
    date : str
        ``2024-08-08``.
    steps, valid : int
        How many there are, and at how many of them the book is known.
    """

    path: Path
    date: str
    steps: int
    valid: int


@dataclass(frozen=True, slots=True)
class BookDays:
    """What to write of a book.

    Attributes
    ----------
    book : OpenFeed
    trades : OpenFeed or None
        With them comes the order flow.
    every : str
        A step; every day begins with one.
    depth : int
    out : Path
        A file's name, to which the date is put: ``book.csv`` is ``book-2024-08-08.csv``.
    ignore_missing : bool
        Write what is here, if it is not all.
    """

    book: OpenFeed
    trades: OpenFeed | None
    every: str
    depth: int
    out: Path
    ignore_missing: bool = False

    async def write(self, wanted: TimeRange) -> AsyncIterator[Day]:
        """One file after the other, each whole when it is there.

        Raises
        ------
        UsageError
            If the range has no end, or the file's name no known format.
        MissingDataError
            If some records are not here.
        """
        kind = kind_of(self.out)
        if kind == "jsonl":
            raise UsageError(
                "books at fixed steps are tables", hint="end the name with .csv or .parquet"
            )
        if wanted.start_ns < 0 or wanted.end_ns - wanted.start_ns > 36_600 * NS_PER_DAY:
            raise UsageError("steps need a range", hint="say --start and --end")
        first = wanted.start_ns // NS_PER_DAY * NS_PER_DAY
        for day in range(first, wanted.end_ns, NS_PER_DAY):
            start, end = max(day, wanted.start_ns), min(day + NS_PER_DAY, wanted.end_ns)
            reports = {feed.feed: ReadReport() for feed in (self.book, self.trades) if feed}
            found = await self._snapshots(start, end, [*reports.values()], is_first=day == first)
            for feed, report in [] if self.ignore_missing else reports.items():
                tell_missing(feed, TimeRange(start, end), report, "raise", hint=_HINT)
            date = format_time_ns(day)[:10]
            path = self.out.with_stem(f"{self.out.stem}-{date}")
            await asyncio.to_thread(write_steps, path, found)
            yield Day(path, date, len(found), int(found.valid.sum()))

    async def _snapshots(
        self, start: int, end: int, reports: list[ReadReport], *, is_first: bool
    ) -> BookSnapshots:
        """The steps of a day; the flow of its first one is since the last of the day before."""
        steps = Steps.parse(start, end, self.every, self.depth)
        if self.trades is not None and not is_first:
            step = int(steps.times[1] - start) if len(steps.times) > 1 else end - start
            steps = Steps.parse(start - step, end, step, self.depth)
        taken = await take_steps(self.book, steps, reports[0], with_flow=self.trades is not None)
        traded = None
        if self.trades is not None:
            plans = await self.trades.plan(steps.time_range)
            traded = await traded_between(self.trades, plans, steps.times, reports[1])
        found = BookSnapshots(self.book.feed, steps.times, self.depth, taken, traded)
        return found[int(steps.times[0] < start) :]
