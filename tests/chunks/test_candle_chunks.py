"""Chunks of candles: they come back exactly, do not drift, and a second decoder reads the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from typing import Any

import numpy as np
import pytest
import second_candle_decoder
from golden_candles import GOLDEN, MAKERS, block_of
from hypothesis import given
from hypothesis import strategies as st
from support.candle_rows import LAST, candle, candles, candles_of_rows, rows_of_candles

from tradercast.candles import Candles
from tradercast.chunks import (
    decode_candles,
    decode_header,
    decode_trades,
    encode_candles,
    extend_chain,
)
from tradercast.decimals import Decimals
from tradercast.errors import EncodeError, FormatError
from tradercast.feeds import FeedId

FEED = FeedId("bitfinex", "btcusd", "candles-1m")
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))
BLOCKS = {name: (GOLDEN / f"{name}.bin").read_bytes() for name in NAMES}
SUMS = dict(line.split()[::-1] for line in (GOLDEN / "BLAKE2B").read_text().splitlines())


def encoded(run: Candles, **more: Any) -> bytes:
    return encode_candles(run, **({"feed": FEED, "first_seq": 0, "running_max_ns": LAST} | more))


@given(candles(), st.integers(0, 2**61))
def test_every_record_comes_back_exactly_from_both_decoders(run: Candles, seq: int) -> None:
    block = encoded(run, first_seq=seq, chain=b"c" * 16)

    header, found = decode_candles(block)

    second = second_candle_decoder.chunk(block)
    assert found.equals(run)
    assert rows_of_candles(found) == rows_of_candles(run) == second["rows"]
    assert (header.count, header.first_seq) == (len(run), seq) == (second["n"], second["seq"])
    assert (header.min_ns, header.max_ns) == run.span()
    assert decode_header(block).notes == len(run.notes)


@given(candles(), st.integers(0, 20), st.sampled_from([b"", b"0123456789abcdef"]))
def test_equal_records_have_one_encoding_and_one_hash(run: Candles, at: int, before: bytes) -> None:
    again = Candles.concat([run[:at], run[at:]])

    assert encoded(again) == encoded(run)
    assert extend_chain(before, again) == extend_chain(before, run)
    assert extend_chain(before, run) == second_candle_decoder.chain(before, rows_of_candles(run))


def test_every_golden_file_is_listed() -> None:
    assert set(SUMS) == set(NAMES) == set(MAKERS)


@pytest.mark.parametrize("name", NAMES)
def test_golden_candles_encode_to_the_golden_bytes_and_back(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    run = candles_of_rows(golden["rows"])

    block = block_of(golden)

    assert hashlib.blake2b(block, digest_size=32).hexdigest() == SUMS[name]
    assert block == BLOCKS[name]
    assert decode_candles(block)[1].equals(run)
    assert second_candle_decoder.chunk(block)["rows"] == rows_of_candles(run)


def test_flipped_bits_in_bulk() -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(1_000):
        block = bytearray(BLOCKS[rng.choice(NAMES)])
        block[rng.randrange(len(block))] ^= 1 << rng.randrange(8)
        with contextlib.suppress(FormatError):
            decode_candles(bytes(block))
            continue
        refused += 1
    assert refused > 100


def test_what_is_no_chunk_of_candles_is_refused() -> None:
    run = candles_of_rows([candle(0, "1 2 1 2", "3")])
    one = Decimals.from_ints([1])

    with pytest.raises(EncodeError, match="no feed of candles-1m"):
        encoded(run, feed=FeedId("a", "b", "trades"))
    with pytest.raises(EncodeError, match="negative number of trades"):
        encoded(Candles(run.ts_open, one, one, one, one, one, None, np.array([-2])))
    with pytest.raises(FormatError, match="not trades"):
        decode_trades(encoded(run))
    with pytest.raises(EncodeError, match="running maximum"):
        encoded(run, running_max_ns=0)
