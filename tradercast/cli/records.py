"""Records as lines: for people in columns, for programs as JSON objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradercast.book_messages import BookMessages
from tradercast.candles import PRICES, Candles
from tradercast.cli.output import Output
from tradercast.client.book_objects import message_objects
from tradercast.client.candle_results import candle_objects
from tradercast.corrections import gaps_of
from tradercast.feed.reader import Piece
from tradercast.feeds import FeedId
from tradercast.market.replay_merge import ReplayBatch
from tradercast.records import NO_TIME, Kind, Side, Trades
from tradercast.timerange import format_time_ns

_SIDES = {int(side): side.name.lower() for side in Side}


def print_piece(out: Output, feed: FeedId, piece: Piece) -> None:
    """Print every record of a piece on a line of its own, as soon as it came."""
    for line in record_objects(feed, piece):
        out.emit(line)
        out.print(_text(line))


def print_batch(out: Output, batch: ReplayBatch) -> None:
    """Print every record of a replay on a line of its own."""
    lines: list[dict[str, Any]] = []
    for part in batch.parts:
        made = record_objects(part.feed, Piece(part.records, part.seq))
        for row, line in enumerate(made):
            line["ts"] = int(part.ts[row])
            if part.valid is not None and line["type"] == "book":
                line["valid"] = bool(part.valid[row])
        lines += made
    for at in batch.order.tolist():
        out.emit(lines[at])
        out.print(f"{lines[at]['feed']:<32} {_text(lines[at])}")


def record_objects(feed: FeedId, piece: Piece) -> list[dict[str, Any]]:
    """The records as objects: ``type`` trade, correction, book, candle or gap; exact."""
    if isinstance(piece.records, BookMessages):
        named = zip(piece.seq.tolist(), message_objects(piece.records), strict=True)
        return [{"type": "", "feed": str(feed), "seq": seq} | line for seq, line in named]
    if isinstance(piece.records, Candles):
        numbered = zip(piece.seq.tolist(), _candles(piece.records), strict=True)
        return [{"type": "", "feed": str(feed), "seq": seq} | line for seq, line in numbered]
    trades = piece.trades
    prices, sizes = trades.price.to_strings(), trades.size.to_strings()
    ids = trades.trade_id.to_strings() if trades.trade_id is not None else None
    notes = {int(row): at for at, row in enumerate(trades.notes.row)}
    lines = []
    for row in range(len(trades)):
        line: dict[str, Any] = {
            "type": "trade",
            "feed": str(feed),
            "seq": int(piece.seq[row]),
            "ts_event": int(trades.ts_event[row]),
        }
        if trades.ts_recv is not None and trades.ts_recv[row] != NO_TIME:
            line["ts_recv"] = int(trades.ts_recv[row])
        if ids is not None and ids[row] is not None:
            line["trade_id"] = ids[row]
        line |= {
            "side": _SIDES[int(trades.side[row])],
            "price": prices[row],
            "size": sizes[row],
        }
        if row in notes:
            line = _noted(line, trades, notes[row])
        lines.append(line)
    return lines


def _candles(run: Candles) -> list[dict[str, Any]]:
    lines = [{"type": "candle"} | row for row in candle_objects(run)]
    for row, gap in zip(run.notes.row.tolist(), gaps_of(run, np.arange(len(run))), strict=True):
        lines[row] = {
            "type": "gap",
            "missing_from": gap.first,
            "missing_to": gap.last,
            "ts_before": gap.before_ns,
            "ts_after": gap.after_ns,
        }
    return lines


def _noted(line: dict[str, Any], trades: Trades, at: int) -> dict[str, Any]:
    notes = trades.notes
    kind = Kind(int(notes.kind[at]))
    if kind is Kind.GAP:
        return {
            "type": "gap",
            "feed": line["feed"],
            "seq": line["seq"],
            "missing_from": int(notes.ref_seq[at]),
            "missing_to": int(notes.ref_end[at]),
            "ts_before": int(notes.ref_ts[at]),
            "ts_after": line["ts_event"],
        }
    return {
        **line,
        "type": "correction",
        "action": kind.name.lower(),
        "ref_seq": int(notes.ref_seq[at]),
    }


def _text(line: dict[str, Any]) -> str:
    if line["type"] == "gap":
        before, after = format_time_ns(line["ts_before"]), format_time_ns(line["ts_after"])
        lost = f"messages {line['missing_from']} to {line['missing_to']}"
        return f"-- gap: {lost} are missing, {before} to {after}"
    if line["type"] == "book":
        kind = "snapshot" if line["is_snapshot"] else "change"
        numbers = f"{len(line['bids'])} bids, {len(line['asks'])} asks"
        return f"{format_time_ns(line['ts_event']):<30} {kind:<8} {numbers}"
    if line["type"] == "candle":
        prices = " ".join(f"{line[name]:>12}" for name in PRICES)
        return f"{format_time_ns(line['ts_open']):<22} {prices} {line['volume']:>18}"
    label = "" if line["type"] == "trade" else f"  ({line['action']} of {line['ref_seq']})"
    time = format_time_ns(line["ts_event"])
    return f"{time:<30} {line['side']:<7} {line['price']:>16} {line['size']:>18}{label}"
