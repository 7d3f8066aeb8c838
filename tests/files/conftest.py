"""Files written for one test, and the real ones beside the repository."""

import pytest
from support.real_data import real


@pytest.fixture
def write(tmp_path):
    """Write a file of the test's own and give its path."""

    def writer(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


@pytest.fixture(scope="session")
def real_trades():
    """The folder of real trades; without it the test is skipped."""
    return real("trades")


@pytest.fixture(scope="session")
def real_books():
    """The folder of real book captures; without it the test is skipped."""
    return real("l2")


@pytest.fixture(scope="session")
def real_candles():
    """The folder of candles that exchanges made; without it the test is skipped."""
    return real("candles")
