"""Running a strategy over history, and over what arrives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any, cast

from tradercast.client.api import AsyncClient
from tradercast.client.client import Client
from tradercast.client.missing import OnMissing
from tradercast.client.strategy_result import StrategyResult
from tradercast.market.paper_broker import PaperBroker
from tradercast.market.replay_merge import ReplayBatch
from tradercast.market.strategy import Strategy
from tradercast.market.strategy_run import StrategyRun
from tradercast.timerange import MAX_TIME_NS, TimeLike

_AT_ONCE = 1_024  # records of an asynchronous run before others have their turn


def backtest(
    strategy: Strategy,
    symbols: str | Sequence[str],
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    channels: str | Sequence[str] = ("trades",),
    *,
    broker: PaperBroker | None = None,
    client: Client | None = None,
    exchange: str | None = None,
    sync: bool = True,
    on_missing: OnMissing = "raise",
) -> StrategyResult:
    """Run a strategy over history.

    Parameters
    ----------
    strategy : Strategy
        May run again; then `Strategy.on_start` begins anew.
    symbols, start, end, channels, exchange, sync, on_missing
        As of `Client.replay`, but without an end it stops with what there is.
    broker : PaperBroker, optional
        Says how orders are filled and what they cost; by default nothing, at once.
    client : Client, optional
        An open one; by default one is opened for the run.

    Returns
    -------
    StrategyResult

    Raises
    ------
    UsageError
    MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError

    Examples
    --------
    >>> result = tradercast.backtest(  # doctest: +SKIP
    ...     Dip(), "btcusd", "2024-01-01", "2024-02-01",
    ...     broker=tradercast.PaperBroker(cash="10000", taker_fee="0.001"),
    ... )
    """
    named = _named(symbols, start, end, channels, exchange, sync, on_missing)
    return _run(strategy, broker, client, named)


def live(
    strategy: Strategy,
    symbols: str | Sequence[str],
    start: TimeLike | None = None,
    channels: str | Sequence[str] = ("trades",),
    *,
    broker: PaperBroker | None = None,
    client: Client | None = None,
    exchange: str | None = None,
    on_missing: OnMissing = "raise",
) -> StrategyResult:
    """Run a strategy over history since `start`, and then over records as they arrive.

    It lasts until `Strategy.stop`, or Ctrl-C.  Orders go to a paper broker.  The fills are those
    of `backtest` over the same records: new ones come in the order of history, so of several
    feeds each waits until the others are as late.  Only corrections differ: in history they
    are applied before, live they come after the trade.

    Parameters
    ----------
    strategy, symbols, start, channels, broker, client, exchange, on_missing
        As of `backtest`; without a start it begins with the first record that there is.

    Raises
    ------
    UsageError
    MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
    """
    named = _named(symbols, start, None, channels, exchange, True, on_missing) | _LIVE
    return _run(strategy, broker, client, named)


async def backtest_async(
    strategy: Strategy,
    symbols: str | Sequence[str],
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    channels: str | Sequence[str] = ("trades",),
    *,
    broker: PaperBroker | None = None,
    client: AsyncClient | None = None,
    exchange: str | None = None,
    sync: bool = True,
    on_missing: OnMissing = "raise",
) -> StrategyResult:
    """As `tradercast.backtest`, asynchronously."""
    named = _named(symbols, start, end, channels, exchange, sync, on_missing)
    return await _run_async(strategy, broker, client, named)


async def live_async(
    strategy: Strategy,
    symbols: str | Sequence[str],
    start: TimeLike | None = None,
    channels: str | Sequence[str] = ("trades",),
    *,
    broker: PaperBroker | None = None,
    client: AsyncClient | None = None,
    exchange: str | None = None,
    on_missing: OnMissing = "raise",
) -> StrategyResult:
    """As `tradercast.live`, asynchronously; it can be cancelled."""
    named = _named(symbols, start, None, channels, exchange, True, on_missing) | _LIVE
    return await _run_async(strategy, broker, client, named)


_LIVE = {"end": None, "in_order": True}


def _named(
    symbols: str | Sequence[str],
    start: TimeLike | None,
    end: TimeLike | None,
    channels: str | Sequence[str],
    exchange: str | None,
    sync: bool,
    on_missing: OnMissing,
) -> dict[str, Any]:
    """The arguments of a replay that ends; one without an end would go on live."""
    return {
        "symbols": symbols,
        "start": start,
        "end": MAX_TIME_NS - 1 if end is None else end,
        "channels": channels,
        "exchange": exchange,
        "sync": sync,
        "on_missing": on_missing,
        "batches": True,
    }


def _run(
    strategy: Strategy, broker: PaperBroker | None, client: Client | None, named: dict[str, Any]
) -> StrategyResult:
    run = StrategyRun(strategy, broker or PaperBroker())
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(Client()) if client is None else client
        made = cast("Generator[ReplayBatch]", opened.replay(**named))
        stack.enter_context(contextlib.closing(made))
        with contextlib.suppress(*([KeyboardInterrupt] if named["end"] is None else [])):
            for batch in made:
                run.take(batch)
                if run.is_stopped:
                    break
    return StrategyResult(run)


async def _run_async(
    strategy: Strategy,
    broker: PaperBroker | None,
    client: AsyncClient | None,
    named: dict[str, Any],
) -> StrategyResult:
    run = StrategyRun(strategy, broker or PaperBroker())
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(AsyncClient()) if client is None else client
        made = cast("AsyncGenerator[ReplayBatch]", opened.replay(**named))
        await stack.enter_async_context(contextlib.aclosing(made))
        async for batch in made:
            for few in batch.split(_AT_ONCE):
                run.take(few)
                await asyncio.sleep(0)
            if run.is_stopped:
                break
    return StrategyResult(run)
