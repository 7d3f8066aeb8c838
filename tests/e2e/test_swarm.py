"""A swarm from end to end: strangers find data by a link, share it, and outlive its publisher."""

from __future__ import annotations

import contextlib
import time

from support.commands import BINANCE, address, serve_all, unused_address, wait_until
from support.directories import directories
from support.relay import relay
from support.rows import exported_rows, source_rows

from tradercast.timerange import NS_PER_HOUR, parse_time_ns

DAYS = [f"2022-01-{day}" for day in (15, 17, 19, 21)]


def test_a_link_is_enough_and_the_data_outlives_its_publisher(machines, binance_file):
    expected = source_rows(binance_file)
    publisher, second, third, fourth = map(machines, ("publisher", "second", "third", "fourth"))

    with directories(8) as network:
        near, far, alive, other = map(address, network.addresses[1:8:2])

        # published, and synced by somebody who knows another bootstrap than the publisher
        published = publisher.publish(binance_file, **BINANCE)
        serving = publisher.serve(bootstrap=near)
        synced = second.sync(serving.link_by(far))

        assert published["added"] == len(expected) == 199_020
        assert synced["complete"]
        assert synced["records"] == 199_020
        assert [peer["address"] for peer in synced["peers"]] == [serving.peer]
        assert exported_rows(second) == expected
        tail = next(log for log in second.verify()[0]["logs"] if log["log"].endswith("/tail"))
        assert tail["verified"] == tail["length"] > 0

        # the publisher and its directory node die; a third syncs everything from the second
        publisher.kill()
        serving = second.serve(bootstrap=alive)
        synced = third.sync(serving.link_by(other))

        assert synced["complete"]
        assert synced["records"] == 199_020
        assert [peer["address"] for peer in synced["peers"]] == [serving.peer]
        [checked] = third.verify()
        assert [log["verified"] for log in checked["logs"]] == [
            log["length"] for log in checked["logs"]
        ]
        assert exported_rows(third) == expected

        # no directory, no peer
        network.process.kill()
        network.process.wait()
        error = fourth.fails(4, "sync", serving.link_by(other), timeout_s=60)
        assert error["code"] == "NO_PEER"
        assert other in error["message"]


def test_many_peers_deliver_one_range(machines, large_publisher):
    serving = large_publisher.serve()
    seeders = [machines(f"seeder{number}") for number in (1, 2)]
    for command in [seeder.start("sync", serving.link) for seeder in seeders]:
        command.result(0)
    peers = [serving.peer, *(seeder.peer for seeder in serve_all(seeders, bootstrap=serving.dht))]
    reader = machines("reader")

    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(relay(peer, bytes_per_s=1_500_000)) for peer in peers]
        options = [f"--peer={line.address}" for line in lines]
        synced = reader.sync(serving.link.partition("?")[0], *options)

    assert synced["complete"]
    assert synced["records"] == 2_000_000
    shares = {peer["address"]: peer["bytes"] for peer in synced["peers"]}
    assert set(shares) == {line.address for line in lines}
    for line in lines:
        assert shares[line.address] <= line.received
        assert shares[line.address] > 0.15 * synced["bytes"]
    assert sum(shares.values()) <= 1.05 * synced["bytes"] + 65_536
    reader.verify()


