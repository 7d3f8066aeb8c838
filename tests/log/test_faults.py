"""Long: many programs on one store, while its sidecar is killed and stopped again and again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.stores import blocks_of, key_pair, line_of, numbered, open_store, program

from tradercast.log.launch import read_note
from tradercast.log.process import command_names, identify
from tradercast.paths import DataDir

FOLLOW = """
import asyncio, sys
from pathlib import Path
from support.stores import blocks_of, key_pair, numbered, open_store

async def main():
    goal, seen = int(sys.argv[2]), 0
    async with open_store(Path(sys.argv[1])) as store:
        core = await store.core(signer=key_pair("publisher"))
        print("ready", flush=True)
        while seen < goal:
            length = (await core.info()).length
            assert length >= seen, (length, seen)
            assert await blocks_of(core, seen, length) == numbered(length - seen, start=seen)
            seen = length
            await asyncio.sleep(0.05)
    print("done", flush=True)

asyncio.run(main())
"""


def owners(data_dir: Path) -> list[int]:
    """The sidecars that run on a data directory."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [
        pid
        for pid in pids
        if command_names(pid, "--socket") and command_names(pid, str(data_dir)) and identify(pid)
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
async def test_no_block_is_lost_and_the_store_never_has_two_owners(tmp_path: Path) -> None:
    chance = random.Random(7)
    goal = 400
    counts: set[int] = set()

    async def watch() -> None:
        while True:
            counts.add(len(owners(tmp_path)))
            await asyncio.sleep(0.005)

    async def harm() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.0, 3.0))
            note = read_note(DataDir(tmp_path))
            process = note and identify(note.pid)
            if process:
                os.kill(process.pid, chance.choice([signal.SIGKILL, signal.SIGSTOP]))

    async with AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(program(FOLLOW, tmp_path, goal)) for _ in range(3)
        ]
        for follower in followers:
            assert await line_of(follower) == "ready"
        store = await stack.enter_async_context(open_store(tmp_path))
        core = await store.core(signer=key_pair("publisher"))
        troubles = [asyncio.create_task(watch()), asyncio.create_task(harm())]
        for n in range(0, goal, 2):
            result = await core.append(numbered(2, start=n), n)
            assert (result.length, result.appended) == (n + 2, True)
            await asyncio.sleep(0.05)
        troubles[1].cancel()
        for follower in followers:
            assert await line_of(follower) == "done"
        troubles[0].cancel()
        await asyncio.gather(*troubles, return_exceptions=True)
        assert await blocks_of(core, 0, goal) == numbered(goal)
        assert counts <= {0, 1}
