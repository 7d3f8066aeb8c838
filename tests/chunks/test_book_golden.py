"""The format of books does not drift, and hostile bytes are refused clearly."""

import contextlib
import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
import second_book_decoder
from golden_books import GOLDEN, MAKERS, block_of, keyframe_of
from hypothesis import given
from hypothesis import strategies as st
from support.books import levels_of, messages_of, rows_of

from tradercast.chunks import decode_book
from tradercast.errors import FormatError

NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))
BLOCKS = {name: (GOLDEN / f"{name}.bin").read_bytes() for name in NAMES}
SUMS = dict(line.split()[::-1] for line in (GOLDEN / "BLAKE2B").read_text().splitlines())


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def test_every_golden_file_is_listed() -> None:
    assert set(SUMS) == set(NAMES) == set(MAKERS)


@pytest.mark.parametrize("name", NAMES)
def test_golden_messages_encode_to_the_golden_bytes(name: str) -> None:
    encoded = block_of(golden(name))

    assert hashlib.blake2b(encoded, digest_size=32).hexdigest() == SUMS[name]
    assert encoded == BLOCKS[name]


@pytest.mark.parametrize("name", NAMES)
def test_golden_chunks_decode_to_their_messages_in_both_decoders(name: str) -> None:
    source = golden(name)
    run, key = messages_of(source["rows"]), keyframe_of(source)

    header, keyframe, messages = decode_book(BLOCKS[name])

    second = second_book_decoder.chunk(BLOCKS[name])
    assert messages.equals(run)
    assert second["rows"] == rows_of(run)
    assert header.running_max_ns == second["t"][2] == source["running_max_ns"]
    assert (keyframe is None) == (key is None) == (second["keyframe"] is None)
    if keyframe is not None and key is not None:
        assert keyframe.equals(key)
        assert second["keyframe"] == (key.valid, levels_of(key.levels))


def parts(block: bytes) -> tuple[dict[str, Any], bytes]:
    end = 6 + int.from_bytes(block[4:6], "little")
    return msgpack.unpackb(block[6:end]), block[end:]


def rebuilt(block: bytes, header: object, sections: bytes) -> bytes:
    packed = msgpack.packb(header)
    return block[:4] + len(packed).to_bytes(2, "little") + packed + sections


@given(st.sampled_from(NAMES), st.data())
def test_broken_sections_under_a_sound_header(name: str, data: st.DataObject) -> None:
    header, sections = parts(BLOCKS[name])
    broken = bytearray(sections)
    for _ in range(data.draw(st.integers(1, 6)) if broken else 0):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(FormatError):
        decode_book(rebuilt(BLOCKS[name], header, bytes(broken)))


@given(st.sampled_from(NAMES), st.data())
def test_wrong_columns_and_counts(name: str, data: st.DataObject) -> None:
    header, sections = parts(BLOCKS[name])
    numbers = st.lists(st.sampled_from([-1, 0, 1, 2, 3, 40, 2**18, 2**19, 2**62]), max_size=3)
    header["cols"][data.draw(st.sampled_from(list(header["cols"])))] = data.draw(numbers)
    header["key"] = data.draw(numbers)

    with contextlib.suppress(FormatError):
        decode_book(rebuilt(BLOCKS[name], header, sections))


def test_flipped_bits_in_bulk() -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(1_000):
        block = bytearray(BLOCKS[rng.choice(NAMES)])
        block[rng.randrange(len(block))] ^= 1 << rng.randrange(8)
        try:
            decode_book(bytes(block))
        except FormatError:
            refused += 1
    assert refused > 100


