"""The client's books where there is nothing to make them of, or not all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.books import BID, messages_of, row
from support.commands import Machine, Serving, machine

import tradercast
from tradercast.client.export import open_export
from tradercast.errors import MissingDataError, UnknownSymbolError, UsageError
from tradercast.timerange import NS_PER_DAY, parse_time_ns

START = parse_time_ns("2024-01-01")
DAYS = 40


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Has published a book with one message a day, so one chunk a day."""
    root = tmp_path_factory.mktemp("publisher")
    run = messages_of(
        [
            row(START + day * NS_PER_DAY, (BID, str(100 + day), "1"), snapshot=day == 0)
            for day in range(DAYS)
        ]
    )
    with machine(root) as made:
        with open_export(root / "book.csv", book=("binance", "BTCUSDT")) as file:
            file.write(run)
        named = {"exchange": "binance", "symbol": "btcusdt", "channel": "book"}
        made.publish(root / "book.csv", format="tardis-csv", **named)
        yield made


@pytest.fixture
def serving(publisher: Machine) -> Iterator[Serving]:
    serving = publisher.serve()
    yield serving
    serving.kill()


def test_nothing_is_known(tmp_path: Path) -> None:
    with tradercast.connect(tmp_path) as client:
        for sync, error in ((False, UnknownSymbolError), (True, UsageError)):
            with pytest.raises(error):
                client.book_at("btcusdt", "2024-01-02", sync=sync)
            with pytest.raises(error):
                client.book_snapshots("btcusdt", "2024-01-02", "2024-01-03", sync=sync)


def test_a_range_is_whole_or_an_error_and_then_it_is_here(serving: Serving, tmp_path: Path) -> None:
    wanted = ("2024-01-10", "2024-01-20")
    with tradercast.connect(tmp_path, link=serving.link) as client:
        single = client.book_at("btcusdt", "2024-01-05T12:00:00Z")
        first = client.book_snapshots("btcusdt", *wanted, every="12h", depth=1)
    serving.kill()
    with tradercast.connect(tmp_path, link=serving.link) as client:
        again = client.book_snapshots("btcusdt", *wanted, every="12h", depth=1)
        more = ("btcusdt", "2024-01-10", "2024-01-25")
        with pytest.raises(MissingDataError) as caught:
            client.book_snapshots(*more, every="1d", sync=False)
        with pytest.warns(UserWarning, match="5 records of binance/btcusdt/book"):
            part = client.book_snapshots(*more, every="1d", sync=False, on_missing="warn")

    assert caught.value.missing == [(START + 20 * NS_PER_DAY, START + 24 * NS_PER_DAY)]
    assert part.valid.tolist() == [True] * 10 + [False] * 5
    assert single.valid
    assert [int(price) for price, _ in single.bids()] == [104, 103, 102, 101, 100]
    assert first.valid.all()
    assert first.to_numpy()["bid_px_00"].tolist() == [109 + at // 2 for at in range(20)]
    assert again.to_numpy()["bid_px_00"].tolist() == first.to_numpy()["bid_px_00"].tolist()
