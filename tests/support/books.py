"""Book messages as plain rows, and the reverse; hostile ones for property tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tradercast.book_levels import BookSide, Levels
from tradercast.book_messages import OPTIONAL, BookMessages, offsets_of
from tradercast.records import ABSENT, Decimals, Kind, Notes
from tradercast.timerange import NS_PER_HOUR, parse_time_ns

Row = dict[str, Any]
LAST = 2**63 - 1
BID, ASK = BookSide.BID, BookSide.ASK
START = 1_642_204_800_000_000_000
EVENING = parse_time_ns("2024-01-05T22:10:00Z")
SNAPSHOT = 400  # levels


def row(ts_event: int, *levels: tuple[Any, ...], snapshot: bool = False, **more: Any) -> Row:
    """A message: levels are ``(side, price, size)`` or ``(side, price, size, count)``."""
    return {"ts_event": ts_event, "snapshot": snapshot, "levels": list(levels), **more}


def gap(ts_event: int, first: int, last: int, before: int) -> Row:
    """The note of a gap."""
    return row(ts_event, gap=(first, last, before))


def messages_of(rows: list[Row]) -> BookMessages:
    """The columns of plain rows."""
    levels = [(*level, None)[:4] for entry in rows for level in entry["levels"]]
    sides, prices, sizes, counts = zip(*levels, strict=True) if levels else ([], [], [], [])
    noted = [(at, Kind.GAP, *entry["gap"]) for at, entry in enumerate(rows) if entry.get("gap")]
    optional = {
        name: np.array([absent if r.get(name) is None else r[name] for r in rows], np.int64)
        for name, absent in OPTIONAL.items()
        if any(r.get(name) is not None for r in rows)
    }
    counted = any(count is not None for count in counts)
    return BookMessages(
        np.array([r["ts_event"] for r in rows], np.int64),
        np.array([r["snapshot"] for r in rows], np.bool_),
        offsets_of(np.array([len(r["levels"]) for r in rows], np.int64)),
        Levels(
            np.array(sides, np.uint8),
            Decimals.from_strings([str(price) for price in prices]),
            Decimals.from_strings([str(size) for size in sizes]),
            np.array([ABSENT if c is None else c for c in counts], np.int64) if counted else None,
        ),
        **optional,
        notes=Notes.of(noted),
    )


def levels_of(levels: Levels) -> list[tuple[Any, ...]]:
    """The rows of levels, numbers as exact decimals."""
    counts = [None if count == ABSENT else count for count in levels.counts().tolist()]
    prices, sizes = levels.price.to_decimals(), levels.size.to_decimals()
    return list(zip(levels.side.tolist(), prices, sizes, counts, strict=True))


def rows_of(run: BookMessages) -> list[Row]:
    """The reverse of `messages_of`, every key present, numbers as exact decimals."""
    levels, edges, notes = levels_of(run.levels), run.offsets.tolist(), run.notes
    found = zip(notes.row.tolist(), notes.ref_seq, notes.ref_end, notes.ref_ts, strict=True)
    gaps = {at: (int(first), int(last), int(before)) for at, first, last, before in found}
    optional = {name: run.filled(name).tolist() for name in OPTIONAL}
    return [
        {
            "ts_event": int(run.ts_event[at]),
            "snapshot": bool(run.is_snapshot[at]),
            "levels": levels[edges[at] : edges[at + 1]],
            "gap": gaps.get(at),
            **{
                name: None if column[at] == OPTIONAL[name] else column[at]
                for name, column in optional.items()
            },
        }
        for at in range(len(run))
    ]


def changes(count: int, each: int = 20, per_hour: int = 10_000) -> BookMessages:
    """A snapshot and then changes of a few levels around 40,000, before and after midnight."""
    rng = np.random.default_rng(5)
    sizes = np.full(count, each)
    sizes[0] = SNAPSHOT
    total = int(sizes.sum())
    side = rng.integers(1, 3, total)
    away = np.where(side == 1, -1, 1) * rng.integers(1, 300, total)
    amount = rng.integers(0, 4, total) * rng.integers(1, 10**6, total)
    snapshot = np.zeros(count, np.bool_)
    snapshot[0] = True
    amount[:SNAPSHOT] = amount[:SNAPSHOT] + 1
    side[:SNAPSHOT] = 1 + (np.arange(SNAPSHOT) >= SNAPSHOT // 2)
    step = np.arange(SNAPSHOT) % (SNAPSHOT // 2) + 1
    away[:SNAPSHOT] = np.where(side[:SNAPSHOT] == 1, -step, step)
    levels = Levels(
        side.astype(np.uint8),
        Decimals.from_ints(4_000_000 + away, -2),
        Decimals.from_ints(amount, -5),
    )
    return BookMessages(
        EVENING + np.arange(count) * (NS_PER_HOUR // per_hour),
        snapshot,
        offsets_of(sizes),
        levels,
        last_id=np.arange(count) + 77,
    )


TIMES = st.one_of(
    st.integers(0, 2_000).map(lambda ms: START + ms * 1_000_000),
    st.integers(START, START + 10_000),
    st.integers(-LAST, LAST),
)
PRICES = st.one_of(
    st.integers(-20, 20).map(lambda n: f"{n / 2:.1f}"),
    st.integers(9_990, 10_010).map(lambda n: f"{n / 100:.2f}"),
    st.sampled_from(["1000000000000", "0.000000000000000001", "9223372036854775807"]),
    st.builds("{}e{}".format, st.integers(-(10**20), 10**20), st.integers(-30, 30)),
)
SIZES = st.one_of(
    st.just("0"),
    st.integers(0, 50).map(lambda n: f"{n / 10:.1f}"),
    st.builds("{}e{}".format, st.integers(0, 10**20), st.integers(-30, 30)),
)
IDS = st.one_of(st.none(), st.integers(0, 1_000), st.integers(0, LAST))
COUNTS = st.one_of(st.none(), st.integers(0, 5), st.integers(0, LAST))
LEVELS = st.tuples(st.sampled_from([1, 2]), PRICES, SIZES, COUNTS)


@st.composite
def message_rows(draw: st.DrawFn, max_size: int = 12) -> list[Row]:
    """1 to `max_size` messages with any mix of columns."""
    names = draw(st.sets(st.sampled_from(["ts_recv", "first_id", "last_id", "prev_id"])))
    rows = []
    for _ in range(draw(st.integers(1, max_size))):
        if draw(st.integers(0, 5)) == 0:
            first = draw(st.integers(-LAST, LAST))
            rows.append(gap(draw(TIMES), first, draw(st.integers(-LAST, LAST)), draw(TIMES)))
        else:
            levels = draw(st.lists(LEVELS, max_size=8))
            rows.append(row(draw(TIMES), *levels, snapshot=draw(st.integers(0, 4)) == 0))
        for name in sorted(names):
            rows[-1][name] = draw(st.one_of(st.none(), TIMES) if name == "ts_recv" else IDS)
        rows[-1]["checksum"] = draw(st.one_of(st.none(), st.integers(-(2**31), 2**32)))
    return rows


def messages(max_size: int = 12) -> st.SearchStrategy[BookMessages]:
    """`message_rows` in columns."""
    return message_rows(max_size).map(messages_of)
