"""Market history as append-only signed logs that a swarm replicates.

>>> import tradercast
>>> with tradercast.connect() as client:  # doctest: +SKIP
...     trades = client.trades("btcusd", "2024-01-01", "2024-02-01")
...     trades.to_polars()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradercast import errors
from tradercast.errors import (
    ForkError,
    IncompleteError,
    MissingDataError,
    NoPeerError,
    TradercastError,
    UsageError,
    VerificationError,
)
from tradercast.feeds import FeedId
from tradercast.timerange import TimeRange

if TYPE_CHECKING:
    from tradercast import aio
    from tradercast.client.client import Client
    from tradercast.client.client import Client as connect  # noqa: N813

__version__ = "0.1.0"
__all__ = [
    "Client",
    "FeedId",
    "ForkError",
    "IncompleteError",
    "MissingDataError",
    "NoPeerError",
    "TimeRange",
    "TradercastError",
    "UsageError",
    "VerificationError",
    "aio",
    "connect",
    "errors",
]


def __getattr__(name: str) -> Any:
    # The client pulls in numpy and the network; who wants an error class only need not wait.
    if name in ("connect", "Client"):
        from tradercast.client.client import Client

        return Client
    if name == "aio":
        import importlib

        return importlib.import_module("tradercast.aio")
    raise AttributeError(f"module 'tradercast' has no attribute {name!r}")
