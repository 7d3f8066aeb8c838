"""The format does not drift: golden records encode to golden bytes, on every machine."""

import hashlib
import json

import golden_blocks
import pytest
import second_decoder
from golden_blocks import GOLDEN, block_of, node_of, trades_of

from tradercast import chunks

NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))
SUMS = dict(line.split()[::-1] for line in (GOLDEN / "BLAKE2B").read_text().splitlines())


def golden(name: str) -> tuple[dict, bytes]:
    text = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text), (GOLDEN / f"{name}.bin").read_bytes()


def test_every_golden_file_is_listed() -> None:
    assert set(SUMS) == {*NAMES, "large"} == {*golden_blocks.MAKERS, "large"}


@pytest.mark.parametrize("name", NAMES)
def test_golden_records_encode_to_the_golden_bytes(name: str) -> None:
    source, block = golden(name)

    encoded = block_of(source)

    assert hashlib.blake2b(encoded, digest_size=32).hexdigest() == SUMS[name]
    assert encoded == block


def test_a_full_chunk_encodes_to_the_golden_bytes() -> None:
    block = golden_blocks.large_block()

    assert hashlib.blake2b(block, digest_size=32).hexdigest() == SUMS["large"]
    assert chunks.decode_trades(block)[1].equals(golden_blocks.large())


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("index")])
def test_golden_chunks_decode_to_their_records(name: str) -> None:
    source, block = golden(name)

    header, trades = chunks.decode_trades(block)

    assert trades.equals(trades_of(source["records"]))
    assert (header.first_seq, header.running_max_ns) == (
        source["first_seq"],
        source["running_max_ns"],
    )
    assert header.message == source.get("message")
    assert header.chain.hex() == source.get("chain", "")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("index")])
def test_golden_nodes_decode_to_their_entries(name: str) -> None:
    source, block = golden(name)

    assert chunks.decode_index(block).equals(node_of(source))
    second = second_decoder.index_node(block)
    assert (second["node"], second["seq"]) == (source["node"], source["first_seq"])
    assert [list(entry) for entry in second["chunks"]] == source["chunks"]
    assert [list(entry) for entry in second["groups"]] == source["groups"]
