"""The catalog's log: read as far as it is known, appended to by one writer or by several."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from tradercast.errors import (
    ForkError,
    FormatError,
    IncompleteError,
    UsageError,
    VerificationError,
    WriterConflictError,
)
from tradercast.feed.catalog import Catalog
from tradercast.feed.catalog_log import CatalogWriter, load_catalog
from tradercast.feed.checkpoint_store import CheckpointStore
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.entries import FeedEntry, PublisherInfo, Segment, decode_entry, encode_entry
from tradercast.feed.incident_files import IncidentFiles
from tradercast.feed.witness import Witness
from tradercast.feeds import FeedId
from tradercast.log import AppendResult, Checkpoint, CoreInfo

SIGNER = SigningKey(b"\x05" * 32)
KEYS = (b"\x01" * 32, b"\x02" * 32)
BTC, ETH, XRP = (FeedId("bitfinex", symbol) for symbol in ("btcusd", "ethusd", "xrpusd"))
SignLog = Callable[..., LogCheckpoint]


def entry(feed: FeedId, **fields: str) -> FeedEntry:
    return FeedEntry(feed, (Segment("main", 0, *KEYS),), **fields)


class MemoryLog:
    """A log in memory with the manners of `tradercast.log.Core`, shared by its writers.

    `before_append` runs in the moment before an append is decided, where a sibling's may fall.
    """

    def __init__(self, sign_log: SignLog, blocks: Sequence[bytes] = ()) -> None:
        self._sign_log = sign_log
        self.blocks: list[bytes] = list(blocks)
        self.held = len(self.blocks)
        self.key = sign_log(SIGNER, [b"any"]).key
        self.writable = True
        self.recovering = False
        self.appends = 0
        self.before_append: Callable[[], None] = lambda: None

    async def info(self) -> CoreInfo:
        length = len(self.blocks)
        return CoreInfo(length, 0, self.held, 0, 0, length, self.recovering)

    async def update(self, timeout_s: float) -> CoreInfo:
        return await self.info()

    async def recover(self) -> None:
        self.recovering = False

    async def append(self, blocks: Sequence[bytes], expect_length: int) -> AppendResult:
        self.before_append()
        if self.recovering or len(self.blocks) != expect_length:
            return AppendResult(len(self.blocks), False)
        self.blocks += blocks
        self.held = len(self.blocks)
        self.appends += 1
        return AppendResult(len(self.blocks), True)

    async def checkpoint(self) -> Checkpoint:
        return self._sign_log(SIGNER, self.blocks).state

    async def read(
        self, ranges: Sequence[tuple[int, int]], wait: bool = True, stall_s: float = 20.0
    ) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        for start, end in ranges:
            for index in range(start, end):
                held = wait or index < self.held
                yield [(index, self.blocks[index] if held else None)]


@pytest.fixture
def log(sign_log: SignLog) -> MemoryLog:
    return MemoryLog(sign_log)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return make_witness(tmp_path)


def make_witness(directory: Path) -> Witness:
    for name in ("checkpoints", "incidents"):
        (directory / name).mkdir(exist_ok=True)
    store = CheckpointStore(directory / "checkpoints")
    return Witness(store, IncidentFiles(directory / "incidents"), lambda: 0)


async def test_a_reader_folds_what_is_there_and_later_only_what_is_new(log: MemoryLog) -> None:
    log.blocks = [encode_entry(PublisherInfo("Bitfinex")), b"garbage", encode_entry(entry(BTC))]
    catalog = await load_catalog(log)
    assert catalog.feeds() == [entry(BTC)]
    assert (catalog.length, catalog.skipped) == (3, 1)

    log.blocks.append(encode_entry(entry(ETH)))

    assert await load_catalog(log, catalog) is catalog
    assert catalog.feeds() == [entry(BTC), entry(ETH)]
    assert (await load_catalog(log, catalog)).length == 4


async def test_without_waiting_only_the_held_beginning_is_read(log: MemoryLog) -> None:
    log.blocks = [encode_entry(entry(feed)) for feed in (BTC, ETH, XRP)]
    log.held = 2
    assert (await load_catalog(log, wait=False)).feeds() == [entry(BTC), entry(ETH)]


async def test_a_catalog_without_end_is_not_read(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradercast.feed.catalog_log.MAX_BLOCKS", 2)
    log.blocks = [b"x"] * 3
    with pytest.raises(FormatError, match="3 entries"):
        await load_catalog(log)


async def test_a_hole_is_not_skipped(log: MemoryLog) -> None:
    log.blocks = [encode_entry(entry(feed)) for feed in (BTC, ETH)]
    log.held = 2

    async def read(*_: object, **__: object) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        yield [(0, None), (1, log.blocks[1])]

    log.read = read  # type: ignore[method-assign]
    with pytest.raises(IncompleteError, match="entry 0"):
        await load_catalog(log, wait=False)


async def test_a_writer_appends_in_the_order_of_names_and_never_twice(
    log: MemoryLog, witness: Witness
) -> None:
    writer = CatalogWriter(log, witness)
    await writer.put(entry(ETH), PublisherInfo("Bitfinex"), entry(BTC))
    await writer.put(entry(BTC), entry(ETH))
    await CatalogWriter(log, witness).put(PublisherInfo("Bitfinex"), entry(ETH))
    assert [decode_entry(block) for block in log.blocks] == [
        PublisherInfo("Bitfinex"),
        entry(BTC),
        entry(ETH),
    ]
    assert log.appends == 1


async def test_a_changed_entry_is_appended_and_counts(log: MemoryLog, witness: Witness) -> None:
    writer = CatalogWriter(log, witness)
    await writer.put(entry(BTC))
    catalog = await writer.put(entry(BTC, base="BTC"))
    assert catalog.feeds() == [entry(BTC, base="BTC")]
    assert (await load_catalog(log)).feeds() == catalog.feeds()
    assert len(log.blocks) == 2


async def test_each_append_is_kept_as_a_checkpoint(
    log: MemoryLog, witness: Witness, tmp_path: Path
) -> None:
    await CatalogWriter(log, witness).put(entry(BTC), entry(ETH))
    kept = CheckpointStore(tmp_path / "checkpoints").get(log.key)
    assert kept is not None
    assert kept.length == 2


async def test_what_a_sibling_wrote_in_between_is_taken_in(
    log: MemoryLog, witness: Witness
) -> None:
    def sibling() -> None:
        log.before_append = lambda: None
        log.blocks.append(encode_entry(entry(BTC)))

    log.before_append = sibling
    catalog = await CatalogWriter(log, witness).put(entry(BTC), entry(ETH))
    assert [decode_entry(block) for block in log.blocks] == [entry(BTC), entry(ETH)]
    assert catalog.length == 2


async def test_a_sibling_without_end_is_named(log: MemoryLog, witness: Witness) -> None:
    log.before_append = lambda: log.blocks.append(b"more")
    with pytest.raises(WriterConflictError):
        await CatalogWriter(log, witness).put(entry(BTC))


async def test_a_segment_gets_its_rank_from_what_is_there_at_last(
    log: MemoryLog, witness: Witness
) -> None:
    writer = CatalogWriter(log, witness)
    main = await writer.put_segment(BTC, "main", *KEYS, base="BTC")
    assert (main.name, main.rank) == ("main", 0)

    def sibling() -> None:
        log.before_append = lambda: None
        early = (Segment("main", 0, *KEYS), Segment("2023", -1, *KEYS))
        log.blocks.append(encode_entry(FeedEntry(BTC, early, base="BTC")))

    log.before_append = sibling
    assert (await writer.put_segment(BTC, "2022", *KEYS)).rank == -2

    found = (await load_catalog(log)).get(BTC)
    assert found is not None
    assert [segment.name for segment in found.segments] == ["2022", "2023", "main"]
    assert found.base == "BTC"
    blocks = len(log.blocks)
    assert (await writer.put_segment(BTC, "2023", *KEYS)).rank == -1
    assert len(log.blocks) == blocks


async def test_a_log_that_lost_its_end_is_not_appended_to(
    log: MemoryLog, witness: Witness, tmp_path: Path
) -> None:
    await CatalogWriter(log, witness).put(entry(BTC), entry(ETH))
    log.blocks.pop()
    with pytest.raises(VerificationError, match="1 entries here, but 2 were signed"):
        await CatalogWriter(log, make_witness(tmp_path)).put(entry(XRP))
    assert len(log.blocks) == 1


async def test_a_log_that_a_peer_knows_longer_is_not_appended_to(
    log: MemoryLog, witness: Witness, sign_log: SignLog
) -> None:
    witness.heard(sign_log(SIGNER, [b"a", b"b"]))
    with pytest.raises(VerificationError, match="2 were signed"):
        await CatalogWriter(log, witness).put(entry(BTC))


async def test_a_recovering_log_is_released_once_its_end_was_checked(
    log: MemoryLog, witness: Witness
) -> None:
    writer = CatalogWriter(log, witness)
    await writer.put(entry(BTC))
    log.recovering = True
    await writer.put(entry(ETH))
    assert not log.recovering

    log.recovering = True
    log.blocks.pop()
    with pytest.raises(VerificationError):
        await CatalogWriter(log, witness).put(entry(XRP))
    assert log.recovering


async def test_a_rewritten_log_is_filed_and_not_appended_to(
    log: MemoryLog, witness: Witness, tmp_path: Path
) -> None:
    await CatalogWriter(log, witness).put(entry(BTC), entry(ETH))
    log.blocks[0] = encode_entry(entry(XRP))
    with pytest.raises(ForkError):
        await CatalogWriter(log, witness).put(entry(BTC))
    assert len(list((tmp_path / "incidents").iterdir())) == 1
    assert len(log.blocks) == 2


async def test_a_log_that_is_only_read_is_not_written(log: MemoryLog, witness: Witness) -> None:
    log.writable = False
    with pytest.raises(UsageError):
        await CatalogWriter(log, witness).put(entry(BTC))
    assert CatalogWriter(log, witness).catalog.feeds() == Catalog().feeds()
