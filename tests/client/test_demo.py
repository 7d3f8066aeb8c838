"""`tradercast demo`: the whole way of the data, checked row by row, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.commands import Machine, machine, wait_until
from support.feeds import market

from tradercast.client.export import export
from tradercast.links import Link

RECORDS = 200_000  # what it does unasked


@pytest.fixture
def alone(tmp_path: Path):
    with machine(tmp_path / "alone") as made:
        folder = tmp_path / "temporary"
        folder.mkdir()
        made.environ["TMPDIR"] = str(folder)
        yield made


def left_behind(made: Machine) -> list[object]:
    """Files of the demo, and processes that know of them."""
    folder = Path(made.environ["TMPDIR"])
    running = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
    return [*folder.iterdir(), *running]


def test_everything_that_goes_in_comes_out_twice(alone: Machine) -> None:
    [line] = alone.run("demo")

    assert line["event"] == "demo"
    assert line["simulated"] is True
    assert line["records"] == line["rows"] == RECORDS
    assert line["equal"] == [RECORDS, RECORDS]
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)  # what else this machine does
    assert line["seconds"] < 30 * max(1.0, busy)
    assert Link.parse(line["link"]).bootstrap
    # found through the directory: the link names no peer, and the peer is not the directory
    assert Link.parse(line["link"]).peers == ()
    host, port = Link.parse(line["link"]).bootstrap[0]
    assert line["found"]
    assert line["found"] != f"{host}:{port}"
    # two syncs from two nodes, the second after the first node was killed
    first, second = line["peers"]
    assert first["peer"] != second["peer"]
    assert first["address"] == line["found"]
    for peer in (first, second):
        assert 2 * RECORDS < peer["bytes"] < 20 * RECORDS
    assert line["blocks_verified"] >= 4
    wait_until(lambda: not left_behind(alone), 10, "the demo left something behind")


def test_a_file_may_be_played_instead(alone: Machine, tmp_path: Path) -> None:
    source = tmp_path / "trades.csv"
    export(source, [(market(5_000, jitter_s=0), None)])
    [line] = alone.run("demo", "--file", source)
    assert (line["simulated"], line["rows"], line["equal"]) == (False, 5_000, [5_000, 5_000])


def test_a_file_that_can_not_be_read_is_one_error(alone: Machine, tmp_path: Path) -> None:
    source = tmp_path / "trades.csv"
    source.write_text("ts_event,price,size\n1,2,three\n")
    error = alone.fails(2, "demo", "--file", source)
    assert error["code"] == "BAD_INPUT"
    assert "three" in error["message"]
    assert left_behind(alone) == []


def test_ctrl_c_leaves_nothing_behind(alone: Machine) -> None:
    command = alone.start("demo")
    folder = Path(alone.environ["TMPDIR"])
    wait_until(lambda: list(folder.glob("*/publisher/sidecar.json")), 20)
    os.killpg(command.pid, signal.SIGINT)  # a terminal tells all of its processes
    assert command.error(130)["code"] == "INTERRUPTED"
    wait_until(lambda: not left_behind(alone), 10, "the demo left something behind")


def test_people_are_told_step_by_step(alone: Machine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tradercast", "demo", "--records", "3000"],
        env=alone.environ,
        cwd=alone.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    out = done.stdout
    for said in (
        "1  a directory node answers at 127.0.0.1:",
        "2  3,000 records published, signed by the publisher",
        "tradercast://",
        "found 127.0.0.1:",
        "checked against the publisher's signature",
        "3,000 of 3,000 rows equal",
        "the publisher's node is killed",
        "tradercast publish FILE",
    ):
        assert said in out, out
    assert "simulated" in done.stderr


def test_kept_running_it_serves_until_ctrl_c(alone: Machine) -> None:
    command = alone.start("demo", "--records", "3000", "--keep")
    link = command.event("demo")["link"]
    with machine(alone.root / "stranger") as stranger:
        assert stranger.sync("btcusd", "--from", link)["records"] == 3_000
    command.signal(signal.SIGTERM)
    assert command.result(0)
    wait_until(lambda: not left_behind(alone), 10, "the demo left something behind")
