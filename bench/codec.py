"""Bytes a trade, encode and decode rates of the chunk format on the real file, one thread."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.market import Market, load, load_texts, write_parquet
from tradercast import chunks
from tradercast.feeds import FeedId
from tradercast.records import Decimals, Trades

FEED = FeedId("binance", "btcusdt", "trades")


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of `repeats` runs."""
    fastest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def archive(runs: list[Trades]) -> list[bytes]:
    """The blocks of an archive: each chunk and its index node."""
    blocks: list[bytes] = []
    running, chain, seq = -(2**63), b"", 0
    node = full = None
    for run in runs:
        for block in chunks.encode_run(
            run, feed=FEED, first_seq=seq, running_max_ns=running, chain=chain
        ):
            header = chunks.decode_header(block)
            running, seq = header.running_max_ns, header.end_seq
            chain = header.chain or chain
            node = chunks.next_node(header, len(block), node, full)
            full = node if len(node.groups) else full
            blocks += [block, chunks.encode_index(node)]
    return blocks


def encode_only(runs: list[Trades]) -> list[bytes]:
    """The chunks alone, without chain hash and index."""
    top = 2**63 - 1
    return [chunks.encode_trades(r, feed=FEED, first_seq=0, running_max_ns=top) for r in runs]


def decode_rate(blocks: list[bytes], repeats: int) -> float:
    """Trades a second into preallocated buffers."""
    headers = [chunks.decode_header(block) for block in blocks]
    buffers = chunks.TradeBuffers.allocate(
        sum(header.count for header in headers),
        price_exponent=min(header.price_exponent for header in headers),
        size_exponent=min(header.size_exponent for header in headers),
        with_recv=False,
        with_ids=False,
    )

    def run() -> None:
        at = 0
        for block in blocks:
            at += chunks.decode_trades_into(block, buffers, at).count

    return len(buffers) / best(run, repeats)


def parquet_bytes(market: Market) -> int:
    """Size of the same columns as one optimised Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "real.parquet"
        write_parquet(market, file, "optimised")
        return file.stat().st_size


def cut(trades: Trades) -> list[Trades]:
    """The runs that the cut rule makes."""
    cuts, _ = chunks.find_cuts(trades.times(), chunks.CutState())
    edges = [0, *cuts, len(trades)]
    return [trades[a:b] for a, b in itertools.pairwise(edges)]


def measure(path: Path, repeats: int = 15) -> dict[str, float]:
    """All figures."""
    times, prices, sizes = load_texts(path)
    count = len(times)
    event = np.array(times, np.int64) * 1_000_000
    price, size = Decimals.from_strings(prices), Decimals.from_strings(sizes)
    trades = Trades(event, price, size, np.zeros(count, np.uint8))
    runs = cut(trades)
    full = [trades[a : a + chunks.MAX_RECORDS] for a in range(0, count, chunks.MAX_RECORDS)][:-1]
    blocks, full_blocks = archive(runs), encode_only(full)
    total = sum(map(len, blocks))
    parquet = parquet_bytes(load(path))
    in_full = sum(map(len, full))
    return {
        "real_trades": count,
        "chunks": len(blocks) // 2,
        "bytes_per_trade": total / count,
        "bytes_per_trade_chunks_only": sum(map(len, blocks[::2])) / count,
        "bytes_per_trade_full_chunks": sum(map(len, full_blocks)) / in_full,
        "decode_full_trades_per_s": decode_rate(full_blocks, repeats),
        "decode_hourly_trades_per_s": decode_rate(blocks[::2], repeats),
        "encode_trades_per_s": count / best(lambda: encode_only(runs), 5),
        "archive_trades_per_s": count / best(lambda: archive(runs), 5),
        "from_strings_price_values_per_s": count / best(lambda: Decimals.from_strings(prices), 5),
        "from_strings_size_values_per_s": count / best(lambda: Decimals.from_strings(sizes), 5),
        "to_strings_values_per_s": count / best(price.to_strings, 5),
        "parquet_optimised_bytes_per_trade": parquet / count,
    }
