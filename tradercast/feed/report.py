"""What a read met on its way."""

from __future__ import annotations

from dataclasses import dataclass, field

from tradercast.feed.plan import merge_ranges
from tradercast.records import Gap
from tradercast.timerange import TimeRange


@dataclass(slots=True)
class ReadReport:
    """What a read met on its way; filled while it runs."""

    gaps: list[Gap] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)  # seq ranges that nobody had
    missing_ns: list[tuple[int, int]] = field(default_factory=list)  # first and last time of each
    records: int = 0

    def note_missing(self, first_seq: int, end_seq: int, min_ns: int, max_ns: int) -> None:
        """Add records that nobody had; what follows on from the last ones is one range with them.

        Parameters
        ----------
        first_seq, end_seq : int
            Half-open range of their numbers.
        min_ns, max_ns : int
            Bounds of their times, both included.
        """
        if self.missing and self.missing[-1][1] == first_seq:
            first_seq = self.missing.pop()[0]
            low, high = self.missing_ns.pop()
            min_ns, max_ns = min(min_ns, low), max(max_ns, high)
        self.missing.append((first_seq, end_seq))
        self.missing_ns.append((min_ns, max_ns))

    def missing_times(self, wanted: TimeRange) -> list[tuple[int, int]]:
        """Half-open ranges of time within `wanted` that may lack records, in order.

        What is missing elsewhere was looked for as a correction: it may concern any of them.
        """
        start, end = wanted.start_ns, wanted.end_ns
        return merge_ranges(
            sorted(
                (max(low, start), min(high + 1, end))
                if wanted.overlaps(low, high)
                else (start, end)
                for low, high in self.missing_ns
            )
        )
