"""What the client's tests share: one publisher, and a data directory that is filled already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.markets import Publisher, publisher_of

import tradercast


@pytest.fixture(scope="session")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """Serves three feeds; nobody may change or stop it."""
    with publisher_of(tmp_path_factory.mktemp("publisher")) as made:
        yield made


@pytest.fixture(scope="session")
def filled(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that holds all of two feeds both called btcusd; for reading only."""
    data_dir = tmp_path_factory.mktemp("filled") / "data"
    with tradercast.connect(data_dir, link=publisher.link) as client:
        client.sync("bitfinex/btcusd")
        client.sync("binance/btcusd")
    return data_dir


@pytest.fixture(scope="module")
def client(filled: Path, publisher: Publisher) -> Iterator[tradercast.Client]:
    """A client of the filled directory, kept open for many tests."""
    with tradercast.connect(filled, link=publisher.link) as made:
        yield made
