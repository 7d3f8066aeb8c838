"""The Python client against a publisher in another process: what it gives, and what it refuses."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.markets import (
    BINANCE_BTCUSD,
    BTCUSD,
    ETHUSD,
    Publisher,
    between,
    publish,
    publisher_of,
)

import tradercast
from tradercast.client.api import AsyncClient
from tradercast.client.client import Client
from tradercast.errors import (
    AmbiguousSymbolError,
    BadNameError,
    LinkError,
    NoPeerError,
    UnknownSymbolError,
    UsageError,
)
from tradercast.records import Trades
from tradercast.timerange import NS_PER_DAY, NS_PER_HOUR, parse_time_ns

MIDNIGHT = parse_time_ns("2024-01-06")
HOUR = (MIDNIGHT, MIDNIGHT + NS_PER_HOUR)


# --- ranges -----------------------------------------------------------------------------------


def test_a_range_has_the_rows_of_the_source(client: Client) -> None:
    result = client.trades("bitfinex/btcusd", *HOUR)

    expected = between(BTCUSD, *HOUR)
    assert len(expected) == 9_000
    assert result.trades.equals(expected)
    assert (
        result.seq.tolist()
        == np.flatnonzero((BTCUSD.ts_event >= HOUR[0]) & (BTCUSD.ts_event < HOUR[1])).tolist()
    )
    assert result.gaps == ()


def test_without_a_range_everything_comes(client: Client) -> None:
    assert client.trades("bitfinex/btcusd").trades.equals(BTCUSD)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-06", "2024-01-06T01:00"),
        ("2024-01-06T00:00:00Z", "2024-01-06T02:00:00+01:00"),
        (HOUR[0], HOUR[1]),
        (str(HOUR[0]), str(HOUR[1])),
        (dt.date(2024, 1, 6), dt.datetime(2024, 1, 6, 1)),
        (dt.datetime(2024, 1, 6), dt.datetime(2024, 1, 6, 1, tzinfo=dt.UTC)),
        (
            dt.datetime(2024, 1, 5, 19, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
            pd.Timestamp("2024-01-06T01:00Z"),
        ),
        (np.int64(HOUR[0]), np.datetime64("2024-01-06T01:00")),
    ],
    ids=["date", "zone", "ns", "ns text", "naive", "mixed", "objects", "numpy"],
)
def test_times_are_told_in_many_ways(client: Client, start: object, end: object) -> None:
    result = client.trades("bitfinex/btcusd", start, end)  # type: ignore[arg-type]

    assert len(result) == 9_000
    assert int(result.trades.ts_event[0]) == int(between(BTCUSD, *HOUR).ts_event[0])


@pytest.mark.parametrize("start", ["yesterday", True, 1.5, "2024-13-01"])
def test_what_is_no_time_is_refused(client: Client, start: object) -> None:
    with pytest.raises(UsageError, match="not a time"):
        client.trades("bitfinex/btcusd", start)  # type: ignore[arg-type]


def test_a_range_that_ends_before_it_starts_is_refused(client: Client) -> None:
    with pytest.raises(UsageError, match=r"ends .* before it starts"):
        client.trades("bitfinex/btcusd", "2024-01-06", "2024-01-05")


@pytest.mark.parametrize("day", ["2023-01-01", "2024-01-05"])
def test_a_range_without_records_is_empty(client: Client, day: str) -> None:
    result = client.trades("bitfinex/btcusd", day, f"{day}T01:00")

    assert (len(result), result.gaps) == (0, ())
    assert result.to_pandas().index.name == "ts_event"
    assert result.to_polars().height == result.to_arrow().num_rows == 0


def test_batches_are_the_same_rows_again(client: Client) -> None:
    batches = list(client.iter_trades("bitfinex/btcusd", "2024-01-05T23:30", MIDNIGHT + NS_PER_DAY))

    whole = client.trades("bitfinex/btcusd", "2024-01-05T23:30", MIDNIGHT + NS_PER_DAY)
    assert len(batches) > 2
    assert Trades.concat([batch.trades for batch in batches]).equals(whole.trades)
    assert np.concatenate([batch.seq for batch in batches]).tolist() == whole.seq.tolist()
    assert {str(batch.origin.feed) for batch in batches} == {"bitfinex/btcusd/trades"}


def test_one_may_stop_in_the_middle_of_the_batches(client: Client) -> None:
    first = next(iter(client.iter_trades("bitfinex/btcusd")))
    assert first.trades.equals(BTCUSD[: len(first)])
    assert len(client.trades("bitfinex/btcusd", *HOUR)) == 9_000


# --- symbols ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "binance/btcusd",
        "binance/btcusd/trades",
        "{link}/binance/btcusd",
        "{link}/binance/btcusd/trades",
    ],
)
def test_a_feed_is_named_in_full(client: Client, publisher: Publisher, text: str) -> None:
    key, _, query = publisher.link.partition("?")
    text = text.replace("{link}", key) + (f"?{query}" if "{link}" in text else "")
    assert client.trades(text).trades.equals(BINANCE_BTCUSD)


@pytest.mark.parametrize("text", ["btcusd", "BTCUSD", "BTC/USD", "BTC-USD", "btc_usd", "tBTCUSD"])
def test_a_symbol_is_spelt_in_many_ways(client: Client, text: str) -> None:
    assert client.trades(text, exchange="binance").trades.equals(BINANCE_BTCUSD)


def test_an_ambiguous_symbol_lists_what_it_may_mean(client: Client) -> None:
    with pytest.raises(AmbiguousSymbolError) as caught:
        client.trades("btcusd")
    assert "binance/btcusd/trades, bitfinex/btcusd/trades" in str(caught.value)
    assert caught.value.hint


def test_an_unknown_symbol_is_answered_with_near_ones(client: Client) -> None:
    with pytest.raises(UnknownSymbolError, match="btcusx") as caught:
        client.trades("btcusx")
    assert "btcusd" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["../x", "", "a\nb", "x" * 200])
def test_what_can_not_be_a_symbol_is_refused(client: Client, text: str) -> None:
    with pytest.raises((BadNameError, UnknownSymbolError, AmbiguousSymbolError)) as caught:
        client.trades(text)
    assert len(str(caught.value)) < 300


def test_a_wrong_link_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(LinkError):
        tradercast.connect(tmp_path / "data", link="tradercast://nobody")
    assert not (tmp_path / "data").exists()


def test_without_any_publisher_it_says_what_to_do(tmp_path: Path) -> None:
    with tradercast.connect(tmp_path / "data") as client:
        with pytest.raises(UsageError, match="no publisher is known yet") as caught:
            client.trades("btcusd")
        assert "--from" in (caught.value.hint or "")


# --- feeds, sync, gaps, verify, follow -----------------------------------------------------------


def test_feeds_lists_the_catalog(client: Client) -> None:
    names = ["binance/btcusd/trades", "bitfinex/btcusd/trades", "bitfinex/ethusd/trades"]
    assert sorted(str(entry.feed) for entry in client.feeds()) == names
    assert sorted(str(entry.feed) for entry in client.feeds(sync=True)) == names


def test_sync_fetches_once_and_tells_how_far_it_is(publisher: Publisher, tmp_path: Path) -> None:
    steps = []
    with tradercast.connect(tmp_path / "data", link=publisher.link) as client:
        assert client.feeds(sync=True)
        first = client.sync("bitfinex/btcusd", *HOUR, on_progress=steps.append)
        again = client.sync("bitfinex/btcusd", *HOUR)
        partial = client.gaps("bitfinex/btcusd")
        logs = client.verify("bitfinex/btcusd")

    assert first.complete
    assert first.records >= 9_000
    assert first.fetched_bytes > 9_000
    assert first.end_seq == {"main": len(BTCUSD)}
    assert (again.records, again.fetched_bytes) == (first.records, 0)
    assert steps
    assert steps[-1].records == steps[-1].total_records == first.records
    assert all(a.records <= b.records for a, b in itertools.pairwise(steps))
    # what is not here is known, by its times
    assert partial.gaps == []
    assert partial.not_here
    assert all(end <= HOUR[0] or start >= HOUR[1] for start, end in partial.not_here)
    assert partial.not_here[0][0] == int(BTCUSD.ts_event[0])
    assert {log.name for log in logs} == {"catalog", "main/archive", "main/tail"}
    assert all(0 < log.blocks <= log.length for log in logs if log.name != "main/tail")


def test_gaps_of_a_feed_that_is_all_here(client: Client) -> None:
    found = client.gaps("bitfinex/btcusd", *HOUR)
    assert (found.gaps, found.not_here, found.records) == ([], [], 9_000)


def test_follow_from_a_time_on_begins_with_what_is_there(
    publisher: Publisher, tmp_path: Path
) -> None:
    with tradercast.connect(tmp_path / "data", link=publisher.link) as client:
        rows = 0
        for piece in client.follow("ethusd", start="2024-01-05"):
            assert piece.seq.tolist() == list(range(rows, rows + len(piece.trades)))
            assert piece.trades.equals(ETHUSD[rows : rows + len(piece.trades)])
            rows += len(piece.trades)
            if rows == len(ETHUSD):
                break
        assert len(client.trades("ethusd", sync=False)) == len(ETHUSD)


async def test_follow_gives_each_new_record_once(tmp_path: Path) -> None:
    feeds = {("bitfinex", "btcusd"): BTCUSD[:1_000]}
    with publisher_of(tmp_path / "publisher", feeds) as live:
        async with tradercast.aio.connect(tmp_path / "data", link=live.link) as client:
            stream = client.follow("btcusd")
            first = asyncio.ensure_future(anext(stream))
            pieces, rows = [], 1_000
            for end in (1_001, 1_400, 9_000):
                await asyncio.to_thread(
                    publish, live.machine, tmp_path / "longer.csv", BTCUSD[:end], symbol="btcusd"
                )
                while rows < end:
                    piece = await asyncio.wait_for(first, 20)
                    first = asyncio.ensure_future(anext(stream))
                    assert piece.seq.tolist() == list(range(rows, rows + len(piece.trades)))
                    pieces.append(piece.trades)
                    rows += len(piece.trades)
            first.cancel()
            await asyncio.wait([first])
            assert Trades.concat(pieces).equals(BTCUSD[1_000:9_000])
            assert len(await client.trades("btcusd")) == 9_000


def test_a_peer_may_be_named_instead_of_asking_the_directory(
    publisher: Publisher, tmp_path: Path
) -> None:
    link = publisher.link.partition("?")[0]
    with tradercast.connect(tmp_path / "data", link=link, peers=[publisher.serving.peer]) as client:
        assert len(client.trades("ethusd")) == 2_000


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1", "127.0.0.1:99999"])
def test_a_wrong_address_is_refused_at_once(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError):
        tradercast.connect(tmp_path / "data", peers=[address])


def test_nobody_there_is_an_error_that_says_who_was_asked(
    publisher: Publisher, tmp_path: Path
) -> None:
    link = f"{publisher.link.partition('?')[0]}?bootstrap=127.0.0.1:9"
    with (
        tradercast.connect(tmp_path / "data", link=link) as client,
        pytest.raises(NoPeerError, match=r"127\.0\.0\.1:9"),
    ):
        client.trades("ethusd")


# --- the twin ---------------------------------------------------------------------------------


def test_both_twins_have_the_same_methods_and_arguments() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: [
                f"{parameter.kind.name} {parameter.name}"
                + ("" if callable(parameter.default) else f"={parameter.default!r}")
                for parameter in inspect.signature(method).parameters.values()
            ]
            for name, method in inspect.getmembers(kind)
            if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_"))
        }

    assert methods(Client) == methods(AsyncClient)
    assert set(methods(Client)) >= {"trades", "iter_trades", "replay", "follow", "sync", "gaps"}
    documented = {name: inspect.getdoc(getattr(AsyncClient, name)) for name in methods(Client)}
    assert documented == {name: inspect.getdoc(getattr(Client, name)) for name in methods(Client)}


async def test_the_asynchronous_twin_gives_the_same(
    filled: Path, publisher: Publisher, tmp_path: Path
) -> None:
    async with tradercast.aio.connect(filled, link=publisher.link) as client:
        result = await client.trades("bitfinex/btcusd", *HOUR)
        batches = [batch async for batch in client.iter_trades("bitfinex/btcusd", *HOUR)]
        feeds = await client.feeds()
        gaps = await client.gaps("bitfinex/btcusd", *HOUR)
        logs = await client.verify("bitfinex/btcusd")
        with pytest.raises(AmbiguousSymbolError):
            await client.trades("btcusd")
    assert result.trades.equals(between(BTCUSD, *HOUR))
    assert Trades.concat([batch.trades for batch in batches]).equals(result.trades)
    assert len(feeds) == 3
    assert (gaps.records, gaps.not_here) == (9_000, [])
    assert [log.name for log in logs] == ["catalog", "main/archive", "main/tail"]

    async with tradercast.aio.connect(tmp_path / "data", link=publisher.link) as client:
        synced = await client.sync("ethusd")
        async for piece in client.follow("ethusd", start="2024-01-05"):
            assert piece.trades.equals(ETHUSD[: len(piece.trades)])
            break
    assert (synced.complete, synced.records) == (True, 2_000)


async def test_several_reads_at_once_do_not_disturb_each_other(
    publisher: Publisher, tmp_path: Path
) -> None:
    async with tradercast.aio.connect(tmp_path / "data", link=publisher.link) as client:
        both = await asyncio.gather(
            client.trades("ethusd"),
            client.trades("bitfinex/btcusd", *HOUR),
            client.trades("binance/btcusd"),
        )
    assert [len(result) for result in both] == [2_000, 9_000, 500]


# --- what comes out ---------------------------------------------------------------------------


def test_results_are_taken_by_other_libraries(client: Client) -> None:
    result = client.trades("bitfinex/btcusd", *HOUR)
    prices = between(BTCUSD, *HOUR).price.to_float()

    table = pa.table(result)
    assert table.column_names == ["ts_event", "ts_recv", "trade_id", "side", "price", "size"]
    assert table["price"].to_numpy().tolist() == prices.tolist()

    frame = pl.DataFrame(result)
    assert frame.with_columns(pl.col("side").cast(str)).equals(
        result.to_polars().with_columns(pl.col("side").cast(str))
    )
    assert frame["ts_event"].dtype == pl.Datetime("ns", "UTC")
    assert frame["price"].to_list() == prices.tolist()

    other = result.to_pandas()
    assert str(other.index.dtype) == "datetime64[ns, UTC]"
    assert other.index.name == "ts_event"
    assert other["price"].tolist() == prices.tolist()
    assert other.index[0].value == int(result.trades.ts_event[0])

    columns = result.to_numpy("str")
    assert columns["price"][0] == between(BTCUSD, *HOUR).price.to_strings()[0]
    assert columns["ts_event"].dtype == np.int64


def test_a_manifest_says_where_it_is_from(client: Client, publisher: Publisher) -> None:
    manifest = client.trades("bitfinex/btcusd", *HOUR).manifest()
    assert manifest["feed"] == "bitfinex/btcusd/trades"
    assert (manifest["start"], manifest["end"]) == ("2024-01-06T00:00:00Z", "2024-01-06T01:00:00Z")
    assert manifest["records"] == 9_000
    assert manifest["root"] in publisher.link
    assert [point["length"] > 0 for point in manifest["checkpoints"]] == [True, True]
    assert client.trades("bitfinex/btcusd", *HOUR).manifest() == manifest
