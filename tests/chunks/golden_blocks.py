"""The golden records, and how their blocks are made.

``python tests/chunks/golden_blocks.py`` writes `golden/` anew: only for a new format version.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tradercast import chunks
from tradercast.feeds import FeedId
from tradercast.records import NO_TIME, Decimals, Ids, Notes, Trades

GOLDEN = Path(__file__).parent / "golden"
FEED = FeedId("bitfinex", "btcusd", "trades")
START = 1_642_204_800_000_000_000
Columns = dict[str, Any]


def trades_of(columns: Columns) -> Trades:
    """Records from their JSON."""
    count = len(columns["ts_event"])
    recv = columns.get("ts_recv")
    return Trades(
        np.array(columns["ts_event"], np.int64),
        Decimals.from_strings(columns["price"]),
        Decimals.from_strings(columns["size"]),
        np.array(columns.get("side", [0] * count), np.uint8),
        None if recv is None else np.array([NO_TIME if r is None else r for r in recv], np.int64),
        Ids.from_strings(columns["trade_id"]) if "trade_id" in columns else None,
        Notes.of([tuple(note) for note in columns.get("notes", [])]),
    )


def chunk_of(golden: Columns) -> bytes:
    """The chunk of a golden file's records."""
    tail = golden.get("tail")
    return chunks.encode_trades(
        trades_of(golden["records"]),
        feed=FEED,
        first_seq=golden["first_seq"],
        running_max_ns=golden["running_max_ns"],
        chain=bytes.fromhex(golden.get("chain", "")),
        tail=None if tail is None else chunks.TailInfo(*tail),
        message=golden.get("message"),
    )


def node_of(golden: Columns) -> chunks.IndexNode:
    """The index node of a golden file."""
    spans = [
        chunks.Spans(*np.array(golden[key], np.int64).reshape(-1, 6).T)
        for key in ("chunks", "groups")
    ]
    return chunks.IndexNode(FEED, golden["node"], golden["first_seq"], *spans)


def block_of(golden: Columns) -> bytes:
    """The block of any golden file."""
    return chunks.encode_index(node_of(golden)) if "node" in golden else chunk_of(golden)


