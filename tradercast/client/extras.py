"""Packages that a user may or may not have."""

from __future__ import annotations

import importlib
from typing import Any

from tradercast.errors import UsageError

_PACKAGES = {"arrow": "pyarrow", "plot": "matplotlib"}


def load(module: str, extra: str) -> Any:
    """Import an optional package.

    Raises
    ------
    UsageError
        If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UsageError(
            f"this needs {_PACKAGES.get(extra, extra)}, which is not installed",
            hint=f"pip install 'tradercast[{extra}]'",
        ) from None


def find(module: str) -> Any | None:
    """The package if it is installed, else `None`."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
