"""Hostile bytes: a clear refusal, never a crash, a hang, or a large allocation."""

import contextlib
import json
import random
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import golden_blocks
import msgpack
import pytest
from golden_blocks import GOLDEN
from hypothesis import given
from hypothesis import strategies as st

from tradercast.chunks import (
    ENCODER,
    MAX_BLOCK,
    TradeBuffers,
    decode_header,
    decode_index,
    decode_trades,
    decode_trades_into,
)
from tradercast.errors import FormatError, UnknownVersionError

BLOCKS = [path.read_bytes() for path in sorted(GOLDEN.glob("*.bin"))]
CHUNKS = [block for block in BLOCKS if block[3:4] == b"c"]
NODES = [block for block in BLOCKS if block[3:4] == b"i"]
INTS = st.one_of(
    st.integers(-2, 70_000), st.sampled_from([2**31, 2**32, 2**62, 2**63 - 1, 2**63, -(2**63)])
)
JUNK = st.recursive(
    st.one_of(
        st.none(), st.booleans(), INTS, st.floats(), st.text(max_size=5), st.binary(max_size=20)
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def into_buffers(block: bytes) -> None:
    decode_trades_into(block, TradeBuffers.allocate(1_000, price_exponent=0, size_exponent=-8), 0)


DECODERS: list[Callable[[bytes], object]] = [decode_header, decode_trades, decode_index]


def survives(block: bytes) -> None:
    """Every decoder takes or refuses the bytes, and does nothing else."""
    for decode in DECODERS:
        with contextlib.suppress(FormatError):
            decode(block)


def parts(block: bytes) -> tuple[dict[str, Any], bytes]:
    end = 6 + int.from_bytes(block[4:6], "little")
    return msgpack.unpackb(block[6:end]), block[end:]


def rebuilt(block: bytes, header: object, sections: bytes) -> bytes:
    packed = header if isinstance(header, bytes) else msgpack.packb(header)
    return block[:4] + len(packed).to_bytes(2, "little") + packed + sections


@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    survives(data)
    survives(b"TC\x01c" + data)
    survives(b"TC\x01i" + data)


@given(st.sampled_from(BLOCKS), st.data())
def test_flipped_bits(block: bytes, data: st.DataObject) -> None:
    flipped = bytearray(block)
    for _ in range(data.draw(st.integers(1, 4))):
        flipped[data.draw(st.integers(0, len(block) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    survives(bytes(flipped))


@given(st.sampled_from(BLOCKS), st.data())
def test_broken_sections_under_a_sound_header(block: bytes, data: st.DataObject) -> None:
    header, sections = parts(block)
    broken = bytearray(sections)
    for _ in range(data.draw(st.integers(1, 6)) if broken else 0):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))

    survives(rebuilt(block, header, bytes(broken)))


@given(st.sampled_from(BLOCKS), JUNK, st.data())
def test_wrong_values_in_the_header(block: bytes, junk: object, data: st.DataObject) -> None:
    header, sections = parts(block)
    if data.draw(st.booleans()):
        header[data.draw(st.sampled_from(list(header)))] = junk
    else:
        entry = data.draw(st.sampled_from(list(header["cols"])))
        header["cols"][entry] = data.draw(st.one_of(st.just(junk), st.lists(INTS, max_size=4)))
    try:
        block = rebuilt(block, header, sections)
    except (OverflowError, ValueError):
        return

    survives(block)


@given(st.sampled_from(BLOCKS), st.integers(0, 3_000))
def test_a_block_that_ends_early_is_refused(block: bytes, cut: int) -> None:
    for decode in DECODERS:
        with pytest.raises(FormatError):
            decode(block[: min(cut, len(block) - 1)])


@given(st.sampled_from(BLOCKS), st.binary(min_size=1, max_size=20))
def test_a_block_with_something_behind_it_is_refused(block: bytes, more: bytes) -> None:
    for decode in DECODERS:
        with pytest.raises(FormatError):
            decode(block + more)


def test_flipped_bits_in_bulk() -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(5_000):
        block = bytearray(rng.choice(CHUNKS))
        block[rng.randrange(len(block))] ^= 1 << rng.randrange(8)
        try:
            decode_trades(bytes(block))
        except FormatError:
            refused += 1
    assert refused > 500


def altered(name: str, change: Callable[[dict[str, Any]], None]) -> bytes:
    block = (GOLDEN / f"{name}.bin").read_bytes()
    header, sections = parts(block)
    change(header)
    return rebuilt(block, header, sections)


def set_key(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda header: header.__setitem__(key, value)


def set_column(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda header: header["cols"].__setitem__(key, value)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("plain", set_key("n", 0), "the count is 0"),
        ("plain", set_key("n", 65_537), "the count is 65537"),
        ("plain", set_key("n", 999), "'ts' has 1000 values, not 999"),
        ("plain", set_key("n", 2**64 - 1), "the count"),
        ("plain", set_key("n", True), "canonical|the count"),
        ("plain", set_key("seq", -1), "the first seq"),
        ("plain", set_key("t", [3, 2, 4]), "running maximum"),
        ("plain", set_key("t", [0, 2, 4]), "not those of the records"),
        ("plain", set_key("t", [-(2**63), 2, 4]), "a time is"),
        ("plain", set_key("exp", [129, 0]), "an exponent is 129"),
        ("plain", set_key("unit", [10, 0]), "a time unit is 10"),
        ("plain", set_key("unit", [9, 0]), "outside int64|not those of the records"),
        ("plain", set_key("feed", "bitfinex/../trades"), "is not a feed"),
        ("plain", set_key("feed", "bitfinex/btcusd/book"), "not trades"),
        ("plain", set_key("feed", 5), "is not a feed"),
        ("plain", set_key("new", 5), "the keys"),
        ("plain", lambda header: header.pop("exp"), "the keys"),
        ("plain", lambda header: header.update(seq=header.pop("seq")), "the keys"),
        ("plain", set_key("cols", 5), "not a map"),
        ("plain", set_column("new", [1, 0, 5]), "'new' is unknown"),
        ("plain", set_column("id", [1, 0, 5]), "'id' belongs to nothing"),
        ("plain", set_column("id_text", [8 * 2**20, 0, 48]), "belongs to nothing"),
        ("plain", set_column("id_text", [2**40, 0, 48]), "the count of 'id_text'"),
        ("plain", set_column("note_kind", [1, 0, 1]), "belongs to nothing"),
        ("plain", set_column("ts", [1_000, 2**40]), "the length of 'ts'"),
        ("plain", set_column("ts", [1_000, 100]), "broken|end at byte"),
        ("plain", set_column("ts", [1_000, 5, 7]), "the length of 'ts'"),
        ("all_columns", set_column("side", [500, 0, 3]), "end at byte"),
        ("all_columns", set_key("chain", b"short"), "chain"),
        ("single", set_column("side", [1, 0, 3]), "a side is not"),
        ("single", set_column("side", [1, 0, 256]), "the value of 'side'"),
        ("single", set_column("ts", [1, 0, 2**63 - 1]), "outside int64"),
        ("single", set_column("id_kind", [1, 0, 3]), "the ids"),
        ("single", set_column("id_kind", [1, 0, 2]), "0 ids stand aside for 1"),
        ("single", set_column("note_row", [2, 0, 1]), "2 notes are about 1 records"),
        ("single", set_column("note_row", [1, 0, 1]), "do not increase"),
        ("single", set_column("note_row", [1, 0, 0]), "note"),
        ("single", set_column("recv_has", [1, 0, 1]), "belongs to nothing"),
        ("tail", set_key("tail", [1, 2, 9, 8]), "after its maximum"),
        ("tail", set_key("tail", [1, 2, 3]), "not a list of 4"),
        ("tail", set_key("msg", "5"), "the message"),
    ],
)
def test_what_is_wrong_is_said(
    name: str, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    block = altered(name, change)

    with pytest.raises(FormatError, match=message):
        decode_trades(block)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("index_full", set_key("node", 62), "has 64 entries, not 63"),
        ("index_full", set_key("node", 64), "has 64 entries, not 1"),
        ("index_third_full", set_key("node", 127), "'g_min' has 3 entries, not 2"),
        ("index_first", set_key("node", 2**40), "the node is"),
        ("index_first", set_column("n", [1, 0, 0]), "count or size"),
        ("index_first", set_column("n", [1, 0, 65_537]), "count or size"),
        ("index_first", set_column("size", [1, 0, 2**20 + 1]), "count or size"),
        ("index_first", set_column("max", [1, 0, -1]), "running maximum"),
        ("index_first", set_column("run", [1, 0, -1]), "running maximum"),
        ("index_first", set_column("min", [1, 0, 2**63 - 1]), "running maximum"),
        ("index_first", set_column("notes", [1, 0, 65_537]), "more notes than records"),
        ("index_first", set_column("notes", [1, 0, -1]), "more notes than records"),
        ("index_first", set_column("notes", [2, 0, 1]), "'notes' has 2 entries, not 1"),
        ("index_third_full", set_column("g_notes", [3, 0, 1]), "not the sum"),
        ("index_first", set_column("g_notes", [1, 0, 1]), "'g_notes' has 1 entries|belongs to"),
        ("index_first", set_column("g_n", [1, 0, 5]), "'g_n' has 1 entries, not 0"),
    ],
)
def test_what_is_wrong_in_a_node_is_said(
    name: str, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        decode_index(altered(name, change))


def test_a_newer_version_or_encoder_is_named() -> None:
    plain = (GOLDEN / "plain.bin").read_bytes()
    newer = altered("plain", set_key("enc", "pco-9.0.0"))

    for decode in (decode_header, decode_trades, into_buffers):
        with pytest.raises(UnknownVersionError, match="version 2"):
            decode(plain[:2] + b"\x02" + plain[3:])
        with pytest.raises(UnknownVersionError, match=r"pco-9\.0\.0"):
            decode(newer)
    with pytest.raises(UnknownVersionError, match="version 9"):
        decode_index(b"TC\x09" + b"anything at all")
    assert ENCODER == "pco-1.1.0"


def test_a_chunk_is_no_node_and_a_node_is_no_chunk() -> None:
    with pytest.raises(FormatError, match="of kind"):
        decode_index(CHUNKS[0])
    with pytest.raises(FormatError, match="of kind"):
        decode_header(NODES[0])


def test_a_header_in_another_form_is_refused() -> None:
    block = (GOLDEN / "plain.bin").read_bytes()
    header, sections = parts(block)
    packed = msgpack.packb(header)
    longer = packed.replace(
        msgpack.packb("n") + b"\xcd\x03\xe8", msgpack.packb("n") + b"\xce\x00\x00\x03\xe8"
    )
    assert longer != packed

    with pytest.raises(FormatError, match="canonical"):
        decode_trades(rebuilt(block, longer, sections))
    with pytest.raises(FormatError):
        decode_trades(rebuilt(block, b"\x91" * 60_000 + b"\x01", sections))
    with pytest.raises(FormatError):
        decode_trades(rebuilt(block, b"\xdd\xff\xff\xff\xff", sections))


def test_a_block_over_one_mebibyte_is_refused() -> None:
    with pytest.raises(FormatError, match="over"):
        decode_trades(CHUNKS[0] + bytes(MAX_BLOCK))


def test_the_largest_claims_of_a_small_block_stay_small() -> None:
    columns = {
        "ts": [65_536, 0, 1],
        "px": [65_536, 0, 1],
        "sz": [65_536, 0, 1],
        "id_kind": [65_536, 0, 2],
        "id_len": [65_536, 0, 128],
        "id_text": [65_536 * 128, 0, 48],
    }
    header = {
        "enc": ENCODER, "feed": "a/b/trades", "n": 65_536, "seq": 0, "t": [1, 1, 1], "exp": [0, 0],
        "unit": [0, 0], "cols": columns,
    }  # fmt: skip
    block = rebuilt(b"TC\x01c", header, b"")
    tracemalloc.start()
    started = time.monotonic()

    _, trades = decode_trades(block)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert trades.trade_id is not None
    assert len(trades.trade_id.escapes) == 65_536
    assert peak < 100 * 2**20
    assert time.monotonic() - started < 5


def test_buffers_stay_usable_after_a_broken_block() -> None:
    source = json.loads((GOLDEN / "escapes.json").read_text())
    run = golden_blocks.trades_of(source["records"])
    block = (GOLDEN / "escapes.bin").read_bytes()
    buffers = TradeBuffers.allocate(
        len(run), price_exponent=-2, size_exponent=-2, with_recv=False, with_ids=False
    )

    with pytest.raises(FormatError):
        decode_trades_into(block[:-1] + bytes([block[-1] ^ 0xFF]), buffers, 0)
    decode_trades_into(block, buffers, 0)

    assert buffers.trades().equals(run)