def put(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda header: header.__setitem__(key, value)


def column(key: str, *entry: int) -> Callable[[dict[str, Any]], None]:
    return lambda header: header["cols"].__setitem__(key, list(entry))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("first", put("feed", "a/b/trades"), "not book"),
        ("first", put("n", 299), "'ts' has 300 values, not 299"),
        ("first", put("t", [0, 1, 2]), "not those of the records"),
        ("first", put("key", [2, 0, 0]), "validity"),
        ("first", put("key", [1, 0, 1]), "not as many levels as it says"),
        ("later", put("key", [1, -1, 0]), "number of bids"),
        ("later", lambda header: header["key"].reverse(), "validity"),
        ("later", lambda header: header.pop("key"), "belong to no keyframe"),
        ("single", column("len", 1, 0, 1), "as many levels"),
        ("single", column("len", 1, 0, -1), "as many levels"),
        ("single", column("k_px", 2**40, 0, 1), "the count of 'k_px'"),
        ("single", column("sz", 1, 0, 1), "not as many as the levels"),
        ("single", column("note_row", 1, 0, 0), "column 'note_row' is unknown|note_kind|note"),
        ("first", column("snap", 300, 0, 2), "end at byte"),
    ],
)
def test_what_is_wrong_is_said(
    name: str, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    header, sections = parts(BLOCKS[name])
    change(header)

    with pytest.raises(FormatError, match=message):
        decode_book(rebuilt(BLOCKS[name], header, sections))


def small(n: int, m: int, k: int, key: list[int], **columns: list[int]) -> bytes:
    """A block of constant columns, in the order given."""
    plain = {"len": [n, 0, m // n], "side": [m, 0, 1], "px": [n, 0, 5], "sz": [m, 0, 1]}
    plain |= {"px_bid": [m - n, 0, -1]} if m > n else {}
    plain |= {"k_px": [k, 0, 5], "k_sz": [k, 0, 1]} if k else {}
    cols = {"ts": [n, 0, 1]} | plain | columns
    order = [
        "ts",
        "snap",
        "last",
        "first",
        "len",
        "side",
        "px",
        "px_bid",
        "gone",
        "sz",
        "cnt",
        "k_px",
        "k_sz",
    ]
    header = {
        "enc": "pco-1.1.0", "feed": "a/b/book", "n": n, "seq": 0, "t": [1, 1, 1], "key": key,
        "exp": [0, 0], "unit": [0, 0],
        "cols": {name: cols[name] for name in order if name in cols}
        | {name: entry for name, entry in cols.items() if name not in order},
    }  # fmt: skip
    return rebuilt(b"TC\x01c", header, b"")


def test_a_small_block_of_constants_is_sound() -> None:
    _, keyframe, messages = decode_book(small(2, 4, 1, [1, 0, 1]))

    assert keyframe is not None
    assert levels_of(keyframe.levels) == [(2, 5, 1, None)]
    assert [[price for _, price, *_ in entry["levels"]] for entry in rows_of(messages)] == [
        [5, 4],
        [10, 9],
    ]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (small(2, 4, 2, [1, 1, 1]), None),
        (small(2, 4, 2, [1, 0, 2]), "do not rise"),
        (small(2, 4, 2, [1, 2, 0]), "do not rise"),
        (small(2, 2, 0, [1, 0, 0], side=[2, 0, 3]), "neither bid nor ask"),
        (small(2, 4, 0, [1, 0, 0], side=[4, 0, 3]), "'px_bid' has 2 values, not 0"),
        (small(2, 4, 0, [1, 0, 0], side=[3, 0, 1]), "not as many levels as there are sides"),
        (small(2, 4, 0, [1, 0, 0], px=[3, 0, 5]), "'px' has 3 values, not 2"),
        (small(2, 4, 0, [1, 0, 0], px_bid=[1, 0, 5]), "'px_bid' has 1 values, not 2"),
        (small(2, 4, 0, [1, 0, 0], sz=[4, 0, -1]), "size is negative"),
        (small(2, 4, 0, [1, 0, 0], sz=[4, 0, 0]), "not gone has no size"),
        (small(2, 4, 0, [1, 0, 0], gone=[4, 0, 2]), "neither gone"),
        (small(2, 4, 0, [1, 0, 0], gone=[4, 0, 1]), "not as many as the levels"),
        (small(2, 4, 0, [1, 0, 0], snap=[2, 0, 2]), "neither a snapshot"),
        (small(2, 4, 0, [1, 0, 0], cnt=[4, 0, -1]), "'cnt' is -1"),
        (small(2, 4, 0, [1, 0, 0], cnt=[4, 0, -2]), "count of orders"),
        (small(2, 4, 0, [1, 0, 0], last=[2, 0, -1]), "'last' is negative"),
        (small(2, 4, 0, [1, 0, 0], first=[2, 0, -7]), "'first' is negative"),
        (small(2, 4, 0, [1, 0, 0], first=[1, 0, 7]), "'first' has 1 values"),
        (small(2, 4, 0, [1, 0, 0], px_row=[1, 0, 0]), "stand aside"),
        (small(2, 4, 0, [1, 0, 0], len=[2, 0, 1]), "not as many levels as there are sides"),
    ],
)
def test_constants_that_can_not_be_are_refused(block: bytes, message: str | None) -> None:
    if message is None:
        assert len(decode_book(block)[2]) == 2
        return
    with pytest.raises(FormatError, match=message):
        decode_book(block)
