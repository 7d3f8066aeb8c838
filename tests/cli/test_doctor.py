"""`tradercast doctor` tells what is there and what is wrong, and how to mend it."""

import json
import os
import socket
import sys
import threading

import pytest

from tradercast import z32
from tradercast.cli.checks import installation, state
from tradercast.cli.checks.ports import check_port, find_holder
from tradercast.cli.main import main
from tradercast.feed.identity import Identity
from tradercast.log import frames
from tradercast.paths import DataDir


@pytest.fixture
def data(tmp_path):
    return DataDir(tmp_path / "data")


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        yield server


def describe(data, address):
    """Leave the file that a running sidecar keeps."""
    data.ensure()
    note = {"protocol": 1, "socket": str(address), "pid": os.getpid()}
    data.sidecar_json.write_text(json.dumps(note))


def test_json_has_one_object_with_every_check(data, capsys):
    code = main(["doctor", "--json", "--data-dir", str(data.root)])
    report = json.loads(capsys.readouterr().out)
    checks = report["checks"]
    assert code == (0 if report["ok"] else 3)
    assert report["ok"] == all(check["ok"] is not False for check in checks.values())
    assert checks["node"]["ok"] is True
    assert int(checks["node"]["version"].split(".")[0]) >= 20
    assert checks["packages"]["versions"]["pcodec"] == "1.1.0"
    assert checks["packages"]["encoder"] == "pco-1.1.0"
    assert checks["data directory"]["path"] == str(data.root)
    assert checks["data directory"]["exists"] is False


def test_nothing_is_made_by_looking(data, capsys):
    main(["doctor", "--data-dir", str(data.root)])
    assert not data.root.exists()
    assert str(data.root) in capsys.readouterr().out


def test_what_is_wrong_is_marked_and_has_a_hint(data, monkeypatch, capsys):
    monkeypatch.setenv("TRADERCAST_NODE", "/nonexistent/node")
    assert main(["doctor", "--data-dir", str(data.root)]) == 3
    lines = capsys.readouterr().out.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("✗ node:"))
    assert "/nonexistent/node" in lines[at]
    assert lines[at + 1].startswith("    install Node.js")


def test_a_python_package_that_is_there_has_its_version():
    check = installation.packages()
    assert check.ok is True
    assert "kademlia 2.2.3" in check.text


def test_a_data_directory_that_is_a_file_is_a_fault(data):
    data.root.write_text("")
    check = state.data_directory(data)
    assert check.ok is False
    assert "--data-dir" in check.hint


def test_a_data_directory_has_its_free_space(data):
    data.ensure()
    check = state.data_directory(data)
    assert check.details["exists"] is True
    assert check.details["free_bytes"] > 0


def test_the_configuration_file_is_named(data, tmp_path, capsys):
    file = tmp_path / "settings.toml"
    file.write_text('[feeder]\nkafka = "k:9092"\n')
    main(["doctor", "--data-dir", str(data.root), "--config", str(file), "--json"])
    check = json.loads(capsys.readouterr().out)["checks"]["configuration"]
    assert (check["ok"], check["path"], check["tables"]) == (True, str(file), ["feeder"])


def test_the_holder_of_a_port_is_shown_without_passwords(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("h\n0: 0:1CAC 0:0 0A 0 0 0 0 0 77\n")
    process = tmp_path / "5"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("socket:[77]")
    (process / "cmdline").write_bytes(b"tradercast\0--to\0mongodb://u:secret@h/db\0")
    holder = find_holder("tcp", 0x1CAC, tmp_path)
    assert holder.command == "tradercast --to mongodb://…@h/db"


def test_no_identity_is_no_fault(data):
    check = state.identity(data)
    assert (check.ok, check.details) == (None, {"root": None})


def test_an_identity_is_shown_by_its_root_key(data):
    root = Identity.load_or_create(data.identity).root
    check = state.identity(data)
    assert check.ok is True
    assert check.details == {"root": z32.encode(root), "has_root": True}


def test_an_identity_that_others_can_read_is_a_fault(data):
    Identity.load_or_create(data.identity)
    (data.identity / "publisher.key").chmod(0o644)
    check = state.identity(data)
    assert check.ok is False
    assert check.hint.startswith("run: chmod 600")


def test_a_delegation_that_has_ended_is_a_fault(data):
    Identity.load_or_create(data.identity).delegate(now_ns=1, life_ns=1)
    check = state.identity(data)
    assert check.ok is False
    assert "ended 1970-01-01" in check.text


def test_no_sidecar_is_no_fault(data):
    assert state.running_sidecar(data).ok is None


def test_a_sidecar_that_has_gone_is_no_fault(data, tmp_path):
    describe(data, tmp_path / "nobody")
    check = state.running_sidecar(data)
    assert check.ok is None
    assert check.details["running"] is False


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pid": 1}', '{"pid": "x", "socket": "y"}'])
def test_a_damaged_description_is_a_fault(data, text):
    data.ensure()
    data.sidecar_json.write_text(text)
    assert state.running_sidecar(data).ok is False


def test_a_sidecar_that_does_not_answer_is_a_fault(data, listener):
    describe(data, listener.getsockname())
    check = state.running_sidecar(data, patience_s=0.05)
    assert check.ok is False
    assert f"process {os.getpid()} does not answer" in check.text


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (frames.encode([1, 1, {"versions": {"node": "20.20.2"}}]), True),
        (frames.encode([2, 1, {"code": "PROTOCOL", "message": "other"}]), False),
        (frames.encode([1, 1]), False),
        (frames.encode([1, 1, {"versions": [1]}]), False),
        (b"\x01", False),
        (b"\xff\xff\xff\xff", False),
        (b"\x05\x00\x00\x00\xc1\xc1", False),
        (b"", False),
    ],
)
def test_whatever_answers_at_the_socket_is_taken_for_what_it_is(data, listener, answer, ok):
    describe(data, listener.getsockname())

    def serve():
        with listener.accept()[0] as connection:
            connection.recv(1000)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    check = state.running_sidecar(data)
    thread.join()
    assert check.ok is ok
    assert ("node 20.20.2" in check.text) is ok


@pytest.mark.parametrize(
    ("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)]
)
def test_a_port_is_free_until_somebody_has_it(protocol, kind):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        if protocol == "tcp":
            taken.listen()
        check = check_port(protocol, port, "take another")
        assert check.details["free"] is False
        if sys.platform == "linux":
            assert check.details["pid"] == os.getpid()
            assert f"taken by process {os.getpid()}" in check.text
    check = check_port(protocol, port, "take another")
    assert (check.ok, check.details["free"]) == (True, True)
    assert find_holder(protocol, port) is None


def test_the_sidecars_packages_are_those_of_its_manifest_and_load():
    check = installation.sidecar()
    assert check.ok is True, check.text
    assert check.details["versions"]["hypercore"] == "11.37.1"
