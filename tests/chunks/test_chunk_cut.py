"""The cut rule: where chunks end is a function of the times alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.chunks import MAX_RECORDS, CutState, cut, find_cuts
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS, NS_PER_DAY, NS_PER_HOUR

DAY, HOUR = NS_PER_DAY, NS_PER_HOUR


def cuts_of(times: list[int] | np.ndarray) -> list[int]:
    return find_cuts(np.array(times, np.int64), CutState())[0]


def test_a_new_day_always_cuts() -> None:
    assert cuts_of([DAY - 1, DAY, DAY + HOUR, 3 * DAY]) == [1, 3]


def test_a_new_hour_cuts_only_a_chunk_of_8192() -> None:
    small = [0] * 8_191 + [HOUR]
    large = [0] * 8_192 + [HOUR]

    assert cuts_of(small) == []
    assert cuts_of(large) == [8_192]


def test_a_full_chunk_is_cut() -> None:
    assert cuts_of([0] * MAX_RECORDS) == []
    assert cuts_of([0] * (2 * MAX_RECORDS + 1)) == [MAX_RECORDS, 2 * MAX_RECORDS]
    assert cuts_of([0] * MAX_RECORDS + [DAY] * 2) == [MAX_RECORDS]


def test_a_late_record_stays_where_it_arrived() -> None:
    assert cuts_of([DAY + 5, DAY - 5, DAY + 6, DAY - 6, DAY + 7]) == []
    assert cuts_of([DAY - 5, DAY + 5, DAY - 5, DAY + 5]) == [1]


def test_days_before_1970_are_days_too() -> None:
    assert cuts_of([-1, 0]) == [1]
    assert cuts_of([-DAY, -1]) == []
    assert cuts_of([MIN_TIME_NS, MAX_TIME_NS]) == [1]


def test_nothing_has_no_cuts() -> None:
    state = CutState(5, 7)

    assert find_cuts(np.zeros(0, np.int64), state) == ([], state)


def one_by_one(times: list[int], full: int, hourly: int, weights: list[int]) -> list[int]:
    """The rule as a loop over records."""
    cuts, count, running = [], 0, None
    for row, (time, weight) in enumerate(zip(times, weights, strict=True)):
        before = running
        running = time if running is None else max(running, time)
        if before is not None and (
            running // DAY > before // DAY
            or count + weight > full
            or (running // HOUR > before // HOUR and count >= hourly)
        ):
            cuts.append(row)
            count = 0
        count += weight
    return cuts


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, HOUR // 3, HOUR, -HOUR, DAY // 2, -3 * DAY]), st.integers(1, 9)
    ),
    max_size=30,
)


@given(STEPS, st.lists(st.integers(0, 200), max_size=6), st.sampled_from([None, 1, 2]))
def test_every_split_into_batches_gives_the_cuts_of_the_rule(
    steps: list[tuple[int, int]], splits: list[int], seed: int | None
) -> None:
    times = list(itertools.accumulate(s for step, n in steps for s in [step] * n))
    weights = np.ones(len(times), np.int64)
    if seed is not None:  # some are more than a chunk may weigh
        weights = np.random.default_rng(seed).choice([1, 1, 2, 3, 7, 8, 20], len(times))
    edges = [0, *sorted(min(s, len(times)) for s in splits), len(times)]
    with pytest.MonkeyPatch.context() as patch:  # small numbers, so that every rule is met
        patch.setattr(cut, "MAX_RECORDS", 7)
        patch.setattr(cut, "MIN_HOURLY", 3)

        state, cuts = CutState(), []
        for start, stop in itertools.pairwise(edges):
            found, state = find_cuts(
                np.array(times[start:stop], np.int64),
                state,
                None if seed is None else weights[start:stop],
            )
            cuts += [start + row for row in found]

    assert cuts == one_by_one(times, 7, 3, weights.tolist())
    if times:
        open_weight = int(weights[cuts[-1] if cuts else 0 :].sum())
        assert state == CutState(open_weight, max(times))


def test_books_are_cut_by_their_levels() -> None:
    weights = np.array([65_000, 536, 1, 70_000, 1, 65_535, 1, 1])

    cuts, state = find_cuts(np.zeros(8, np.int64), CutState(), weights)

    assert cuts == [2, 3, 4, 6]
    assert state == CutState(2, 0)


def test_a_real_sized_feed_agrees_with_the_rule() -> None:
    rng = np.random.default_rng(3)
    times = rng.integers(0, 2 * DAY // 150_000, 150_000).cumsum() + rng.integers(
        -HOUR, HOUR, 150_000
    )

    assert cuts_of(times) == one_by_one(times.tolist(), MAX_RECORDS, 8_192, [1] * 150_000)
