"""The golden candles, and how their blocks are made.

``python tests/chunks/golden_candles.py`` writes `golden_candles/` anew: only for a new version.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

from golden_files import write
from support.candle_rows import MINUTE, START, candle, candles_of_rows, gap

from tradercast import chunks
from tradercast.feeds import FeedId

GOLDEN = Path(__file__).parent / "golden_candles"
FEED = FeedId("bitfinex", "btcusd", "candles-1m")
Golden = dict[str, Any]


def block_of(golden: Golden) -> bytes:
    """The chunk of a golden file."""
    tail = golden.get("tail")
    return chunks.encode_candles(
        candles_of_rows(golden["rows"]),
        feed=FEED,
        first_seq=1_000,
        running_max_ns=golden["running_max_ns"],
        chain=bytes.fromhex(golden.get("chain", "")),
        tail=None if tail is None else chunks.TailInfo(*tail),
        message=golden.get("message"),
    )


def _market(count: int, seed: int, *, quoted: bool = True) -> list[Golden]:
    rng = random.Random(seed)
    price, rows = 4_300_000, []
    for minute in range(count):
        steps = [price]
        for _ in range(rng.randrange(1, 9)):
            steps.append(steps[-1] + rng.randrange(-900, 901))
        ohlc = (steps[0], max(steps), min(steps), steps[-1])
        volume = rng.randrange(1, 10**8)
        quote = sum(steps) * volume // len(steps)
        price = steps[-1] + rng.randrange(-9, 10)
        rows.append(
            candle(
                minute + minute // 50,
                " ".join(f"{p / 100:.2f}" for p in ohlc),
                f"{volume / 10**5:.5f}",
                f"{quote // 10**7}.{quote % 10**7:07d}" if quoted else None,
                len(steps) if quoted or minute % 3 else None,
            )
        )
    return rows


def _escapes() -> list[Golden]:
    far = ["1000000000000 7e20 0.000000000000000001 0.5", "2 2 2 2", "-1 123456789.987654321 -7 0"]
    amounts = ["1e25", "0.5", "0.000000000000000001"]
    return [candle(k, far[k % 3], amounts[k % 3], amounts[(k + 1) % 3], k) for k in range(30)]


def _replaced() -> list[Golden]:
    rows = _market(20, 3)
    late = {**rows[9], "high": "99999.99", "trades": 77}
    lost = gap(START + 13 * MINUTE, 500, 512, START + 11 * MINUTE)
    return [*rows[:12], late, lost, *rows[12:]]


def _chunk(rows: list[Golden], **more: Any) -> Golden:
    return {"running_max_ns": START + 3_000 * MINUTE, **more, "rows": rows}


MAKERS: dict[str, Callable[[], Golden]] = {
    "day": lambda: _chunk(_market(300, 1), chain="00112233445566778899aabbccddeeff"),
    "bare": lambda: _chunk(_market(200, 2, quoted=False)),
    "replaced": lambda: _chunk(_replaced()),
    "escapes": lambda: _chunk(_escapes()),
    "tail": lambda: _chunk(
        _market(2, 5), tail=[900, 41, START - 5 * MINUTE, START + 60 * MINUTE], message=3
    ),
    "single": lambda: _chunk([candle(0, "0 0 0 0", "0")]),
}


if __name__ == "__main__":
    write(GOLDEN, MAKERS, block_of)
