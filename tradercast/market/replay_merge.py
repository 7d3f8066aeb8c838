"""Several feeds as one stream in the order of time; columnar."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tradercast.market.replay_times import Part
from tradercast.rows import I64


@dataclass(frozen=True, eq=False)
class ReplayBatch:
    """Records of several feeds in the order in which they come.

    Attributes
    ----------
    parts : tuple of Part
        Runs of records, each of one feed and in its order.
    live : bool
        Whether these are new records, in the order in which they arrived.
    """

    parts: tuple[Part, ...]
    live: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @cached_property
    def order(self) -> I64:
        """Places in all parts, one behind the other, in the order in which they come."""
        if self.is_in_turn:
            return np.arange(len(self))
        return np.argsort(self._times, kind="stable")

    @cached_property
    def _times(self) -> I64:
        return _joined([part.ts for part in self.parts])

    @cached_property
    def is_in_turn(self) -> bool:
        """Whether the parts come one behind the other, each whole."""
        return all(one.ts[-1] <= two.ts[0] for one, two in itertools.pairwise(self.parts))

    def _ordered(self, column: I64) -> I64:
        return column if self.is_in_turn else column[self.order]

    @property
    def ts(self) -> I64:
        """Per record ns UTC at which it comes."""
        return self._ordered(self._times)

    @property
    def part(self) -> I64:
        """Per record the number of the part that it is in."""
        lengths = [len(part) for part in self.parts]
        if len(lengths) == 1:
            return np.zeros(lengths[0], np.int64)
        return self._ordered(np.repeat(np.arange(len(self.parts)), lengths))

    @property
    def row(self) -> I64:
        """Per record its row in that part."""
        return self._ordered(_joined([np.arange(len(part)) for part in self.parts]))

    @property
    def seq(self) -> I64:
        """Per record its number in its feed."""
        return self._ordered(_joined([part.seq for part in self.parts]))

    def split(self, rows: int) -> Iterator[ReplayBatch]:
        """The same records in batches of at most so many."""
        return self.cut(range(rows, len(self), rows))

    def cut(self, places: Iterable[int]) -> Iterator[ReplayBatch]:
        """The same records in batches that end at rising places, and the rest."""
        part, count = self.part, len(self.parts)
        done, given = 0, [0] * count
        for place in [*places, len(self)]:
            if place > done:
                ends = np.bincount(part[done:place], minlength=count) + given
                runs = zip(self.parts, given, ends.tolist(), strict=True)
                taken = tuple(run[start:end] for run, start, end in runs if end > start)
                yield ReplayBatch(taken, self.live)
                done, given = place, ends.tolist()


def in_turn(batches: Iterable[ReplayBatch]) -> Iterator[ReplayBatch]:
    """The same records in batches of one part each where they can be: columns without copies."""
    for batch in batches:
        if batch.is_in_turn:
            yield from (ReplayBatch((part,), batch.live) for part in batch.parts)
        else:
            yield batch


class Merge:
    """Merges feeds by time, as far as they are known.

    Of records with the same time those of an earlier feed come first, and of one feed those that
    are first in it.

    Parameters
    ----------
    count : int
        How many feeds there are.
    """

    def __init__(self, count: int) -> None:
        self._parts: list[deque[Part]] = [deque() for _ in range(count)]
        self._waited_for = [True] * count
        self._live = False

    def add(self, feed: int, part: Part) -> None:
        """The next records of a feed."""
        if len(part):
            self._parts[feed].append(part)

    def pass_over(self, feed: int) -> None:
        """Nobody waits for more of a feed: it has ended, or gives only what is new."""
        self._waited_for[feed] = False

    def go_live(self) -> None:
        """What is added from now on is new."""
        self._live = True

    def is_empty(self, feed: int) -> bool:
        """Whether nothing of a feed is left to give."""
        return not self._parts[feed]

    def take(self) -> ReplayBatch | None:
        """All records that no record to come can be before; None if there are none."""
        until = self._until()
        taken: list[Part] = []
        for feed, parts in enumerate(self._parts):
            while parts and (count := _count(parts[0].ts, feed, until)):
                part = parts.popleft()
                if count < len(part):
                    parts.appendleft(part[count:])
                    part = part[:count]
                taken.append(part)
        return ReplayBatch(tuple(taken), self._live) if taken else None

    def _until(self) -> tuple[int, int] | None:
        """The last time and feed that are certain; None if all are."""
        ends = [
            (int(parts[-1].ts[-1]), feed) if parts else (-(2**63), -1)
            for feed, parts in enumerate(self._parts)
            if self._waited_for[feed]
        ]
        return min(ends) if ends else None


def _count(times: I64, feed: int, until: tuple[int, int] | None) -> int:
    """How many of a feed's times are not behind a time and feed."""
    if until is None:
        return len(times)
    return int(np.searchsorted(times, until[0], "right" if feed <= until[1] else "left"))


def _joined(columns: list[I64]) -> I64:
    if len(columns) == 1:
        return columns[0]
    return np.concatenate([np.zeros(0, np.int64), *columns])
