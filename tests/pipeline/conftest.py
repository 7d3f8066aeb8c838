"""A chain between the servers that all tests share: for tests that do not end those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.chain import Chain, chain_of


@pytest.fixture
def chain(
    mongodb: Any, kafka: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Chain]:
    """Nothing of it runs yet."""
    with chain_of(mongodb, kafka, tmp_path, request.node.nodeid) as made:
        yield made
