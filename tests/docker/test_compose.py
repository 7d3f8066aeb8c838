"""docker/: nothing runs it here, so what it says is checked against the command line itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer
from support.directories import ROOT

from scripts.compose import FILE, OURS, load, services
from tradercast.cli.app import build
from tradercast.cli.context import Cli
from tradercast.paths import DIRECTORY_PORT, PEER_PORT

LINK = f"tradercast://{'y' * 51}o"
DOCUMENT = load()
OWN = services(DOCUMENT, {"TRADERCAST_LINK": LINK})
EVERY = pytest.mark.parametrize("name", OWN)
COMMANDS: dict[str, Any] = typer.main.get_command(build()).commands  # type: ignore[attr-defined]
# Of no single option.
ALSO_KNOWN = {"TRADERCAST_DATA_DIR", "TRADERCAST_JSON"}


def variables(command: str) -> set[str]:
    """The environment variables that a command looks at."""
    return {name for param in COMMANDS[command].params for name in param.envvar or ()}


def test_the_chain_is_whole() -> None:
    assert set(OWN) == {"identity", "collect", "listener", "feeder", "standby", "seeder"}
    assert set(DOCUMENT["services"]) - set(OWN) == {"mongo", "kafka"}


@EVERY
def test_a_command_is_one_that_the_command_line_takes(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    secret = tmp_path / "mongo"
    secret.write_text("mongodb://mongo/market?replicaSet=rs0")
    secret.chmod(0o600)
    for key, value in OWN[name].environment.items():
        monkeypatch.setenv(key, value.replace("/run/secrets/mongo", str(secret)))
    word, *rest = OWN[name].command
    command = COMMANDS[word]
    if name == "identity":
        word, *rest = rest
        command = command.commands[word]

    with command.make_context(word, list(rest), obj=Cli()) as context:
        taken = context.params

    assert taken.get("log_level", "info") == "info"
    if name in ("collect", "listener"):
        assert "mongodb://mongo/market?replicaSet=rs0" in taken.values()
    if name == "seeder":
        assert taken["follow"] == [LINK]


def test_without_a_link_the_keys_can_be_made_and_the_seeder_says_what_it_lacks() -> None:
    [text] = [word for word in services(DOCUMENT, {})["seeder"].command if "link" in word]
    assert services(DOCUMENT, {})["identity"].command == OWN["identity"].command
    with pytest.raises(typer.BadParameter, match=r"put the link into \.env"):
        COMMANDS["serve"].make_context("serve", ["--follow", text], obj=Cli())


@EVERY
def test_every_variable_is_one_that_the_command_knows(name: str) -> None:
    ours = {key for key in OWN[name].environment if key.startswith("TRADERCAST_")}
    assert ours - ALSO_KNOWN - variables(OWN[name].command[0]) == set()


def test_ports_are_on_the_loopback_interface_and_no_two_are_the_same() -> None:
    published = [text for found in DOCUMENT["services"].values() for text in found.get("ports", ())]
    outside = []
    for text in published:
        match = re.fullmatch(r"127\.0\.0\.1:(\d+):(\d+)(/udp)?", text)
        assert match, f"{text} is not on the loopback interface"
        outside.append((match[1], match[3]))
    assert len(set(outside)) == len(outside)


@EVERY
def test_a_published_port_is_one_that_the_service_listens_on(name: str) -> None:
    service = OWN[name]
    listening = {
        service.environment[key].rpartition(":")[2] + kind
        for key, kind in (
            ("TRADERCAST_METRICS", ""),
            ("TRADERCAST_LISTEN", ""),
            ("TRADERCAST_DHT", "/udp"),
        )
        if key in service.environment
    }
    assert {text.split(":")[2] for text in service.ports} <= listening


@EVERY
def test_a_health_check_asks_where_the_metrics_are(name: str) -> None:
    check = DOCUMENT["services"][name]["healthcheck"]
    if name == "identity":  # it runs once
        assert check == {"disable": True}
        return
    _, program, command, address = check["test"]
    assert (program, command) == (OURS, "health")
    port = OWN[name].environment["TRADERCAST_METRICS"].rpartition(":")[2]
    assert address == f"127.0.0.1:{port}"


def test_volumes_and_secrets_are_declared_and_used() -> None:
    used = {
        text.split(":")[0]
        for found in DOCUMENT["services"].values()
        for text in found.get("volumes", ())
    }
    assert used == set(DOCUMENT["volumes"])
    secrets = {one for found in DOCUMENT["services"].values() for one in found.get("secrets", ())}
    assert secrets == set(DOCUMENT["secrets"])
    assert OWN["identity"].volumes == {
        "/data": OWN["feeder"].volumes["/data"],
        "/standby": OWN["standby"].volumes["/data"],
    }


def test_what_a_service_waits_for_is_there_and_has_a_health_check() -> None:
    for found in DOCUMENT["services"].values():
        for other, how in found.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "test" in DOCUMENT["services"][other]["healthcheck"]


def test_no_secret_stands_in_the_file_and_nothing_runs_as_root() -> None:
    text = FILE.read_text("utf-8")
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text)
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text("utf-8")
    last = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    assert f"EXPOSE {PEER_PORT}/tcp {DIRECTORY_PORT}/udp 9340/tcp" in last


def test_the_image_is_made_of_files_that_are_there() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text("utf-8")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert copied
    for word in copied:
        assert (ROOT / word).exists(), word
        assert f"!{word}" in ignored, f"{word} does not reach the build"
