"""The book at many times, taken while its messages pass by."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide, Keyframe, Levels
from tradercast.book_messages import BookMessages
from tradercast.decimals import Decimals
from tradercast.market.book import Book
from tradercast.market.order_flow import OrderFlow
from tradercast.rows import I64


@dataclass(slots=True)
class SideSteps:
    """The best levels of one side at some of the steps.

    Attributes
    ----------
    step : list of int
        Of each entry the step, rising.
    levels : list of Levels
        Best first.
    added, removed : list of Decimals
        What came to these levels and left them since the step before, if it is asked for;
        zeros where that is not known.
    """

    step: list[int] = field(default_factory=list)
    levels: list[Levels] = field(default_factory=list)
    added: list[Decimals] = field(default_factory=list)
    removed: list[Decimals] = field(default_factory=list)


class BookSteps:
    """Takes the book at given times: after every record before the first later one.

    Parameters
    ----------
    times : int64 array
        ns UTC, rising.
    depth : int
        Levels of each side.
    with_flow : bool
        Whether to see what came and left, too.

    Attributes
    ----------
    valid : bool array
        At which of them it is the exchange's book; of the others nothing is taken.
    flow_known : bool array
        At which of them every change since the step before is known.
    sides : dict of BookSide to SideSteps
    """

    def __init__(self, times: I64, depth: int, *, with_flow: bool = False) -> None:
        self._times = times
        self._depth = depth
        self._next = 0
        self._end_seq: int | None = None
        self._running: int | None = None
        self._book = Book()
        self._is_same = False  # whether the book is that of the step before
        self.valid: NDArray[np.bool_] = np.zeros(len(times), np.bool_)
        self.flow_known: NDArray[np.bool_] = np.zeros(len(times), np.bool_)
        self._flow = OrderFlow() if with_flow else None
        self.sides = {side: SideSteps() for side in BookSide}

    def begin(self) -> None:
        """The next records are the first of a segment, or all before them are before the steps."""
        self._end_seq = self._running = None

    def take(self, first_seq: int, keyframe: Keyframe | None, messages: BookMessages) -> None:
        """The next records of a segment; some may be missing before them.

        Parameters
        ----------
        first_seq : int
            Number of the first.
        keyframe : Keyframe or None
            The book before them, if it is known.
        messages : BookMessages
            None of them says that the next one is behind all steps.
        """
        if not len(messages):
            if first_seq == self._end_seq:
                self._settle()
            return
        running = np.maximum.accumulate(messages.times())
        if self._running is not None:
            np.maximum(running, self._running, out=running)
        if first_seq != self._end_seq:
            if self._end_seq is not None:  # at times before these records it is not known
                self._next = int(np.searchsorted(self._times, running[0]))
            self._book, self._is_same = Book.from_keyframe(keyframe or Keyframe.empty()), False
            self._begin_flow(is_known=False)
        self._end_seq, self._running = first_seq + len(messages), int(running[-1])
        gaps = dict(zip(messages.notes.row.tolist(), messages.notes.ref_ts.tolist(), strict=True))
        stop = max(self._next, int(np.searchsorted(self._times, running[-1])))
        rows = np.searchsorted(running, self._times[self._next : stop], "right")
        done = 0
        for step, row in enumerate(rows.tolist(), self._next):
            if row > done:
                self._apply(messages[done:row])
                done = row
            if row not in gaps or gaps[row] > self._times[step]:
                self._note(step)
            else:
                self._begin_flow(is_known=False)
        self._next = stop
        if done < len(messages):
            self._apply(messages[done:])

    def _settle(self) -> None:
        for step in range(self._next, len(self._times)):
            self._note(step)
        self._next = len(self._times)
        self._running = 2**63 - 1

    def finish(self) -> None:
        """No record of the segment is known after these: later steps stay without a book."""
        if self._next < len(self._times) and self._times[self._next] == self._running:
            self._note(self._next)
            self._next += 1

    @property
    def is_settled(self) -> bool:
        """Whether a record after the last step was seen."""
        if not len(self._times):
            return True
        return self._running is not None and self._running > int(self._times[-1])

    def _apply(self, messages: BookMessages) -> None:
        if self._flow is not None:
            self._flow.take(self._book, messages)
        self._book.apply(messages)
        self._is_same = False

    def _note(self, step: int) -> None:
        if not self._book.valid:
            self._begin_flow(is_known=False)
            return
        self.valid[step] = True
        for side, taken in self.sides.items():
            taken.step.append(step)
            same = self._is_same and len(taken.levels) > 0
            taken.levels.append(taken.levels[-1] if same else self._book.levels(side, self._depth))
            if self._flow is not None:
                added, removed = self._flow.of(side, taken.levels[-1])
                taken.added.append(added)
                taken.removed.append(removed)
                self.flow_known[step] = self._flow.is_known
        self._is_same = True
        self._begin_flow(is_known=True)

    def _begin_flow(self, *, is_known: bool) -> None:
        if self._flow is not None:
            self._flow.begin(is_known=is_known)
