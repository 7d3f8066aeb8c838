"""`tradercast health`, and `identity lend`: what a set-up without people needs."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest
from support.commands import machine

from tradercast.cli.main import main
from tradercast.feed.identity import Identity


def test_a_seeder_is_well_and_then_gone(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        serving = node.start(
            *("serve", "--listen", "127.0.0.1:0", "--no-dht", "--metrics", "127.0.0.1:0")
        )
        address = serving.event("metrics")["address"]
        serving.event("ready")
        [well] = node.run("health", address, "--wait", "30s")
        serving.interrupt()
        serving.result()
        error = node.fails(3, "health", address)

    assert well == {"service": "serve", "ok": True, "trouble": None}
    assert error["code"] == "SERVICE"


def test_what_is_no_service_is_not_well(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.close()
        assert main(["health", f"127.0.0.1:{port}"]) == 3
    assert main(["health", "nonsense"]) == 2


def test_a_standby_is_lent_the_publishers_keys_and_not_the_nodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    arguments = ["identity", "lend", str(other), "--data-dir", str(own), "--json"]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["link"] == first["link"]

    lent = other / "identity"
    assert Identity.load(lent).root == Identity.load(own / "identity").root
    assert {path.name for path in lent.iterdir()} == {"root.key", "publisher.key", "delegation"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in lent.iterdir()} == {0o600}


def test_another_identity_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    before = Identity.load_or_create(other / "identity").root

    assert main(["identity", "lend", str(other), "--data-dir", str(own)]) == 2
    assert "another identity" in capsys.readouterr().err
    assert Identity.load(other / "identity").root == before