def test_partial_seeders_serve_the_whole_together_and_name_what_nobody_has(
    machines, large_publisher, network
):
    bootstrap = address(network.bootstrap[0])
    serving = large_publisher.serve(bootstrap=bootstrap)
    link = serving.link_by(bootstrap)
    parts = [machines(f"part{number}") for number in range(3)]
    syncing = [
        part.start("sync", link, "--start", start, "--end", end)
        for part, start, end in zip(parts, DAYS, DAYS[1:], strict=False)
    ]
    for command in syncing:
        command.result(0)
    large_publisher.kill()
    whole, rest = machines("whole"), machines("rest")

    serve_all(parts, bootstrap=bootstrap)
    synced = whole.sync(link)
    whole.kill()
    parts[1].kill()
    incomplete = rest.sync(link, code=3)

    assert synced["complete"]
    assert synced["records"] == 2_000_000
    assert len(synced["peers"]) == 3
    assert all(peer["bytes"] > 500_000 for peer in synced["peers"])
    assert not incomplete["complete"]
    [[start, end]] = incomplete["missing"]
    from_ns, to_ns = (parse_time_ns(day) for day in DAYS[1:3])
    assert from_ns <= start < from_ns + NS_PER_HOUR
    assert to_ns - NS_PER_HOUR < end <= to_ns
    absent = parts[1].run("info")[0]["held_records"]
    assert incomplete["records"] == 2_000_000 - absent
    rest.verify()
    [first] = rest.run("export", "btcusd", "--end", DAYS[1], "--out", rest.root / "first.csv")
    assert first["records"] == parts[0].run("info")[0]["held_records"]
    rest.fails(3, "export", "btcusd", "--out", rest.root / "all.csv")


def test_a_node_that_is_still_syncing_shares_what_it_has(machines, large_publisher, network):
    serving = large_publisher.serve(no_dht=True)  # in no directory
    root = serving.link.partition("?")[0]
    bootstrap = address(network.bootstrap[0])
    first, second = machines("first"), machines("second")

    with relay(serving.peer, bytes_per_s=600_000) as line:
        syncing = first.start("sync", root, f"--peer={line.address}", "--bootstrap", bootstrap)
        wait_until(lambda: line.received > 3_000_000)
        line.cut()
        synced = second.sync(f"{root}?bootstrap={bootstrap}", code=3)
        assert syncing.process.poll() is None, "the first was to be syncing still"
        syncing.kill()
        [held] = first.run("info")

    assert 0 < synced["records"] <= held["held_records"]
    assert synced["bytes"] > 0.9 * held["held_bytes"]
    [peer] = synced["peers"]
    assert peer["address"] != serving.peer
    second.verify()


def test_peers_named_by_hand_are_enough(machines, large_publisher):
    serving = large_publisher.serve(no_dht=True)
    first, second, third = map(machines, ("first", "second", "third"))
    root = serving.link.partition("?")[0]
    here, nowhere = unused_address(), unused_address()

    # without any directory a node that syncs passes on what it has, as long as it was told to
    seeding = first.start(
        *("sync", root, f"--peer={serving.peer}", "--listen", here, "--seed", "5s")
    )
    assert seeding.event("synced")["complete"]
    began = time.monotonic()
    large_publisher.kill()
    synced = second.sync(f"{root}?peer={here}")

    assert synced["complete"]
    assert [peer["address"] for peer in synced["peers"]] == [here]
    seeding.result(0)
    assert time.monotonic() - began > 4

    # a directory that is gone does not matter where a peer is named
    first.serve(listen=here)
    synced = third.sync(f"{root}?bootstrap={nowhere}", "--peer", here)

    assert synced["complete"]
    assert [peer["address"] for peer in synced["peers"]] == [here]


def test_a_dry_run_says_size_and_peers_and_fetches_nothing(machines, large_publisher):
    serving = large_publisher.serve()
    reader = machines("reader")

    [dry] = reader.run("sync", serving.link, "--start", DAYS[0], "--end", DAYS[1], "--dry-run")
    synced = reader.sync(serving.link, "--start", DAYS[0], "--end", DAYS[1])
    [after] = reader.run("sync", "btcusd", "--start", DAYS[0], "--end", DAYS[1], "--dry-run")

    assert dry["peers"] == 1
    assert dry["held_bytes"] == 0
    assert dry["to_fetch_bytes"] == dry["bytes"]
    assert (dry["records"], dry["bytes"]) == (synced["records"], synced["bytes"])
    assert 0 < dry["records"] < 2_000_000
    assert after["to_fetch_bytes"] == 0
