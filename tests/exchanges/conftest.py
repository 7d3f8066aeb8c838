"""What the tests of exchanges share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.directories import ROOT
from support.exchange import FakeExchange, exchange


@pytest.fixture
def bitfinex() -> Iterator[FakeExchange]:
    """A made-up exchange with a heartbeat every 0.2 s."""
    with exchange("--heartbeat", "0.2") as running:
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
