"""Runs: a run over 1 MiB becomes halves, whatever way it was batched; the chain goes on."""

import itertools

import numpy as np
import pytest
from chunk_strategies import FEED, trades
from hypothesis import given
from hypothesis import strategies as st

from tradercast.chunks import (
    MAX_BLOCK,
    CutState,
    decode_header,
    decode_trades,
    encode_run,
    encode_trades,
    extend_chain,
    find_cuts,
)
from tradercast.errors import EncodeError, UsageError
from tradercast.records import Decimals, Trades


def noise(count: int) -> Trades:
    """Records that do not compress: about 25 bytes each."""
    rng = np.random.default_rng(count)
    times, prices, sizes = rng.integers(2**62, 2**63 - 1, (3, count))
    return Trades(
        times,
        Decimals.from_ints(prices // 10 * 10 + 1),
        Decimals.from_ints(sizes // 10 * 10 + 1),
        np.zeros(count, np.uint8),
    )


def test_a_small_run_is_one_block() -> None:
    run = noise(100)

    blocks = encode_run(run, feed=FEED, first_seq=7)

    header, decoded = decode_trades(blocks[0])
    assert len(blocks) == 1
    assert decoded.equals(run)
    assert (header.first_seq, header.running_max_ns) == (7, run.span()[1])
    assert header.chain == extend_chain(b"", run)


def test_a_large_run_is_halved_until_every_block_fits() -> None:
    run = noise(65_535)

    blocks = encode_run(run, feed=FEED, first_seq=100, chain=b"x" * 16)

    headers = [decode_header(block) for block in blocks]
    assert [header.count for header in headers] == [32_768, 32_767]
    assert [header.first_seq for header in headers] == [100, 32_868]
    assert max(map(len, blocks)) <= MAX_BLOCK
    assert [header.chain for header in headers] == [b"", extend_chain(b"x" * 16, run)]
    assert headers[0].running_max_ns == headers[0].max_ns
    assert headers[1].running_max_ns == run.span()[1]
    assert Trades.concat([decode_trades(block)[1] for block in blocks]).equals(run)


def test_a_block_over_the_limit_is_refused_outside_of_runs() -> None:
    with pytest.raises(EncodeError, match="records 5 to 60004 take"):
        encode_trades(noise(60_000), feed=FEED, first_seq=5, running_max_ns=2**63 - 1)


def test_the_running_maximum_goes_on_from_before() -> None:
    run = noise(3)[:1]
    late = 2**63 - 1

    assert (
        decode_header(
            encode_run(run, feed=FEED, first_seq=0, running_max_ns=late)[0]
        ).running_max_ns
        == late
    )


def test_no_records_are_no_blocks_and_change_no_chain() -> None:
    assert encode_run(Trades.empty(), feed=FEED, first_seq=0) == []
    assert extend_chain(b"c" * 16, Trades.empty()) == b"c" * 16


def test_a_chain_has_sixteen_bytes() -> None:
    with pytest.raises(UsageError, match="16 bytes"):
        extend_chain(b"short", noise(1))


def archive(batches: list[Trades]) -> list[bytes]:
    """All blocks of a feed that arrives in batches; the last run is taken as complete."""
    state, pending, runs = CutState(), [], []
    for batch in batches:
        cuts, state = find_cuts(batch.times(), state)
        for start, stop in itertools.pairwise([0, *cuts, len(batch)]):
            if start in cuts:
                runs.append(Trades.concat(pending))
                pending = []
            pending.append(batch[start:stop])
    blocks, seq, running, chain = [], 0, -(2**63), b""
    for run in [*runs, Trades.concat(pending)]:
        blocks += encode_run(run, feed=FEED, first_seq=seq, running_max_ns=running, chain=chain)
        header = decode_header(blocks[-1])
        seq, running, chain = header.end_seq, header.running_max_ns, header.chain
    return blocks


@given(trades(), st.lists(st.integers(0, 40), max_size=4))
def test_the_same_feed_in_other_batches_gives_the_same_blocks(
    run: Trades, splits: list[int]
) -> None:
    edges = [0, *sorted(min(split, len(run)) for split in splits), len(run)]
    parts = [run[start:stop] for start, stop in itertools.pairwise(edges)]

    assert archive(parts) == archive([run])
