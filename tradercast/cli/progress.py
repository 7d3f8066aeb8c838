"""How far a long command has come: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from tradercast.cli.text import clean, duration

EVERY_S = 2.0


class Progress:
    """Progress that nobody sees (``--quiet``), and what the visible kinds have in common.

    Parameters
    ----------
    title : str
        What is going on, e.g. the feed's name.
    total : int, optional
        How many units there are, if that is known yet.
    unit : str
        What is counted, in the plural.
    """

    def __init__(self, title: str, total: int | None = None, unit: str = "records") -> None:
        self.title = clean(title)
        self.total = total
        self.unit = unit
        self.done = 0
        self.note = ""

    def update(self, done: int, *, total: int | None = None, note: str | None = None) -> None:
        """State how many units are done; `note` is free text (``3.2 MB/s from 3 peers``)."""
        self.done = done
        if total is not None:
            self.total = total
        if note is not None:
            self.note = clean(note)
        self._show()

    def _show(self) -> None:
        pass

    def _finish(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish()


class LineProgress(Progress):
    """A plain line every few seconds, and one at the end."""

    def __init__(
        self,
        title: str,
        total: int | None = None,
        unit: str = "records",
        *,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        every_s: float = EVERY_S,
    ) -> None:
        super().__init__(title, total, unit)
        self._write = write
        self._clock = clock
        self._every = every_s
        self._began = self._last = clock()
        self._shown = -1

    def _show(self) -> None:
        if self._clock() - self._last >= self._every:
            self._line()

    def _finish(self) -> None:
        if self.done != self._shown:
            self._line()

    def _line(self) -> None:
        self._last = self._clock()
        self._shown = self.done
        elapsed = self._last - self._began
        rate = self.done / elapsed if elapsed > 0 else 0.0
        if self.total:
            share = min(100, 100 * self.done // self.total)
            parts = [f"{share}%", f"{self.done:,} of {self.total:,} {self.unit}"]
        else:
            parts = [f"{self.done:,} {self.unit}"]
        if rate >= 1:
            parts.append(f"{rate:,.0f}/s")
        if self.note:
            parts.append(self.note)
        if self.total and rate > 0 and self.done < self.total:
            parts.append(f"ETA {duration((self.total - self.done) / rate)}")
        self._write(f"{self.title}: {', '.join(parts)}")


class BarProgress(Progress):
    """A moving bar on a terminal."""

    def __init__(
        self, title: str, total: int | None = None, unit: str = "records", *, console: Console
    ) -> None:
        super().__init__(title, total, unit)
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[counted]}", markup=False),
            TextColumn("{task.fields[note]}", markup=False, style="dim"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bars.add_task(self.title, total=total, counted="", note="")

    def _show(self) -> None:
        of = f" of {self.total:,}" if self.total else ""
        self._bars.update(
            self._task,
            completed=self.done,
            total=self.total,
            counted=f"{self.done:,}{of} {self.unit}",
            note=self.note,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def _finish(self) -> None:
        self._bars.stop()
