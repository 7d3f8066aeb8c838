"""A publisher in processes of its own, with feeds whose every row is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.commands import Machine, Serving, machine
from support.feeds import market

from tradercast.client.export import export
from tradercast.records import Trades

BTCUSD = market(30_000, per_hour=9_000, jitter_s=0)  # 22:10 to 01:30: chunks by the hour, a tail
BINANCE_BTCUSD = market(500, seed=1)
ETHUSD = market(2_000, seed=2)
FEEDS: Mapping[tuple[str, str], Trades] = {
    ("bitfinex", "btcusd"): BTCUSD,
    ("binance", "btcusd"): BINANCE_BTCUSD,
    ("bitfinex", "ethusd"): ETHUSD,
}


@dataclass
class Publisher:
    """A machine that has published feeds and serves them."""

    machine: Machine
    serving: Serving

    @property
    def link(self) -> str:
        return self.serving.link


@contextmanager
def publisher_of(
    root: Path, feeds: Mapping[tuple[str, str], Trades] = FEEDS
) -> Iterator[Publisher]:
    """Publish feeds by (exchange, symbol), and serve them until the block ends."""
    with machine(root) as made:
        for number, ((exchange, symbol), trades) in enumerate(feeds.items()):
            publish(made, root / f"{number}.csv", trades, exchange=exchange, symbol=symbol)
        yield Publisher(made, made.serve())


def publish(
    made: Machine, path: Path, trades: Trades, *, exchange: str = "bitfinex", symbol: str
) -> None:
    """Publish trades by way of a CSV file; those that are there already are not added again."""
    export(path, [(trades, None)])
    made.publish(path, exchange=exchange, symbol=symbol)


def between(trades: Trades, start_ns: int, end_ns: int) -> Trades:
    """The trades of ``[start_ns, end_ns)``, found by looking at every one."""
    return trades[np.flatnonzero((trades.ts_event >= start_ns) & (trades.ts_event < end_ns))]
