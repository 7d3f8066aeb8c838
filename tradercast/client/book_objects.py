"""Books and their messages as plain objects, for whoever takes them one by one."""

from __future__ import annotations

from typing import Any

from tradercast.book_levels import BookSide, Levels
from tradercast.book_messages import OPTIONAL, BookMessages
from tradercast.ids import ABSENT


def level_lists(levels: Levels) -> list[list[Any]]:
    """``["price", "size"]`` a level, exact; and the number of orders where it is known."""
    prices, sizes = levels.price.to_strings(), levels.size.to_strings()
    if levels.count is None or bool((levels.count == ABSENT).all()):
        return [list(pair) for pair in zip(prices, sizes, strict=True)]
    counts = [None if count == ABSENT else count for count in levels.count.tolist()]
    return [list(level) for level in zip(prices, sizes, counts, strict=True)]


def message_objects(run: BookMessages) -> list[dict[str, Any]]:
    """The messages: ``type`` book, or gap where some are missing; times in ns."""
    notes = {row: at for at, row in enumerate(run.notes.row.tolist())}
    present = {
        name: column.tolist() for name in OPTIONAL if (column := getattr(run, name)) is not None
    }
    edges, every = run.offsets.tolist(), level_lists(run.levels)
    sides = run.levels.side.tolist()
    lines: list[dict[str, Any]] = []
    for row, time in enumerate(run.ts_event.tolist()):
        if row in notes:
            lines.append(_gap(run, notes[row], time))
            continue
        line: dict[str, Any] = {"type": "book", "ts_event": time}
        line |= {
            name: column[row] for name, column in present.items() if column[row] != OPTIONAL[name]
        }
        line["is_snapshot"] = bool(run.is_snapshot[row])
        rows = range(edges[row], edges[row + 1])
        line["bids"] = [every[at] for at in rows if sides[at] == BookSide.BID]
        line["asks"] = [every[at] for at in rows if sides[at] == BookSide.ASK]
        lines.append(line)
    return lines


def _gap(run: BookMessages, at: int, time: int) -> dict[str, Any]:
    notes = run.notes
    return {
        "type": "gap",
        "missing_from": int(notes.ref_seq[at]),
        "missing_to": int(notes.ref_end[at]),
        "ts_before": int(notes.ref_ts[at]),
        "ts_after": time,
    }
