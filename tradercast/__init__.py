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
    from tradercast.client import engines
    from tradercast.client.client import Client
    from tradercast.client.client import Client as connect  # noqa: N813
    from tradercast.client.strategies import backtest, live
    from tradercast.market.paper_broker import PaperBroker
    from tradercast.market.strategy import Strategy

__version__ = "0.1.0"
__all__ = [
    "Client",
    "FeedId",
    "ForkError",
    "IncompleteError",
    "MissingDataError",
    "NoPeerError",
    "PaperBroker",
    "Strategy",
    "TimeRange",
    "TradercastError",
    "UsageError",
    "VerificationError",
    "aio",
    "backtest",
    "connect",
    "engines",
    "errors",
    "live",
]

_LATE = {
    "Client": ("tradercast.client.client", "Client"),
    "connect": ("tradercast.client.client", "Client"),
    "PaperBroker": ("tradercast.market.paper_broker", "PaperBroker"),
    "Strategy": ("tradercast.market.strategy", "Strategy"),
    "backtest": ("tradercast.client.strategies", "backtest"),
    "live": ("tradercast.client.strategies", "live"),
}
_MODULES = {"aio": "tradercast.aio", "engines": "tradercast.client.engines"}


def __getattr__(name: str) -> Any:
    # The client pulls in numpy and the network; who wants an error class only need not wait.
    import importlib

    if name in _LATE:
        module, attribute = _LATE[name]
        return getattr(importlib.import_module(module), attribute)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'tradercast' has no attribute {name!r}")