def large() -> Trades:
    """65,536 records from integer arithmetic: too many for a file, but their bytes are fixed."""
    state, times, prices, sizes, sides = 1, [], [], [], []
    time, price = START, 4_305_997
    for _ in range(chunks.MAX_RECORDS):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        bits = state >> 33
        time += (bits % 97) ** 3 // 700 * 1_000_000
        price += (bits >> 8) % 7 - 3 if bits % 5 == 0 else 0
        times.append(time)
        prices.append(price)
        sizes.append(((bits >> 4) % 1_000) ** 2 // 9 + 1)
        sides.append(1 + (bits >> 20) % 2)
    return Trades(
        np.array(times, np.int64),
        Decimals.from_ints(prices, -2),
        Decimals.from_ints(sizes, -5),
        np.array(sides, np.uint8),
    )


def large_block() -> bytes:
    run = large()
    return chunks.encode_trades(run, feed=FEED, first_seq=0, running_max_ns=run.span()[1])


def _market(count: int, seed: int) -> Columns:
    rng = random.Random(seed)
    time, price = START, 4_305_997
    columns: Columns = {"ts_event": [], "price": [], "size": []}
    for _ in range(count):
        time += int(rng.expovariate(1 / 200)) * 1_000_000
        price += rng.choice([0, 0, 0, 1, -1, 50, -50])
        columns["ts_event"].append(time)
        columns["price"].append(f"{price / 100:.2f}")
        columns["size"].append(f"{int(rng.paretovariate(1) * 100) / 100_000:.5f}")
    return columns


def _with(
    columns: Columns, seed: int, *, recv: float = 0, ids: str = "", side: bool = True
) -> Columns:
    rng = random.Random(seed)
    times = columns["ts_event"]
    if side:
        columns["side"] = [rng.choice([1, 2]) for _ in times]
    if recv:
        columns["ts_recv"] = [
            t + rng.randrange(2_000, 90_000) * 1_000 if rng.random() < recv else None for t in times
        ]
    if ids == "integers":
        columns["trade_id"] = [str(1_000_000 + 3 * row) for row in range(len(times))]
    if ids == "uuids":
        raw = [f"{rng.getrandbits(128):032x}" for _ in times]
        columns["trade_id"] = [f"{r[:8]}-{r[8:12]}-4{r[13:16]}-{r[16:20]}-{r[20:]}" for r in raw]
    if ids == "mixed":
        kinds = ["17", "007", None, "a-1", "é€", "9223372036854775808", "x" * 128]
        columns["trade_id"] = [kinds[row % len(kinds)] for row in range(len(times))]
    return columns


def _escapes() -> Columns:
    hostile = ["1000000000000", "0.000000000000000001", "123456789.987654321", "-0.5", "0", "1e20"]
    columns = _market(60, 5)
    columns["price"] = [hostile[row % 6] for row in range(60)]
    columns["size"] = [hostile[(row * 5 + 1) % 6] for row in range(60)]
    columns["ts_event"] = [START + (row * 7_919) % 1_000 for row in range(60)]
    return columns


def _notes() -> Columns:
    columns = _with(_market(50, 6), 6, ids="integers")
    times = columns["ts_event"]
    columns["notes"] = [
        [10, 1, 1_003, 0, times[3]],
        [11, 2, 1_005, 0, times[5]],
        [30, 3, 77, 79, times[29]],
        [49, 2, 12, 0, START - 86_400_000_000_000],
    ]
    for name, empty in (("price", "0"), ("size", "0"), ("side", 0)):
        columns[name][30] = empty
    return columns


def _index(node: int, noted: int = 0) -> Columns:
    """Every `noted`-th chunk has notes; none if that is 0."""
    rng = random.Random(node)
    time, rows, groups, group = START, [], [], []
    for j in range(node + 1):
        low, time = time, time + rng.randrange(3_600_000) * 1_000_000
        row = [low, time, time, rng.randrange(8_192, 65_537), rng.randrange(20_000, 200_000)]
        row.append(j + 1 if noted and j % noted == 0 else 0)
        group.append(row)
        if j % 64 == 63 or j == node:
            rows, group = group, []
            lows, highs, runs, *sums = zip(*rows, strict=True)
            groups.append([min(lows), max(highs), runs[-1], *map(sum, sums)])
    first = sum(entry[3] for entry in groups[:-1])
    full = node % 64 == 63
    return {"node": node, "first_seq": first, "chunks": rows, "groups": groups if full else []}


def _chunk(records: Columns, **more: Any) -> Columns:
    top = max(records["ts_event"])
    return {"first_seq": 1_000, "running_max_ns": top + 1_000_000_000, **more, "records": records}


MAKERS: dict[str, Callable[[], Columns]] = {
    "plain": lambda: _chunk(_market(1_000, 1)),
    "all_columns": lambda: _chunk(
        _with(_market(500, 2), 2, recv=1, ids="integers"), chain="00112233445566778899aabbccddeeff"
    ),
    "some_receive_times": lambda: _chunk(_with(_market(200, 3), 3, recv=0.7, side=False)),
    "uuids": lambda: _chunk(_with(_market(100, 4), 4, ids="uuids")),
    "mixed_ids": lambda: _chunk(_with(_market(40, 4), 4, recv=0.5, ids="mixed")),
    "escapes": lambda: _chunk(_escapes()),
    "notes": lambda: _chunk(_notes()),
    "single": lambda: _chunk(_market(1, 7)),
    "tail": lambda: _chunk(
        _with(_market(20, 8), 8, recv=1, ids="integers"),
        tail=[900, 41, START - 5_000_000_000, START + 60_000_000_000],
        message=4_711,
    ),
    "index_first": lambda: _index(0),
    "index_partial": lambda: _index(74),
    "index_full": lambda: _index(63),
    "index_third_full": lambda: _index(191),
    "index_notes": lambda: _index(127, noted=70),
    "index_notes_everywhere": lambda: _index(2, noted=1),
}


def write() -> None:
    """Write all golden files."""
    GOLDEN.mkdir(exist_ok=True)
    sums = {"large": hashlib.blake2b(large_block(), digest_size=32).hexdigest()}
    for name, make in MAKERS.items():
        golden = make()
        block = block_of(golden)
        (GOLDEN / f"{name}.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
        (GOLDEN / f"{name}.bin").write_bytes(block)
        sums[name] = hashlib.blake2b(block, digest_size=32).hexdigest()
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    (GOLDEN / "BLAKE2B").write_text("".join(lines))


if __name__ == "__main__":
    write()
