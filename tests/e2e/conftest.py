"""What the end-to-end tests share: machines, a directory network, and real data."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from support.commands import Machine, machine
from support.directories import ROOT, Network, directories
from support.large_file import large_file

Machines: TypeAlias = Callable[[str], Machine]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Make machines by name; whatever runs on them ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(machine(tmp_path / name))


@pytest.fixture
def network() -> Iterator[Network]:
    """Three directory nodes that are neither publisher nor reader."""
    with directories(3) as running:
        yield running


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of real data: ``TRADERCAST_DATA``, else ``../shared/data``."""
    found = os.environ.get("TRADERCAST_DATA")
    folder = Path(found) if found else ROOT.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    reason = f"no real data at {folder}: set TRADERCAST_DATA"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def binance_file(shared_data: Path) -> Path:
    """199,020 trades of Binance BTCUSDT over twelve hours: time (ms), price, quantity."""
    return shared_data / "trades" / "binance_spot_BTCUSDT_20220115_00h-12h.csv.gz"


@pytest.fixture(scope="session")
def published(binance_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """See `large_publisher`."""
    root = tmp_path_factory.mktemp("large")
    with machine(root) as publisher:
        publisher.publish(large_file(binance_file, root / "trades.parquet", 2_000_000))
        yield publisher


@pytest.fixture
def large_publisher(published: Machine) -> Iterator[Machine]:
    """A machine that has published 2 M trades over five days: 6 MB in 119 chunks.

    All tests share it: serve it, kill it, but change nothing.
    """
    yield published
    published.kill()
