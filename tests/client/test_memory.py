"""A range larger than memory passes by in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.markets import Publisher, publisher_of
from support.stores import line_of, program

from tradercast.market.simulated import simulate_trades
from tradercast.timerange import parse_time_ns

MB = 1 << 20
START = parse_time_ns("2024-01-01")

# Reads everything in batches, and says after each quarter how much memory is in use.
READER = """
import json, sys
import psutil, tradercast

data_dir, link, total = sys.argv[1], sys.argv[2], int(sys.argv[3])
own = psutil.Process()
with tradercast.connect(data_dir, link=link) as client:
    rows, digits, marks, largest = 0, 0, [], 0
    for batch in client.iter_trades("big/btcusd"):
        rows += len(batch)
        largest = max(largest, len(batch))
        digits += int(batch.trades.price.mantissa.sum())
        if rows >= total * (len(marks) + 1) // 8:
            marks.append(own.memory_info().rss)
    print(json.dumps([rows, digits, largest, marks]), flush=True)
"""


@pytest.fixture(
    scope="module", params=[5_000_000, pytest.param(20_000_000, marks=pytest.mark.slow)]
)
def large(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Publisher, int, int]]:
    trades = simulate_trades(request.param, start_ns=START, trades_per_s=200)
    digits = int(trades.price.mantissa.sum())
    with publisher_of(tmp_path_factory.mktemp("large"), {("big", "btcusd"): trades}) as publisher:
        yield publisher, len(trades), digits


async def test_batches_take_no_more_memory_the_more_there_are(
    large: tuple[Publisher, int, int], tmp_path: Path
) -> None:
    publisher, count, digits = large
    seen = {}
    for how in ("cold", "warm"):
        async with program(READER, tmp_path / "data", publisher.link, count) as reader:
            rows, total, largest, marks = json.loads(await line_of(reader, 110))
        assert (rows, total) == (count, digits)
        assert largest <= 131_072
        seen[how] = [mark // MB for mark in marks]
        # the first eighth brings everything up to size; then it stays
        assert marks[-1] - marks[0] < 40 * MB, seen
