"""A sync that is stopped, in whatever way, goes on where it stopped."""

from __future__ import annotations

import random
import time

import pytest
from support.commands import wait_until
from support.relay import relay

RATE = 2_000_000  # bytes a second: the 6 MB take three seconds
IN_FLIGHT = 192 << 10  # bytes at most that a kill loses: a frame, a block, a socket's buffer


def moments(count, total):
    """Random amounts of bytes after which something shall happen, in order."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # shown when the test fails
    return sorted(random.Random(seed).sample(range(total), count))


def link_by(serving, line):
    """A link that leads through a relay, and by nothing else."""
    return f"{serving.link.partition('?')[0]}?peer={line.address}"


def reached(line, amount, command):
    """Wait until the relay has forwarded so much, or the command has ended before."""
    wait_until(lambda: line.received >= amount or command.process.poll() is not None)


@pytest.mark.parametrize("kills", [4, pytest.param(10, marks=pytest.mark.slow)])
def test_the_syncing_process_is_killed_again_and_again(machines, large_publisher, kills):
    serving = large_publisher.serve()
    reader = machines("reader")

    with relay(serving.peer, bytes_per_s=RATE) as line:
        link = link_by(serving, line)
        for moment in moments(kills, 5_900_000):
            command = reader.start("sync", link)
            reached(line, moment, command)
            assert command.process.poll() is None, "it was to be killed before it had ended"
            command.kill()
        synced = reader.sync(link)
        received = line.received

    assert synced["complete"]
    assert synced["records"] == 2_000_000
    assert received <= 1.05 * synced["bytes"] + kills * IN_FLIGHT
    [checked] = reader.verify()
    assert all(log["verified"] == log["length"] for log in checked["logs"])


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_the_sidecar_is_killed_and_the_same_run_goes_on(machines, large_publisher, kills):
    serving = large_publisher.serve()
    reader = machines("reader")

    with relay(serving.peer, bytes_per_s=RATE) as line:
        command = reader.start("sync", link_by(serving, line))
        for moment in moments(kills, 5_900_000):
            reached(line, moment, command)
            wait_until(reader.kill_sidecar)  # the one that follows the last may not be there yet
        [synced] = command.result(0)
        received = line.received
        again = reader.sync(link_by(serving, line))

    assert synced["complete"]
    assert synced["records"] == 2_000_000
    assert received <= 1.05 * synced["bytes"] + kills * IN_FLIGHT
    assert again["fetched_bytes"] == 0
    [checked] = reader.verify()
    assert all(log["verified"] == log["length"] for log in checked["logs"])


def test_a_cut_line_ends_in_exit_code_3_and_the_next_run_goes_on(machines, large_publisher):
    serving = large_publisher.serve()
    reader = machines("reader")

    with relay(serving.peer, bytes_per_s=RATE) as line:
        link = link_by(serving, line)
        command = reader.start("sync", link, "--patience", "5s")
        reached(line, 3_000_000, command)
        line.cut()
        began = time.monotonic()
        [stalled] = command.result(3)
        waited = time.monotonic() - began
        line.mend()
        synced = reader.sync(link)
        received = line.received

    assert 5 <= waited < 30
    assert not stalled["complete"]
    assert stalled["missing"]
    assert 0 < stalled["records"] < 2_000_000
    assert synced["complete"]
    assert received <= 1.05 * synced["bytes"] + IN_FLIGHT
    reader.verify()


def test_a_connection_that_ends_is_made_again_and_the_same_run_goes_on(machines, large_publisher):
    serving = large_publisher.serve()
    reader = machines("reader")

    with relay(serving.peer, bytes_per_s=RATE) as line:
        command = reader.start("sync", link_by(serving, line))
        for amount in (1_000_000, 2_000_000, 3_000_000):
            reached(line, amount, command)
            line.drop()
        [synced] = command.result(0)

    assert synced["complete"]
    assert synced["seconds"] < 15
    assert line.received <= 1.05 * synced["bytes"] + 3 * IN_FLIGHT


def test_ctrl_c_ends_it_at_once_and_the_next_run_goes_on(machines, large_publisher):
    serving = large_publisher.serve()
    reader = machines("reader")

    with relay(serving.peer, bytes_per_s=RATE) as line:
        link = link_by(serving, line)
        command = reader.start("sync", link)
        reached(line, 3_000_000, command)
        began = time.monotonic()
        command.interrupt()
        error = command.error(130)
        waited = time.monotonic() - began
        [held] = reader.run("info")
        synced = reader.sync(link)
        received = line.received

    assert error["code"] == "INTERRUPTED"
    assert waited < 5
    assert 0 < held["held_records"] < 2_000_000
    assert synced["complete"]
    assert received <= 1.05 * synced["bytes"] + IN_FLIGHT
    reader.verify()
