"""The sidecar's life: started once, shared, killed, stopped, interrupted, and always replaced."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.stores import (
    QUICK,
    blocks_of,
    key_pair,
    kill_sidecar,
    line_of,
    numbered,
    open_store,
    program,
    sidecar_pid,
)

from tradercast.errors import EXIT_INCOMPLETE, DiskFullError, NodeMissingError, SidecarError
from tradercast.log import RESTART, AppendResult, LogStore, frames
from tradercast.log.process import gone, identify, is_running
from tradercast.paths import DataDir

SIGNER = key_pair("publisher")

ATTACH = """
import asyncio, sys
from pathlib import Path
from support.stores import blocks_of, key_pair, open_store, sidecar_pid

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        core = await store.core(signer=key_pair("publisher"))
        print(sidecar_pid(Path(sys.argv[1])), flush=True)
        while (await asyncio.to_thread(sys.stdin.readline)) == "read\\n":
            length = (await core.info()).length
            print(length, len(await blocks_of(core, 0, length)), flush=True)

asyncio.run(main())
"""

APPEND = """
import asyncio, sys
from pathlib import Path
from support.stores import key_pair, numbered, open_store

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        core = await store.core(signer=key_pair("publisher"))
        print("ready", flush=True)
        for n in range(int(sys.argv[2])):
            result = await core.append(numbered(1, start=n), n)
            assert result.appended and result.length == n + 1, (n, result)
            print(n, flush=True)

