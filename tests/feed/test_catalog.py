"""The catalog: entries as bytes, the view of a log of them, and symbols as people type them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import (
    AmbiguousSymbolError,
    BadNameError,
    FormatError,
    UnknownSymbolError,
    UnknownVersionError,
    UsageError,
)
from tradercast.feed.catalog import Catalog
from tradercast.feed.entries import (
    FeedEntry,
    PublisherInfo,
    Segment,
    decode_entry,
    encode_entry,
    with_segment,
)
from tradercast.feeds import FeedId

TAIL, ARCHIVE = b"\x01" * 32, b"\x02" * 32
MAIN = Segment("main", 0, TAIL, ARCHIVE)
BTCUSD = FeedEntry(
    FeedId("bitfinex", "btcusd"),
    (MAIN,),
    native_symbol="tBTCUSD",
    base="BTC",
    quote="USD",
    type="spot",
    contract_size=Decimal(1),
    price_increment=Decimal("0.10"),
    size_increment=Decimal("1E-8"),
)

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
texts = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=40)
keys = st.binary(min_size=32, max_size=32)
segments = st.builds(Segment, names, st.integers(-(2**31) + 1, 2**31 - 1), keys, keys)
increments = st.none() | st.decimals("1e-20", "1e20", allow_nan=False, places=18)
entries = st.builds(
    FeedEntry,
    st.builds(FeedId, names, names, names),
    st.lists(segments, min_size=1, max_size=8, unique_by=lambda s: s.name).map(tuple),
    texts,
    texts,
    texts,
    texts,
    increments,
    increments,
    increments,
)


def of(*feeds: str, **fields: str) -> Catalog:
    return Catalog.of_blocks(
        encode_entry(FeedEntry(FeedId.parse(feed), (MAIN,), **fields)) for feed in feeds
    )


@given(entries)
def test_a_feed_entry_is_read_back(entry: FeedEntry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


@given(texts, texts, texts)
def test_a_publisher_entry_is_read_back(name: str, licence: str, url: str) -> None:
    info = PublisherInfo(name, licence, url)
    assert decode_entry(encode_entry(info)) == info


def test_equal_entries_are_equal_bytes_however_they_were_made() -> None:
    early = Segment("2023", -1, ARCHIVE, TAIL)
    one = replace(BTCUSD, segments=(MAIN, early))
    other = replace(BTCUSD, segments=(early, MAIN), price_increment=Decimal("0.1"))
    assert encode_entry(one) == encode_entry(other)
    fields = msgpack.unpackb(encode_entry(one))[2]
    assert list(fields) == sorted(fields)
    assert (fields["price_increment"], fields["size_increment"]) == ("0.1", "0.00000001")


def test_segments_are_in_reading_order() -> None:
    parts = [Segment(name, rank, TAIL, ARCHIVE) for name, rank in [("b", 0), ("c", -2), ("a", 0)]]
    entry = FeedEntry(BTCUSD.feed, tuple(parts))
    assert [segment.name for segment in entry.segments] == ["c", "a", "b"]
    assert entry.by_name("c").rank == -2
    with pytest.raises(UsageError) as refused:
        entry.by_name("d")
    assert refused.value.hint == "it has: c, a, b"


def test_history_that_is_loaded_later_is_read_earlier() -> None:
    entry = with_segment(None, BTCUSD.feed, "main", TAIL, ARCHIVE, base="BTC")
    entry = with_segment(entry, BTCUSD.feed, "2023", ARCHIVE, TAIL)
    entry = with_segment(entry, BTCUSD.feed, "2022", TAIL, TAIL, quote="USD")
    assert [(s.name, s.rank) for s in entry.segments] == [("2022", -2), ("2023", -1), ("main", 0)]
    assert (entry.base, entry.quote) == ("BTC", "USD")
    assert with_segment(entry, BTCUSD.feed, "2023", ARCHIVE, TAIL) == entry
    with pytest.raises(UsageError, match="another identity"):
        with_segment(entry, BTCUSD.feed, "2023", TAIL, TAIL)


def test_main_comes_last_even_if_history_was_first() -> None:
    entry = with_segment(None, BTCUSD.feed, "2023", ARCHIVE, TAIL)
    entry = with_segment(entry, BTCUSD.feed, "main", TAIL, ARCHIVE)
    assert [(s.name, s.rank) for s in entry.segments] == [("2023", -1), ("main", 0)]


def test_an_entry_that_makes_no_sense_is_not_made() -> None:
    for change in (
        {"segments": ()},
        {"segments": (MAIN, replace(MAIN, rank=1))},
        {"segments": tuple(replace(MAIN, name=f"s{n}") for n in range(257))},
        {"base": "x" * 1_025},
        {"base": "B\nTC"},
        {"base": 5},
        {"contract_size": Decimal(0)},
        {"contract_size": Decimal("-1")},
        {"contract_size": Decimal("NaN")},
        {"contract_size": Decimal("1e61")},
        {"contract_size": Decimal("1." + "1" * 60)},
        {"contract_size": 1.5},
    ):
        with pytest.raises(UsageError):
            replace(BTCUSD, **change)
    for change in ({"name": "../x"}, {"rank": 2**31}, {"rank": True}, {"tail_key": b"x"}):
        with pytest.raises(UsageError):
            replace(MAIN, **change)


def feed_block(**change: object) -> bytes:
    version, kind, fields = msgpack.unpackb(encode_entry(BTCUSD))
    return msgpack.packb([version, kind, {**fields, **change}])


@pytest.mark.parametrize(
    "block",
    [
        b"",
        msgpack.packb([]),
        msgpack.packb(["1", "feed", {}]),
        msgpack.packb([1, "feed"]),
        msgpack.packb([1, "feed", {}]),
        msgpack.packb([1, 5, {}]),
        msgpack.packb([1, "feed", {}, 0]),
        msgpack.packb({"version": 1}),
        feed_block(feed="bitfinex/../x"),
        feed_block(feed=5),
        feed_block(segments=[]),
        feed_block(segments=5),
        feed_block(segments=[["main", 0, TAIL]]),
        feed_block(segments=[["main", 0, TAIL, ARCHIVE]] * 300),
        feed_block(segments=[["main", 0, TAIL, "x" * 32]]),
        feed_block(price_increment="1e999999999"),
        feed_block(price_increment="one"),
        feed_block(price_increment="9" * 1000),
        feed_block(price_increment=1),
        feed_block(base=None),
        b"\x93" * 5_000,
        encode_entry(BTCUSD) + b"\0",
        encode_entry(BTCUSD)[:-1],
    ],
)
def test_a_block_of_another_shape_is_refused(block: bytes) -> None:
    with pytest.raises(FormatError) as refused:
        decode_entry(block)
    assert not isinstance(refused.value, UnknownVersionError)


def test_a_block_over_64_kib_is_refused() -> None:
    block = feed_block(later=b"x" * 65_536)
    with pytest.raises(FormatError, match="larger than 65536"):
        decode_entry(block)
    assert decode_entry(feed_block(later=b"x" * 60_000)) == BTCUSD


@given(st.binary(max_size=200))
def test_random_blocks_are_refused(block: bytes) -> None:
    with pytest.raises(FormatError):
        decode_entry(block)


def test_what_a_later_program_adds_is_ignored() -> None:
    assert decode_entry(feed_block(later={"a": [1]})) == BTCUSD
    longer = feed_block(segments=[["main", 0, TAIL, ARCHIVE, "later"]])
    assert decode_entry(longer) == BTCUSD
    for block in (msgpack.packb([2, "feed", 5]), msgpack.packb([1, "later", {}])):
        with pytest.raises(UnknownVersionError):
            decode_entry(block)


def test_the_last_entry_of_a_feed_counts_and_others_are_skipped() -> None:
    newer = replace(BTCUSD, price_increment=Decimal(1))
    other = FeedEntry(FeedId("binance", "btcusdt"), (MAIN,))
    catalog = Catalog.of_blocks(
        [
            encode_entry(PublisherInfo("First")),
            encode_entry(BTCUSD),
            b"garbage",
            encode_entry(other),
            msgpack.packb([2, "feed", {}]),
            encode_entry(newer),
            encode_entry(PublisherInfo("Bitfinex", "CC-BY-4.0", "https://example.org/terms")),
        ]
    )
    assert catalog.feeds() == [other, newer]
    assert catalog.get(BTCUSD.feed) == newer
    assert catalog.get(FeedId("no", "no")) is None
    assert catalog.publisher == PublisherInfo("Bitfinex", "CC-BY-4.0", "https://example.org/terms")
    assert (catalog.length, catalog.skipped) == (7, 2)


@pytest.mark.parametrize(
    "text",
    ["btcusd", "BTCUSD", "BTC/USD", "BTC-USD", "btc_usd", "tBTCUSD",
     "bitfinex/btcusd", "bitfinex/btcusd/trades"],
)  # fmt: skip
def test_a_symbol_is_found_in_every_spelling(text: str) -> None:
    catalog = of("bitfinex/btcusd/trades", "bitfinex/btcusd/book", "bitfinex/ethusd/trades")
    assert catalog.resolve(text) == FeedId("bitfinex", "btcusd", "trades")
    if text.count("/") < 2:
        assert catalog.resolve(text, channel="book") == FeedId("bitfinex", "btcusd", "book")


def test_the_exchanges_own_spelling_is_found() -> None:
    catalog = of("bitfinex/testbtctestusd", native_symbol="tTESTBTC:TESTUSD")
    assert catalog.resolve("tTESTBTC:TESTUSD").symbol == "testbtctestusd"
    catalog = of("kraken/btcusd", native_symbol="XXBTZUSD")
    assert catalog.resolve("XXBTZUSD").symbol == "btcusd"


def test_the_exact_name_wins_over_a_similar_one() -> None:
    catalog = of("binance-delivery/btcusd_perp", "other/btcusdperp")
    assert catalog.resolve("btcusd_perp").exchange == "binance-delivery"
    assert catalog.resolve("btcusdperp").exchange == "other"
    with pytest.raises(AmbiguousSymbolError):
        catalog.resolve("BTCUSD_PERP")


def test_an_ambiguous_symbol_lists_the_candidates() -> None:
    catalog = of("bitfinex/btcusd", "bitstamp/btcusd", "bitstamp/btcusd/book")
    with pytest.raises(AmbiguousSymbolError) as refused:
        catalog.resolve("BTC/USD")
    assert refused.value.message == (
        "'BTC/USD' may mean bitfinex/btcusd/trades, bitstamp/btcusd/trades"
    )
    assert "--exchange" in (refused.value.hint or "")
    assert catalog.resolve("BTC/USD", exchange="bitstamp").exchange == "bitstamp"
    assert catalog.resolve("btcusd", channel="book").exchange == "bitstamp"


def test_an_unknown_symbol_suggests_what_is_near() -> None:
    catalog = of("bitfinex/btcusd", "bitfinex/ethusd", "bitfinex/ltcusd/book")
    with pytest.raises(UnknownSymbolError) as refused:
        catalog.resolve("btcsud")
    assert refused.value.hint == "did you mean btcusd, ltcusd?"
    with pytest.raises(UnknownSymbolError) as refused:
        catalog.resolve("LTC/USD")
    assert refused.value.message == "there are no trades of 'LTC/USD'"
    assert refused.value.hint == "there is bitfinex/ltcusd/book"
    with pytest.raises(UnknownSymbolError, match="at kraken") as refused:
        catalog.resolve("btcusd", exchange="kraken")
    assert refused.value.hint == "there is bitfinex/btcusd/trades"
    with pytest.raises(UnknownSymbolError) as refused:
        Catalog().resolve("btcusd")
    assert "tradercast ls" in (refused.value.hint or "")


@pytest.mark.parametrize("text", ["../x", "", "a/b/c/d", "x" * 100, "btc\x00usd", "bitfinex/../x"])
def test_what_can_not_be_a_symbol_is_refused(text: str) -> None:
    with pytest.raises(BadNameError):
        of("bitfinex/btcusd").resolve(text)


@given(st.text(max_size=80))
def test_any_text_is_a_feed_or_a_clear_error(text: str) -> None:
    catalog = of("bitfinex/btcusd", "bitstamp/btcusd", "bitfinex/ethusd")
    try:
        found = catalog.resolve(text)
    except UsageError as error:
        assert len(error.message) < 300  # noqa: PT017
    else:
        assert catalog.get(found) is not None
