"""The data directory: where it is and what is below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradercast.errors import UsageError
from tradercast.paths import DataDir


def test_an_option_wins_over_the_environment_and_that_over_the_default(tmp_path: Path) -> None:
    environ = {"TRADERCAST_DATA_DIR": str(tmp_path / "env")}
    assert DataDir.locate(tmp_path / "option", environ).root == tmp_path / "option"
    assert DataDir.locate(None, environ).root == tmp_path / "env"
    assert DataDir.locate(None, {}).root.name == "tradercast"


def test_a_relative_path_stays_valid_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert DataDir.locate("here", {}).root == tmp_path / "here"


def test_nothing_is_made_before_ensure_and_then_for_the_user_only(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "new" / "data")
    assert not data.root.exists()

    assert data.ensure() == data

    for path in (data.root, data.store, data.identity, data.publishers, data.checkpoints):
        assert path.stat().st_mode & 0o777 == 0o700
    assert data.incidents.is_dir()
    data.ensure()


def test_what_a_newer_version_has_made_is_left_alone(tmp_path: Path) -> None:
    data = DataDir(tmp_path).ensure()
    assert data.version.read_text() == "1\n"
    data.version.write_text("2\n")

    with pytest.raises(UsageError, match="made by a newer Tradercast: its version is 2"):
        data.ensure()

    data.version.write_text("")
    with pytest.raises(UsageError, match="does not say a version"):
        data.ensure()


def test_files_are_named_by_the_keys_they_belong_to(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    assert data.publisher_file(bytes(32)) == tmp_path / "publishers" / ("y" * 52 + ".json")
    assert data.checkpoint_file(b"\xab" * 32) == tmp_path / "checkpoints" / ("ab" * 32 + ".json")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("I am a file")
    with pytest.raises(UsageError, match="data directory") as refused:
        DataDir(tmp_path / "data").ensure()
    assert "--data-dir" in (refused.value.hint or "")
