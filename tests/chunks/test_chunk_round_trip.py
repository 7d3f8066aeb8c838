"""Chunks: every run of records comes back exactly, and has one encoding only."""

import re
from decimal import Decimal

import numpy as np
import pcodec
import pytest
from chunk_strategies import FEED, LAST, trades
from hypothesis import given
from hypothesis import strategies as st

from tradercast.chunks import (
    ENCODER,
    TailInfo,
    TradeBuffers,
    decode_header,
    decode_trades,
    decode_trades_into,
    encode_trades,
)
from tradercast.errors import EncodeError, UsageError
from tradercast.feeds import FeedId
from tradercast.records import NO_TIME, Decimals, Ids, Kind, Notes, Trades


def simple(count: int, **columns: object) -> Trades:
    plain = {
        "ts_event": np.arange(count, dtype=np.int64) * 1_000_000,
        "price": Decimals.from_ints(np.arange(count) % 7 + 100, -2),
        "size": Decimals.from_ints(np.ones(count, np.int64)),
        "side": np.zeros(count, np.uint8),
    }
    return Trades(**(plain | columns))


def encoded(run: Trades, first_seq: int = 0) -> bytes:
    return encode_trades(run, feed=FEED, first_seq=first_seq, running_max_ns=LAST)


@given(trades())
def test_every_run_comes_back_exactly(run: Trades) -> None:
    header, decoded = decode_trades(encoded(run))

    assert decoded.equals(run)
    assert decoded.price.to_decimals() == run.price.to_decimals()
    assert decoded.size.to_strings() == run.size.to_strings()
    assert (header.count, header.first_seq, header.end_seq) == (len(run), 0, len(run))
    assert (header.min_ns, header.max_ns) == run.span()


@given(trades(), st.integers(0, 12))
def test_the_same_records_built_in_another_way_give_the_same_bytes(run: Trades, zeros: int) -> None:
    ids = None if run.trade_id is None else Ids.from_strings(run.trade_id.to_strings())
    half = len(run) // 2
    absent = np.full(len(run), NO_TIME, np.int64)
    other = Trades(
        run.ts_event.copy(),
        Decimals.from_decimals(
            [
                Decimal(f"{text}{'' if '.' in text else '.'}{'0' * zeros}")
                for text in run.price.to_strings()
            ]
        ),
        Decimals.concat([run.size[:half], run.size[half:]]),
        run.side[::-1].copy()[::-1],
        absent if run.ts_recv is None else run.ts_recv,
        Ids.absent(len(run)) if ids is None else ids,
        run.notes,
    )

    assert encoded(other) == encoded(run)
    assert encoded(Trades.concat([run[:half], run[half:]])) == encoded(run)


@given(trades(), trades(), st.integers(-3, 3))
def test_chunks_decode_side_by_side_into_common_buffers(one: Trades, two: Trades, up: int) -> None:
    blocks = [encoded(one), encoded(two)]
    headers = [decode_header(block) for block in blocks]
    buffers = TradeBuffers.allocate(
        len(one) + len(two),
        price_exponent=min(header.price_exponent for header in headers) + up,
        size_exponent=min(header.size_exponent for header in headers),
    )

    decode_trades_into(blocks[1], buffers, len(one))
    decode_trades_into(blocks[0], buffers, 0)

    assert buffers.trades().equals(Trades.concat([one, two]))


def test_buffers_take_only_the_columns_they_have() -> None:
    run = simple(3, ts_recv=np.array([5, 6, 7]), trade_id=Ids.from_strings(["a", "2", None]))
    buffers = TradeBuffers.allocate(
        3, price_exponent=-2, size_exponent=0, with_recv=False, with_ids=False
    )

    decode_trades_into(encoded(run), buffers, 0)

    assert buffers.trades().equals(simple(3))


def test_buffers_without_room_are_refused() -> None:
    buffers = TradeBuffers.allocate(3, price_exponent=0, size_exponent=0)
    for at in (-1, 2):
        with pytest.raises(UsageError, match="do not fit"):
            decode_trades_into(encoded(simple(2)), buffers, at)


def test_the_header_says_what_it_was_told() -> None:
    tail = TailInfo(open_seq=5, open_block=2, open_min_ns=-7, open_max_ns=9)
    block = encode_trades(
        simple(3), feed=FEED, first_seq=40, running_max_ns=3_000_000, chain=b"c" * 16, tail=tail,
        message=12,
    )  # fmt: skip

    header = decode_header(block)

    assert header.feed == FEED
    assert (header.first_seq, header.count, header.end_seq) == (40, 3, 43)
    assert (header.min_ns, header.max_ns, header.running_max_ns) == (0, 2_000_000, 3_000_000)
    assert (header.chain, header.tail, header.message) == (b"c" * 16, tail, 12)
    assert (header.price_exponent, header.size_exponent) == (-2, 0)
    assert (header.version, header.encoder) == (1, ENCODER)


