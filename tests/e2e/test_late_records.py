"""Records that arrive days late, days early, twice, in any order: a range has exactly its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.commands import Machine, Serving, machine

import tradercast
from tradercast.client.results import TradesResult
from tradercast.timerange import NS_PER_DAY, NS_PER_S, parse_time_ns

DAYS, PER_DAY = 100, 2_000
START = parse_time_ns("2023-11-01")
END = START + DAYS * NS_PER_DAY
SEED = 20_231_101


@dataclass(frozen=True)
class Rows:
    """What was published, in order of arrival: the full scan that answers are compared with."""

    ts: np.ndarray
    cents: np.ndarray
    size: np.ndarray

    def between(self, start: int, end: int) -> np.ndarray:
        """The numbers of the records of a range."""
        return np.flatnonzero((self.ts >= start) & (self.ts < end))


def disordered() -> Rows:
    """A tenth is displaced by up to two days, many share their second, some are exact copies."""
    rng = np.random.default_rng(SEED)
    count = DAYS * PER_DAY
    ts = np.sort(rng.integers(START // NS_PER_S, END // NS_PER_S, count)) * NS_PER_S
    displaced = rng.random(count) < 0.1
    ts[displaced] += rng.integers(-2 * NS_PER_DAY, 2 * NS_PER_DAY, count)[displaced]
    cents = 4_000_000 + np.cumsum(rng.integers(-50, 51, count))
    size = rng.integers(1, 10**9, count)
    copies = np.flatnonzero(rng.random(count - 1) < 0.02) + 1
    for column in (ts, cents, size):
        column[copies] = column[copies - 1]
    return Rows(ts, cents, size)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return disordered()


@pytest.fixture(scope="module")
def publisher(
    rows: Rows, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Serving]]:
    folder = tmp_path_factory.mktemp("late")
    lines = (
        f"{t},{c // 100}.{c % 100:02},{s // 10**8}.{s % 10**8:08}\n"
        for t, c, s in zip(rows.ts, rows.cents, rows.size, strict=True)
    )
    file = folder / "disordered.csv"
    file.write_text("ts_event,price,size\n" + "".join(lines))
    with machine(folder / "publisher") as made:
        assert made.publish(file)["added"] == len(rows.ts)
        yield made, made.serve()


def ranges(rows: Rows) -> list[tuple[int, int]]:
    """Ranges of many lengths, some that begin or end exactly at a record, and odd ones."""
    rng = np.random.default_rng(SEED + 1)
    found = []
    for length in (1, 60, 3_600, 86_400, 3 * 86_400, 20 * 86_400):
        for _ in range(8):
            start = int(rng.integers(START - NS_PER_DAY, END))
            found.append((start, start + length * NS_PER_S))
    for _ in range(12):
        first, last = sorted(int(t) for t in rng.choice(rows.ts, 2))
        found += [(first, last + 1), (first + 1, last + 1)]
    for day in (10, 11, 50, 99):  # at midnight, where chunks are cut
        found.append((START + day * NS_PER_DAY, START + (day + 1) * NS_PER_DAY))
    return [
        *found,
        (START - 5 * NS_PER_DAY, START),
        (END, END + 5 * NS_PER_DAY),
        (END + 3 * NS_PER_DAY, END + 4 * NS_PER_DAY),
        (START - 10 * NS_PER_DAY, END + 10 * NS_PER_DAY),
    ]


def assert_exactly(found: TradesResult, rows: Rows, start: int, end: int) -> None:
    wanted = rows.between(start, end)
    np.testing.assert_array_equal(found.seq, wanted)
    np.testing.assert_array_equal(found.trades.ts_event, rows.ts[wanted])
    np.testing.assert_array_equal(found.trades.price.to_scaled(-2), rows.cents[wanted])
    np.testing.assert_array_equal(found.trades.size.to_scaled(-8), rows.size[wanted])


def test_the_rows_are_as_disordered_as_they_are_said_to_be(rows: Rows) -> None:
    step = np.diff(rows.ts)
    assert 0.08 < np.mean(np.abs(step) > NS_PER_DAY // 20) / 2 < 0.12
    assert np.mean(step == 0) > 0.02
    assert np.mean(step < 0) > 0.08


def test_ranges_read_from_peers_have_exactly_the_rows_of_a_full_scan(
    rows: Rows, publisher: tuple[Machine, Serving], tmp_path: Path
) -> None:
    asked = ranges(rows)

    with tradercast.connect(tmp_path / "data", link=publisher[1].link) as client:
        for start, end in asked:
            assert_exactly(client.trades("btcusd", start, end), rows, start, end)

    assert len(asked) > 70
    assert sum(1 for start, end in asked if len(rows.between(start, end)) == 0) >= 2


@pytest.mark.parametrize("which", [1, 12, 26, 35, 50, 72])
def test_a_synced_range_has_exactly_its_rows_also_without_a_network(
    which: int, rows: Rows, publisher: tuple[Machine, Serving], machines
) -> None:
    start, end = ranges(rows)[which]
    reader = machines("reader")

    line = reader.sync("btcusd", "--from", publisher[1].link, "--start", start, "--end", end)
    reader.kill()

    assert line["complete"]
    assert line["records"] >= len(rows.between(start, end))
    with tradercast.connect(reader.data_dir) as client:
        offline = client.trades("btcusd", start, end, sync=False)
        assert_exactly(offline, rows, start, end)
