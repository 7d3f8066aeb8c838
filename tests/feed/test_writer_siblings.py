"""Two writers with one identity, on two nodes that replicate each other's logs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.feeds import FEED, batches, logs_of, market, open_writer
from support.stores import connect, connected_stores, key_pair, line_of, open_store, program

from tradercast.errors import StalledError, WriterConflictError
from tradercast.feed import derived
from tradercast.log import LogStore

SIBLING = """
import asyncio, json, random, sys, time
from pathlib import Path
from support.feeds import FEED, batches, logs_of, market, open_writer
from support.stores import connect, key_pair, open_store
from tradercast.feed import derived

compared = []  # blocks that the sibling had written first

async def main(directory, name, other, groups, seed):
    compare = derived.DerivedLog._compare

    async def counted(self, expected):
        compared.extend(expected)
        await compare(self, expected)

    derived.DerivedLog._compare = counted
    rng = random.Random(seed)
    messages = list(batches(market(60_000, per_hour=9_000), [40, 1, 90]))
    loop = asyncio.get_running_loop()
    async with open_store(directory, node=name) as store:
        calls = at = phase = 0
        tail = await store.core(signer=key_pair(f"{FEED} tail"))
        async with open_writer(store, directory) as writer:
            address = store.swarm.address
            print(json.dumps([address.host, address.port]), flush=True)
            host, port = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
            if host:
                await store.swarm.dial(host, port, bytes(key_pair(other).verify_key))
                print("connected", flush=True)
            while at < len(messages):
                count = rng.choice(groups)
                await writer.append(messages[at : at + count])
                at, calls = at + count, calls + 1
                if rng.random() < 0.2:
                    await asyncio.sleep(rng.random() * 0.01)
                if at // 200 > phase:
                    phase += 1
                    while phase % 2 == seed % 2 and (await tail.info()).length < at + 100:
                        await asyncio.sleep(0.01)  # let the other one overtake
            logs = await logs_of(store)
            states = []
            for log in ("tail", "archive"):
                core = await store.core(signer=key_pair(f"{FEED} {log}"))
                state, info = await core.checkpoint(), await core.info()
                states.append([state.length, state.tree_hash.hex(), state.fork, info.peers])
            end = writer.end_seq
            print(json.dumps({"calls": calls, "compared": len(compared), "end": end,
                              "states": states, "digest": logs.digest()}), flush=True)
            await loop.run_in_executor(None, sys.stdin.readline)  # serve until told to end

asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:4], json.loads(sys.argv[4]), int(sys.argv[5])))
"""


async def tell(process: asyncio.subprocess.Process, value: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(value).encode() + b"\n")
    await process.stdin.drain()


@pytest.mark.timeout(240)
async def test_siblings_with_the_same_messages_in_other_groups_write_the_same_logs(
    tmp_path: Path,
) -> None:
    one = (tmp_path / "one", "one", "two", "[1]", 1)
    two = (tmp_path / "two", "two", "one", "[1, 1, 2, 5]", 2)
    async with program(SIBLING, *one) as first, program(SIBLING, *two) as second:
        address = json.loads(await line_of(first))
        assert json.loads(await line_of(second))
        await tell(second, address)
        assert await line_of(second) == "connected"
        await tell(first, [None, 0])
        results = [json.loads(await line_of(process, 200)) for process in (first, second)]

    a, b = results
    assert a["calls"] > 1_000
    assert a["calls"] + b["calls"] > 1_500
    assert a["end"] == b["end"] == 60_000
    assert a["states"] == b["states"]
    assert [state[2:] for state in a["states"]] == [[0, 1], [0, 1]]
    assert a["digest"] == b["digest"]
    assert a["compared"] > 50, "the second wrote nothing first"
    assert b["compared"] > 50, "the first wrote nothing first"


async def test_a_sibling_takes_over_what_the_other_wrote(tmp_path: Path) -> None:
    trades = market(40_000, per_hour=9_000)
    messages = list(batches(trades, [500]))
    async with connected_stores(tmp_path) as (one, two):
        async with (
            open_writer(one, tmp_path / "first") as first,
            open_writer(two, tmp_path / "second") as second,
        ):
            for at in range(0, len(messages), 4):
                await first.append(messages[at : at + 4])
            for at in range(0, len(messages), 16):
                await second.append(messages[at : at + 16])
            assert second.end_seq == first.end_seq == 40_000
        assert await logs_of(one) == await logs_of(two)
        assert (await logs_of(two)).records().equals(trades)


async def test_a_new_data_directory_goes_on_without_the_cleared_blocks(tmp_path: Path) -> None:
    trades = market(50_000, per_hour=9_000)
    messages = list(batches(trades, [500]))
    async with connected_stores(tmp_path) as (one, two):
        async with open_writer(one, tmp_path / "first") as first:
            await first.append(messages[:90])
            cleared = await first.clear_sealed_tail(keep=10)
            assert cleared > 30
        async with open_writer(two, tmp_path / "second") as second:
            assert second.end_seq == 45_000
            await second.append(messages[90:])
        logs = await logs_of(two)

    assert logs.tail[: cleared - 1] == [None] * (cleared - 1)
    assert logs.records().equals(trades)


async def test_a_sibling_with_other_records_stops_before_it_signs(tmp_path: Path) -> None:
    async with (
        connected_stores(tmp_path) as (one, two),
        open_writer(one, tmp_path / "first") as first,
        open_writer(two, tmp_path / "second") as second,
    ):
        await first.append([market(10, seed=1)])
        await arrived(two, 1)
        with pytest.raises(WriterConflictError, match="block 0 of the tail"):
            await second.append([market(10, seed=2)])
        await first.append([market(20, seed=1)[10:]])
        tail = await two.core(key=first.tail_key)
        assert (await tail.update(5.0)).length == 2
        assert (await tail.checkpoint()).fork == 0
        assert tail.incidents == []


async def test_a_block_that_only_a_lost_sibling_had_can_not_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length is signed; another block with that number would be a fork."""
    monkeypatch.setattr(derived, "SIBLING_S", 0.5)
    trades = market(30)
    async with (
        open_store(tmp_path / "second", node="second") as two,
        open_writer(two, tmp_path / "second") as second,
    ):
        async with open_store(tmp_path / "first", node="first") as one:
            await connect(two, one)
            async with open_writer(one, tmp_path / "first") as first:
                await first.append([trades[:10], trades[10:20]])
                await arrived(two, 2)
                await one.swarm.stop()
        with pytest.raises(StalledError, match=r"block 0 of the tail.*no peer has it"):
            await second.append([trades[:10]])


async def arrived(store: LogStore, length: int) -> None:
    """Wait until a peer's length of the tail is known here."""
    tail = await store.core(signer=key_pair(f"{FEED} tail"))
    async with asyncio.timeout(10):
        while (await tail.info()).length < length:
            await tail.update(1.0)
