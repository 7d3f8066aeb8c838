"""The real market data beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real(kind: str) -> Path:
    """A folder of it; without it the test is skipped."""
    root = os.environ.get("TRADERCAST_DATA") or Path(__file__).parents[3] / "shared" / "data"
    folder = Path(root) / kind
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set TRADERCAST_DATA")
    return folder
