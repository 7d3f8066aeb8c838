"""The golden book messages, and how their blocks are made.

``python tests/chunks/golden_books.py`` writes `golden_books/` anew: only for a new format version.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

from golden_files import write
from support.books import START, gap, messages_of, row

from tradercast import chunks
from tradercast.book_levels import Keyframe
from tradercast.feeds import FeedId
from tradercast.market.book import Book

GOLDEN = Path(__file__).parent / "golden_books"
FEED = FeedId("binance", "btcusdt", "book")
Golden = dict[str, Any]


def keyframe_of(golden: Golden) -> Keyframe | None:
    """The book after the rows of ``before``; `None` for a tail block."""
    if "before" not in golden:
        return None
    book = Book()
    book.apply(messages_of(golden["before"]))
    return book.keyframe()


def block_of(golden: Golden) -> bytes:
    """The chunk of a golden file."""
    tail = golden.get("tail")
    return chunks.encode_book(
        messages_of(golden["rows"]),
        feed=FEED,
        first_seq=1_000,
        running_max_ns=golden["running_max_ns"],
        keyframe=keyframe_of(golden),
        chain=bytes.fromhex(golden.get("chain", "")),
        tail=None if tail is None else chunks.TailInfo(*tail),
        message=golden.get("message"),
    )


def _market(count: int, seed: int) -> list[Golden]:
    """A snapshot and changes of 1 to 12 levels, every message with the numbers of its source."""
    rng = random.Random(seed)
    sides = [[(1, f"{(50_000 - k) / 10:.1f}", f"{k % 7 + 0.25}") for k in range(40)]]
    sides.append([(2, f"{(50_001 + k) / 10:.1f}", f"{k % 5 + 0.125}") for k in range(40)])
    rows = [row(START, *sides[0], *sides[1], snapshot=True, last_id=100, ts_recv=START + 5_000_000)]
    time, last = START, 100
    for _ in range(count - 1):
        time += rng.randrange(1, 9) * 100_000_000
        levels: list[Any] = []
        for _ in range(rng.randrange(1, 13)):
            side = rng.choice([1, 2])
            price = 50_000 - rng.randrange(60) if side == 1 else 50_001 + rng.randrange(60)
            levels.append((side, f"{price / 10:.1f}", f"{rng.choice([0, rng.random()]):.5f}"))
        first, prev, last = last + 1, last, last + rng.randrange(1, 40)
        received = time + rng.randrange(2_000, 90_000) * 1_000
        numbers = {"first_id": first, "last_id": last, "prev_id": prev, "ts_recv": received}
        rows.append(row(time, *sorted(levels), **numbers))
    return rows


def _escapes() -> list[Golden]:
    hostile = ["1000000000000", "0.000000000000000001", "123456789.987654321", "0.5", "7e20"]
    rows = [
        row(START + k, (1 + k % 2, hostile[k % 5], hostile[(k * 3) % 5]), (1, "2", "0"))
        for k in range(30)
    ]
    return [row(START, snapshot=True), *rows]


def _counts() -> list[Golden]:
    """As of an exchange that sends one level a message, with order counts, and checksums."""
    rows = [row(START, *((1, str(90 - k), "1", k + 1) for k in range(5)), snapshot=True)]
    for k in range(60):
        change = (1 + k % 2, str(85 + k % 9), f"{k % 4}.5", None if k % 11 == 0 else k % 3)
        rows.append(row(START + k * 1_000_000, change, last_id=5 + k))
        if k % 10 == 9:
            rows.append(row(START + k * 1_000_000, checksum=(-1) ** k * 1_234_567 * k))
    return rows


def _chunk(rows: list[Golden], **more: Any) -> Golden:
    return {"running_max_ns": START + 3_600_000_000_000, **more, "rows": rows}


def _gaps() -> list[Golden]:
    rows = _market(30, 3)
    return [*rows[:20], gap(rows[20]["ts_event"], 500, 512, rows[19]["ts_event"]), *rows[20:]]


MAKERS: dict[str, Callable[[], Golden]] = {
    "first": lambda: _chunk(_market(300, 1), before=[], chain="00112233445566778899aabbccddeeff"),
    "later": lambda: _chunk(_market(300, 2)[200:], before=_market(300, 2)[:200]),
    "gaps": lambda: _chunk(_gaps()[15:], before=_gaps()[:15]),
    "after_a_gap": lambda: _chunk(_gaps()[25:], before=_gaps()[:25]),
    "escapes": lambda: _chunk(_escapes()[10:], before=_escapes()[:10]),
    "counts": lambda: _chunk(_counts()[20:], before=_counts()[:20]),
    "tail": lambda: _chunk(
        _market(9, 5)[1:], tail=[900, 41, START - 5_000_000_000, START + 60_000_000_000], message=3
    ),
    "single": lambda: _chunk([row(START)]),
}


if __name__ == "__main__":
    write(GOLDEN, MAKERS, block_of)