asyncio.run(main())
"""


async def ask(process: asyncio.subprocess.Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    await process.stdin.drain()


async def test_many_programs_at_once_start_one_sidecar(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        programs = [await stack.enter_async_context(program(ATTACH, tmp_path)) for _ in range(4)]
        pids = {await line_of(one) for one in programs}
        assert pids == {str(sidecar_pid(tmp_path))}


async def test_it_ends_when_the_last_has_left(tmp_path: Path) -> None:
    async with open_store(tmp_path):
        process = identify(sidecar_pid(tmp_path))
    assert process is not None
    assert await gone(process, 10.0)
    assert not DataDir(tmp_path).sidecar_json.exists()


async def test_a_program_that_comes_as_it_ends_gets_another(tmp_path: Path) -> None:
    for n in range(5):
        async with open_store(tmp_path) as store:
            core = await store.core(signer=SIGNER)
            assert await core.append(numbered(1, start=n), n) == AppendResult(n + 1, True)
        await asyncio.sleep(0.28 + n * 0.02)  # about its linger time


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_killed_or_stopped_it_is_replaced_in_every_program(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with open_store(tmp_path) as store, program(ATTACH, tmp_path) as other:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(5), 0)
        first = identify(int(await line_of(other)))
        assert first is not None

        os.kill(first.pid, number)
        await ask(other, "read")

        assert await core.append(numbered(1, start=5), 5) == AppendResult(6, True)
        assert await line_of(other) in ("5 5", "6 6")
        assert sidecar_pid(tmp_path) != first.pid
        assert not is_running(first)
        await ask(other, "read")
        assert await line_of(other) == "6 6"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_log_can_be_opened_while_it_is_killed_or_stopped(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with open_store(tmp_path) as store:
        os.kill(sidecar_pid(tmp_path), number)

        core = await store.core(signer=SIGNER)

        assert await core.append(numbered(1), 0) == AppendResult(1, True)


async def test_ctrl_c_where_it_was_started_harms_nobody_else(tmp_path: Path) -> None:
    async with program(ATTACH, tmp_path) as starter:
        pid = int(await line_of(starter))
        async with open_store(tmp_path) as store:
            core = await store.core(signer=SIGNER)
            os.killpg(starter.pid, signal.SIGINT)
            assert starter.stdin is not None
            starter.stdin.close()  # its thread still reads there
            assert await starter.wait() != 0
            assert await core.append(numbered(1), 0) == AppendResult(1, True)
            assert sidecar_pid(tmp_path) == pid


async def test_appends_go_on_over_kills_without_loss_or_repetition(tmp_path: Path) -> None:
    async with program(APPEND, tmp_path, 60) as writer:
        assert await line_of(writer) == "ready"
        for n in range(60):
            assert await line_of(writer) == str(n)
            if n % 20 == 10:
                await kill_sidecar(tmp_path)
        assert await writer.wait() == 0
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        assert (await core.info()).length == 60
        assert await blocks_of(core, 0, 60) == numbered(60)


async def test_an_append_whose_answer_was_lost_is_recognised(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        for n in range(0, 40, 4):
            appending = asyncio.create_task(core.append(numbered(4, start=n), n))
            await asyncio.sleep(0.0005 * n)
            if n % 8 == 0:
                await kill_sidecar(tmp_path)
            assert await appending == AppendResult(n + 4, True)
        assert await blocks_of(core, 0, 40) == numbered(40)


async def test_a_read_goes_on_where_it_was(tmp_path: Path) -> None:
    blocks = numbered(60, size=1 << 20)
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(blocks, 0)
        read: list[tuple[int, bytes | None]] = []
        async for batch in core.read([(0, 60)], wait=False):
            read += batch
            if len(read) in (1, 30):
                await kill_sidecar(tmp_path)
        assert read == list(enumerate(blocks))


async def test_whoever_listens_is_told_of_the_restart(tmp_path: Path) -> None:
    restarted = asyncio.Event()

    async def callback() -> None:
        restarted.set()

    async with open_store(tmp_path) as store, store.events("core.append") as events:
        store.on_restart(callback)
        core = await store.core(signer=SIGNER)
        await kill_sidecar(tmp_path)  # nobody asks for anything: it comes back by itself
        assert (await asyncio.wait_for(anext(events), 20)).topic == RESTART
        await asyncio.wait_for(restarted.wait(), 10)
        await core.append(numbered(1), 0)
        assert (await asyncio.wait_for(anext(events), 10)).topic == "core.append"


async def test_one_that_can_not_be_started_again_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(tmp_path) as store, store.events(RESTART) as events:
        monkeypatch.setenv("TRADERCAST_NODE", str(tmp_path / "none"))
        await kill_sidecar(tmp_path)
        with pytest.raises(NodeMissingError):
            await store.stats()
        monkeypatch.delenv("TRADERCAST_NODE")
        assert (await asyncio.wait_for(anext(events), 20)).topic == RESTART


async def test_one_that_hangs_before_it_listens_is_ended_by_the_next(tmp_path: Path) -> None:
    async with open_store(tmp_path):
        first = identify(sidecar_pid(tmp_path))
        assert first is not None
        os.kill(first.pid, signal.SIGSTOP)
        DataDir(tmp_path).sidecar_json.unlink()
        async with open_store(tmp_path) as store:
            assert sidecar_pid(tmp_path) != first.pid
            assert not is_running(first)
            assert (await store.free_space())["free"] > 0


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"pid": 1, "socket": "/nowhere.sock"}',
        b'{"pid": "1", "socket": 5}',
        json.dumps({"pid": 2**40, "socket": "x" * 5000}).encode(),
    ],
    ids=lambda note: note[:20].decode(),
)
async def test_a_broken_note_about_it_is_no_hindrance(tmp_path: Path, note: bytes) -> None:
    DataDir(tmp_path).ensure().sidecar_json.write_bytes(note)
    async with open_store(tmp_path) as store:
        assert (await store.core(signer=SIGNER)).writable


async def test_a_note_that_names_another_program_does_not_end_it(tmp_path: Path) -> None:
    async with program("input()") as bystander:
        note = {"pid": bystander.pid, "socket": str(tmp_path / "none.sock")}
        DataDir(tmp_path).ensure().sidecar_json.write_text(json.dumps(note))
        async with open_store(tmp_path):
            assert bystander.returncode is None
            assert identify(bystander.pid) is not None


async def test_one_that_can_not_start_says_why(tmp_path: Path) -> None:
    data = DataDir(tmp_path).ensure()
    (data.store / "db").write_text("in the way")
    with pytest.raises(SidecarError, match=r"exit code") as caught:
        await LogStore.open(tmp_path, QUICK)
    assert "sidecar.log" in (caught.value.hint or "")


async def test_one_of_another_version_is_left_alone(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        refusal = {"code": "PROTOCOL", "message": "This sidecar speaks protocol 2"}
        writer.write(frames.encode([2, 1, refusal]))
        await reader.read()
        writer.close()
        left.set()

    left = asyncio.Event()
    socket = tmp_path / "s"
    note = {"pid": os.getpid(), "socket": str(socket)}
    DataDir(tmp_path).ensure().sidecar_json.write_text(json.dumps(note))
    async with await asyncio.start_unix_server(serve, socket):
        with pytest.raises(SidecarError, match=r"another version.*protocol 2"):
            await LogStore.open(tmp_path, QUICK)
        await left.wait()


async def test_without_room_nothing_is_written_and_the_error_says_so(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(3), 0)
        first = identify(sidecar_pid(tmp_path))
    assert first is not None
    assert await gone(first, 10.0)
    starved = dataclasses.replace(QUICK, arguments=("--min-free", str(2**50)))
    async with open_store(tmp_path, starved) as store:
        core = await store.core(signer=SIGNER)
        with pytest.raises(DiskFullError) as caught:
            await core.append(numbered(1, start=3), 3)
        assert caught.value.exit_code == EXIT_INCOMPLETE
        assert await blocks_of(core, 0, 3) == numbered(3)


async def test_closing_while_it_is_being_started_again(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        os.kill(sidecar_pid(tmp_path), signal.SIGKILL)
        with contextlib.suppress(SidecarError, TimeoutError):
            await asyncio.wait_for(store.stats(), 0.05)


async def test_the_socket_and_the_files_are_ours_alone(tmp_path: Path) -> None:
    async with open_store(tmp_path):
        note = json.loads(DataDir(tmp_path).sidecar_json.read_bytes())
        assert Path(note["socket"]).stat().st_mode & 0o777 == 0o600
        for name in ("sidecar.json", "sidecar.lock", "sidecar.log"):
            assert (tmp_path / name).stat().st_mode & 0o077 == 0
