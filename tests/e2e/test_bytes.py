"""What a range costs: the bytes that leave the serving socket, hour by hour of a real day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.commands import BINANCE, Machine, Serving, machine

from tradercast.chunks import encode_trades
from tradercast.feeds import FeedId
from tradercast.log import LogStore
from tradercast.pipeline.files import read_trades
from tradercast.records import Trades
from tradercast.timerange import NS_PER_HOUR, parse_time_ns

FEED = FeedId("binance", "btcusdt")
DAY = parse_time_ns("2022-01-15")
HOURS = range(12)


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory, binance_file: Path):
    with machine(tmp_path_factory.mktemp("publisher")) as made:
        made.publish(binance_file, **BINANCE)
        yield made, made.serve()


@pytest.fixture(scope="module")
def trades(binance_file: Path) -> Trades:
    return Trades.concat(list(read_trades([binance_file], BINANCE["columns"])))


async def sent(server: Machine) -> int:
    """Bytes that the serving node's sockets have sent so far, to whomever."""
    async with await LogStore.open(server.data_dir) as store:
        stats = await store.stats()
    return stats["closed"]["bytes_out"] + sum(peer["bytes_out"] for peer in stats["peers"])


def encoded_size(trades: Trades) -> int:
    """The size of the records as one chunk, which is how an hour of this file is stored."""
    return len(
        encode_trades(trades, feed=FEED, first_seq=0, running_max_ns=int(trades.ts_event.max()))
    )


@pytest.mark.parametrize("hour", HOURS)
async def test_an_hour_costs_little_more_than_its_own_encoded_size(
    hour: int, publisher: tuple[Machine, Serving], trades: Trades, tmp_path: Path
) -> None:
    server, serving = publisher
    start = DAY + hour * NS_PER_HOUR
    inside = (trades.ts_event >= start) & (trades.ts_event < start + NS_PER_HOUR)
    of_hour = trades[np.flatnonzero(inside)]
    size = encoded_size(of_hour)
    before = await sent(server)

    with machine(tmp_path / "reader") as reader:
        line = reader.sync(
            *("btcusdt", "--from", serving.link),
            *("--start", f"2022-01-15T{hour:02}:00", "--end", f"2022-01-15T{hour + 1:02}:00"),
        )
    cost = await sent(server) - before

    print(f"hour {hour}: {len(of_hour):,} records, {size:,} encoded, {cost:,} sent")
    assert line["complete"]
    assert line["records"] == len(of_hour)  # no other hour's chunk came with it
    assert cost <= 1.2 * size + 64_000
    # a guard far below: what is measured is a handful of small blocks, proofs and a handshake
    assert size < cost < 1.15 * size + 10_000
