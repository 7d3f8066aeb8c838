"""The asynchronous twin of ``tradercast.connect``.

>>> async with tradercast.aio.connect() as client:  # doctest: +SKIP
...     trades = await client.trades("btcusd", "2024-01-01", "2024-02-01")
"""

from __future__ import annotations

from tradercast.client.api import AsyncClient
from tradercast.client.api import AsyncClient as connect  # noqa: N813
from tradercast.client.strategies import backtest_async as backtest
from tradercast.client.strategies import live_async as live

__all__ = ["AsyncClient", "backtest", "connect", "live"]
