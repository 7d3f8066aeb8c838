"""From records in order of arrival to finished runs: pure, and blind to how they were batched."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tradercast.chunks import CutState, find_cuts
from tradercast.errors import UsageError
from tradercast.runs import Records

_SMALL = 4_096


@dataclass(frozen=True, slots=True)
class Run:
    """Records between two cuts: the content of one archive chunk (more, when it is too large).

    Attributes
    ----------
    first_seq : int
        Number of its first record.
    records : Records
    before_ns : int or None
        Largest time of the segment before it.
    """

    first_seq: int
    records: Records
    before_ns: int | None

    @property
    def end_seq(self) -> int:
        """The seq after its last record."""
        return self.first_seq + len(self.records)


class RowQueue:
    """Records that are pushed at the back and taken from the front, in any portions.

    Parameters
    ----------
    kind : type
        The class of a run of them.
    """

    def __init__(self, kind: type[Records]) -> None:
        self._kind = kind
        self._parts: deque[Records] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, records: Records) -> None:
        """Put records at the back."""
        if not isinstance(records, self._kind):
            raise UsageError(f"{type(records).__name__} are no {self._kind.__name__}")
        if not len(records):
            return
        self._count += len(records)
        # small parts are joined as they come, so that a trade a message does not make a long list
        while self._parts and len(self._parts[-1]) <= len(records) < _SMALL:
            records = self._kind.concat([self._parts.pop(), records])
        self._parts.append(records)

    def take(self, count: int) -> Records:
        """Remove the first `count` records (fewer, if there are fewer) and return them."""
        taken: list[Records] = []
        while count > 0 and self._parts:
            part = self._parts.popleft()
            if len(part) > count:
                self._parts.appendleft(part[count:])
                part = part[:count]
            taken.append(part)
            count -= len(part)
            self._count -= len(part)
        return self._kind.concat(taken)

    def all(self) -> Records:
        """Every record, which stay in the queue."""
        joined = self._kind.concat(list(self._parts))
        self._parts = deque([joined] if len(joined) else [])
        return joined

    def copy(self) -> RowQueue:
        """A queue with the same records; they are shared, as they never change."""
        made = RowQueue(self._kind)
        made._parts = self._parts.copy()
        made._count = self._count
        return made


class Sealer:
    """Collects records and hands out the runs that the cut rule has finished.

    Parameters
    ----------
    kind : type
        The class of a run of them.
    first_seq : int
        Number of the first record to come; a cut lies right before it.
    running_max_ns : int, optional
        Largest time of all records before it.

    Attributes
    ----------
    open_seq, end_seq : int
        The records ``[open_seq, end_seq)`` are in no finished run yet.
    running_max_ns, before_open_ns : int or None
        Largest time of all records so far, and of those before `open_seq`.
    """

    def __init__(
        self, kind: type[Records], first_seq: int = 0, running_max_ns: int | None = None
    ) -> None:
        self._kind = kind
        self.open_seq = self.end_seq = first_seq
        self.running_max_ns = self.before_open_ns = running_max_ns
        self._cuts = CutState(0, running_max_ns)
        self._open = RowQueue(kind)
        self._span: tuple[int, int] | None = None

    def push(self, records: Records) -> list[Run]:
        """Take the next records; return the runs that are finished by them."""
        if not len(records):
            return []
        cuts, self._cuts = find_cuts(records.times(), self._cuts, records.weights())
        runs: list[Run] = []
        start = 0
        for cut in cuts:
            self._open.push(records[start:cut])
            start = cut
            if not len(self._open):  # the cut that this sealer was started at
                continue
            run = Run(self.open_seq, self._open.take(len(self._open)), self.before_open_ns)
            self.open_seq = run.end_seq
            self.before_open_ns = _later(self.before_open_ns, run.records.span()[1])
            self._span = None
            runs.append(run)
        rest = records[start:]
        self._open.push(rest)
        self.end_seq = self.open_seq + len(self._open)
        self.running_max_ns = self._cuts.running_max_ns
        if len(rest):
            self._span = _union(self._span, rest.span())
        return runs

    def open_span(self) -> tuple[int, int]:
        """Minimum and maximum time of the open records (there is at least one after a push)."""
        assert self._span is not None
        return self._span

    def open_records(self) -> Records:
        """The records that are in no finished run yet."""
        return self._open.all()

    def copy(self) -> Sealer:
        """The same state, to be able to come back to it."""
        made = Sealer(self._kind, self.open_seq, self.before_open_ns)
        made.end_seq = self.end_seq
        made.running_max_ns = self.running_max_ns
        made._cuts = self._cuts
        made._open = self._open.copy()
        made._span = self._span
        return made


def _later(a: int | None, b: int) -> int:
    return b if a is None else max(a, b)


def _union(a: tuple[int, int] | None, b: tuple[int, int]) -> tuple[int, int]:
    return b if a is None else (min(a[0], b[0]), max(a[1], b[1]))
