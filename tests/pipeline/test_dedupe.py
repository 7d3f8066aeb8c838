"""Ids of the newest records: the same answers as a plain list of them gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.ids import Ids
from tradercast.pipeline.dedupe import RecentIds

an_id = st.one_of(
    st.none(),
    st.integers(0, 30).map(str),
    st.integers(0, 8).map(lambda n: f"t-{n}"),
    st.just("007"),
)
messages = st.lists(st.lists(an_id, min_size=1, max_size=12), max_size=25)


class Plainly:
    """The same rule, record by record."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.log: list[str | None] = []

    def take(self, ids: list[str | None]) -> list[bool]:
        recent = set(self.log[-self.window :]) - {None}
        dropped = [
            text is not None and (text in recent or text in ids[:row])
            for row, text in enumerate(ids)
        ]
        self.log += [text for text, drop in zip(ids, dropped, strict=True) if not drop]
        return dropped

    def find(self, text: str) -> int | None:
        start = max(0, len(self.log) - self.window)
        found = [seq for seq in range(start, len(self.log)) if self.log[seq] == text]
        return found[-1] if found else None


def take(recent: RecentIds, ids: list[str | None], next_seq: int) -> list[bool]:
    column = Ids.from_strings(ids)
    dropped = recent.repeats(column, next_seq)
    kept = column[~dropped]
    recent.add(kept, np.arange(next_seq, next_seq + len(kept), dtype=np.int64))
    return dropped.tolist()


@given(messages, st.sampled_from([1, 3, 7, 20]))
def test_the_window_is_the_newest_records_of_the_log(
    runs: list[list[str | None]], window: int
) -> None:
    recent, plainly = RecentIds(window), Plainly(window)

    for run in runs:
        next_seq = len(plainly.log)
        assert take(recent, run, next_seq) == plainly.take(run)

    for text in ("3", "17", "t-4", "007"):
        assert recent.find(text, len(plainly.log)) == plainly.find(text)


@given(messages, st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_a_window_read_back_from_the_log_gives_the_same_answers(
    runs: list[list[str | None]], sizes: list[int]
) -> None:
    """How the log is cut when it is read back makes no difference."""
    recent, plainly = RecentIds(7), Plainly(7)
    for run in runs:
        take(recent, run, len(plainly.log))
        plainly.take(run)
    log, again, at, turn = plainly.log, RecentIds(7), 0, 0
    while at < len(log):
        part = log[at : at + sizes[turn % len(sizes)]]
        again.add(Ids.from_strings(part), np.arange(at, at + len(part), dtype=np.int64))
        at, turn = at + len(part), turn + 1

    probe: list[str | None] = [*map(str, range(31)), "t-1", "007", None]
    assert again.repeats(Ids.from_strings(probe), len(log)).tolist() == (
        recent.repeats(Ids.from_strings(probe), len(log)).tolist()
    )


@pytest.mark.parametrize("size", [1_000, 10_000])
def test_memory_stays_within_a_few_windows(size: int) -> None:
    recent = RecentIds(8_192)
    rng = np.random.default_rng(1)
    for start in range(0, 400_000, size):
        ids = Ids.from_ints(rng.integers(0, 2**62, size))
        assert not recent.repeats(ids, start).any()
        recent.add(ids, np.arange(start, start + size, dtype=np.int64))

    assert sum(map(len, recent._parts)) <= 4 * max(size, 8_192)


def test_an_id_counts_for_exactly_so_many_records() -> None:
    recent = RecentIds(1_000)
    recent.add(Ids.from_ints(np.arange(1_000)), np.arange(1_000, dtype=np.int64))

    assert recent.repeats(Ids.from_ints([0, 999]), 1_000).tolist() == [True, True]
    assert recent.repeats(Ids.from_ints([0, 1]), 1_001).tolist() == [False, True]
