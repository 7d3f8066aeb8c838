"""Blocks that nobody signed, by a bad disk or a liar: never wrong data; another peer's, if any."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.commands import Machine, machine, serve_all
from support.feeds import market
from support.markets import publish
from support.rows import exported_rows
from support.stores import open_store
from support.tamper import forge

import tradercast
from tradercast.feed.identity import Identity
from tradercast.feeds import FeedId
from tradercast.log import line_fetch

FEED = FeedId("bitfinex", "btcusd")
TRADES = market(60_000, per_hour=9_000, jitter_s=0)  # six chunks by the hour, and a tail
CHUNK = 2
_PROBE = 48  # so many bytes of a block are found at one place only


@dataclass(frozen=True)
class Holders:
    """Who has the feed before anything happens to it; their data directories are not used."""

    publisher: Machine
    reader: Machine
    rows: list[tuple[str, ...]]


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holders]:
    root = tmp_path_factory.mktemp("holders")
    with machine(root / "publisher") as publisher, machine(root / "reader") as reader:
        publish(publisher, root / "market.csv", TRADES, symbol="btcusd")
        serving = publisher.serve()
        reader.sync(serving.link)
        rows = exported_rows(reader, str(FEED))
        serving.interrupt()
        serving.result()
        for each in (publisher, reader):
            each.rest()
        yield Holders(publisher, reader, rows)


@pytest.fixture
def copies(machines) -> Callable[[str, Machine], Machine]:
    """Make a machine that has what another one had."""

    def copy(name: str, source: Machine) -> Machine:
        made = machines(name)
        shutil.copytree(source.data_dir, made.data_dir)
        return made

    return copy


async def chunk_of(machine: Machine) -> bytes:
    """The bytes of a chunk that a publisher holds."""
    _, archive_key = Identity.load(machine.data_dir / "identity").segment_keys(FEED, "main")
    async with open_store(machine.data_dir) as store:
        block = await (await store.core(key=archive_key)).get(2 * CHUNK)
        assert block is not None
        return block


def flip_a_byte(machine: Machine) -> None:
    """Change one byte of a stored chunk, as a failing disk would."""
    block = asyncio.run(chunk_of(machine))
    for _ in range(2):  # what was in the write-ahead log is in a table after the next opening
        machine.rest()
        machine.run("info")
    machine.rest()
    needle = block[len(block) // 2 :][:_PROBE]
    for path in sorted((machine.data_dir / "store").rglob("*")):
        if path.suffix == ".log" or not path.is_file():
            continue
        data = bytearray(path.read_bytes())
        at = data.find(needle)
        if at >= 0:
            data[at + _PROBE // 2] ^= 1
            path.write_bytes(data)
            return
    raise AssertionError("the chunk is in no table of the store")


def test_a_flipped_byte_is_refused_and_the_block_comes_from_elsewhere(
    machines, copies, holders: Holders
) -> None:
    publisher = copies("publisher", holders.publisher)
    second = copies("second", holders.reader)
    alone, lucky = map(machines, ("alone", "lucky"))
    flip_a_byte(publisher)
    [bad] = serve_all([publisher])

    # nobody else has it: the rest comes, what is missing is named, nothing wrong is kept
    synced = alone.sync(bad.link, code=3, timeout_s=90)
    assert not synced["complete"]
    assert len(synced["missing"]) == 1
    assert 0 < synced["records"] < len(TRADES)
    assert alone.fails(3, "export", str(FEED), "--out", alone.root / "x.csv")["code"] == (
        "MISSING_DATA"
    )
    assert alone.verify()

    # another peer has it: everything comes
    good = second.serve(bootstrap=bad.dht)
    synced = lucky.sync(bad.link, f"--peer={good.peer}", timeout_s=90)
    assert synced["complete"]
    assert exported_rows(lucky, str(FEED)) == holders.rows
    assert len(holders.rows) == len(TRADES)
    assert lucky.verify()


def test_a_forged_block_is_refused_and_said_and_had_from_another_peer(
    machines, copies, holders: Holders
) -> None:
    publisher, liar = copies("publisher", holders.publisher), copies("liar", holders.reader)
    reader = machines("reader")
    forge(liar)
    lying = liar.serve()

    # only the liar is there
    command = reader.start("sync", lying.link, "--patience", "5s")
    [refused] = command.result(3)
    assert refused["refused_blocks"] >= 1
    assert refused["missing"]
    assert "does not match the publisher's signature" in command.stderr
    reader.verify()

    # somebody honest is there too
    honest = publisher.serve(bootstrap=lying.dht)
    synced = reader.sync(honest.link)
    assert synced["complete"]
    assert exported_rows(reader, str(FEED)) == holders.rows
    reader.verify()


def test_a_load_over_lines_has_a_forged_block_from_another_peer(
    copies, holders: Holders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, liar = copies("publisher", holders.publisher), copies("liar", holders.reader)
    forge(liar)
    lying = liar.serve()
    honest = publisher.serve(bootstrap=lying.dht)
    monkeypatch.setattr(line_fetch, "LEAST_BYTES", 0)

    with tradercast.connect(tmp_path / "reader", link=honest.link) as client:
        loaded = client.trades(str(FEED), sync=True).to_numpy(price_type="fixed")
        verified = client.verify(str(FEED))

    assert loaded["ts_event"].tolist() == TRADES.ts_event.tolist()
    assert {log.name for log in verified} >= {"main/archive", "main/tail"}


def test_verify_drops_a_forged_block_and_a_sync_fetches_it_anew(copies, holders: Holders) -> None:
    publisher, reader = copies("publisher", holders.publisher), copies("reader", holders.reader)
    serving = publisher.serve()
    forge(reader)

    error = reader.fails(5, "verify")
    reader.fails(3, "export", str(FEED), "--out", reader.root / "x.csv")
    synced = reader.sync(serving.link)

    assert error["code"] == "VERIFICATION_FAILED"
    assert "main/archive" in error["message"]
    assert "dropped" in error["hint"]
    assert synced["complete"]
    assert 0 < synced["fetched_bytes"] < 100_000
    reader.verify()


def test_verify_says_that_the_disk_has_damaged_a_block(copies, holders: Holders) -> None:
    publisher = copies("publisher", holders.publisher)
    flip_a_byte(publisher)

    error = publisher.fails(5, "verify")

    assert "damaged on the disk" in error["message"]
