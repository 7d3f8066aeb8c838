"""A replay at the speed of a clock."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import numpy as np

from tradercast.errors import UsageError
from tradercast.market.replay_merge import ReplayBatch
from tradercast.timerange import NS_PER_S

_LEAST_S = 0.001  # shorter sleeps cost more than they are worth
_MOST_S = 3_600.0


def check_speed(speed: float | None) -> None:
    """Refuse what is no speed.

    Raises
    ------
    UsageError
    """
    if speed is not None and not 0 < speed < float("inf"):
        raise UsageError(
            f"a replay can not run at the speed {speed}",
            hint="1 is as it was, 10 is ten times as fast; without one it is as fast as it can",
        )


async def paced(
    batches: AsyncGenerator[ReplayBatch, None],
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[ReplayBatch, None]:
    """Batches of what is due; what is new is due when it arrives.

    Parameters
    ----------
    batches : async generator of ReplayBatch
        Closed in the end.
    speed : float
        How many seconds of the records pass in one of the clock.
    clock : callable
        Seconds.
    sleep : callable
        Waits for so many of them.
    """
    first_ns: int | None = None
    began = clock()
    async with contextlib.aclosing(batches):
        async for batch in batches:
            if batch.live:
                yield batch
                continue
            times, done = batch.ts, 0
            if first_ns is None:
                first_ns, began = int(times[0]), clock()
            while done < len(times):
                now_ns = first_ns + round((clock() - began) * speed * NS_PER_S)
                due = int(np.searchsorted(times, now_ns, "right"))
                if due > done:
                    now, *later = batch.cut([due - done])
                    yield now
                    batch, done = (later[0] if later else now), due
                else:
                    wait_s = (int(times[done]) - now_ns) / NS_PER_S / speed
                    await sleep(min(max(wait_s, _LEAST_S), _MOST_S))