def test_the_header_tells_which_columns_and_how_many_notes_there_are() -> None:
    plain = decode_header(encoded(simple(3)))
    full = decode_header(
        encoded(
            simple(
                3,
                ts_recv=np.array([5, NO_TIME, 7]),
                trade_id=Ids.from_strings(["a", "2", None]),
                notes=Notes.of([(0, Kind.GAP, 1, 2, NO_TIME), (2, Kind.BUST, 0, 0, 0)]),
            )
        )
    )

    assert (plain.has_recv, plain.has_ids, plain.notes) == (False, False, 0)
    assert (full.has_recv, full.has_ids, full.notes) == (True, True, 2)


def test_constant_columns_cost_nothing() -> None:
    noisy = simple(20_000)
    sided = simple(20_000, side=np.full(20_000, 1, np.uint8))
    absent = simple(20_000, trade_id=Ids.absent(20_000), ts_recv=np.full(20_000, NO_TIME, np.int64))

    assert len(encoded(sided)) <= len(encoded(noisy)) + 20
    assert encoded(absent) == encoded(noisy)


def test_milliseconds_in_ns_cost_what_they_cost_in_ms() -> None:
    steps = np.random.default_rng(7).integers(0, 90, 20_000).cumsum()
    as_ms = simple(20_000, ts_event=steps)
    as_ns = simple(20_000, ts_event=steps * 1_000_000)

    assert len(encoded(as_ns)) <= len(encoded(as_ms)) + 16


def test_uuids_cost_under_sixteen_bytes() -> None:
    raw = np.random.default_rng(1).bytes(16 * 10_000).hex()
    rows = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    uuids = [f"{r[:8]}-{r[8:12]}-4{r[13:16]}-{r[16:20]}-{r[20:]}" for r in rows]
    run = simple(10_000, trade_id=Ids.from_strings(uuids))

    block = encoded(run)

    assert (len(block) - len(encoded(simple(10_000)))) / 10_000 < 16
    decoded = decode_trades(block)[1]
    assert decoded.trade_id is not None
    assert decoded.trade_id.to_strings() == uuids


def test_many_values_that_fit_no_exponent_come_back() -> None:
    texts = ["1000000000000", "0.000000000000000001", "123456789012345678.9"] * 500
    run = simple(1_500, size=Decimals.from_strings(texts), price=Decimals.from_strings(texts[::-1]))

    decoded = decode_trades(encoded(run))[1]

    assert decoded.size.to_strings() == texts
    assert decoded.price.to_strings() == texts[::-1]


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (Trades.empty(), "1 to 65536 records, not 0"),
        (simple(65_537), "not 65537"),
        (simple(3, ts_event=np.array([1, 2, NO_TIME])), "record 102 has no ts_event"),
        (simple(3, side=np.array([0, 3, 1], np.uint8)), "record 101 has a side"),
        (simple(2, trade_id=Ids(np.array([1, -5]))), "record 101 has a negative id"),
        (simple(2, trade_id=Ids(np.array([1, -1]), {1: "x" * 129})), "record 101 has an id"),
        (simple(2, price=Decimals(np.zeros(2, np.int64), 0, {1: Decimal("NaN")})), "record 101"),
    ],
)
def test_what_no_chunk_can_hold_is_refused_with_its_number(run: Trades, what: str) -> None:
    with pytest.raises(EncodeError, match=re.escape(what)):
        encoded(run, first_seq=100)


def test_nonsense_about_the_chunk_is_refused() -> None:
    book = FeedId("bitfinex", "btcusd", "book")
    with pytest.raises(EncodeError, match="no feed of trades"):
        encode_trades(simple(1), feed=book, first_seq=0, running_max_ns=0)
    with pytest.raises(EncodeError, match="running maximum"):
        encode_trades(simple(3), feed=FEED, first_seq=0, running_max_ns=1)
    with pytest.raises(EncodeError, match="first seq"):
        encode_trades(simple(3), feed=FEED, first_seq=-1, running_max_ns=LAST)
    with pytest.raises(EncodeError, match="16 bytes"):
        encode_trades(simple(1), feed=FEED, first_seq=0, running_max_ns=0, chain=b"x")


def test_another_pcodec_may_not_write(monkeypatch: pytest.MonkeyPatch) -> None:
    block = encoded(simple(3))
    monkeypatch.setattr(pcodec, "__version__", "1.2.0")

    with pytest.raises(EncodeError, match=r"pco-1\.2\.0 is installed"):
        encoded(simple(3))
    assert decode_trades(block)[1].equals(simple(3))
