"""Small files: whole or not there, one after the other, for their owner only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradercast.durable import create_file, locked, read_limited, replace_file
from tradercast.errors import DiskFullError, FormatError, UsageError

COUNT = """
import sys
from pathlib import Path
from tradercast.durable import locked, read_limited, replace_file
path = Path(sys.argv[1])
for _ in range(25):
    with locked(path.parent):
        replace_file(path, b"%d" % (int(read_limited(path, 100) or 0) + 1))
"""


def test_a_file_is_made_once_and_replaced_at_will(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert read_limited(path, 10) is None
    assert create_file(path, b"first")
    assert not create_file(path, b"second")
    assert read_limited(path, 10) == b"first"
    replace_file(path, b"third")
    assert read_limited(path, 5) == b"third"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123456")
    with pytest.raises(FormatError, match="larger"):
        read_limited(tmp_path / "file", 5)
    with pytest.raises(UsageError, match="can not be read"):
        read_limited(tmp_path, 5)


def test_processes_that_hold_the_lock_lose_no_update(tmp_path: Path) -> None:
    path = tmp_path / "count"
    started = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0]
    assert path.read_bytes() == b"75"


def test_the_lock_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")

    def full(fd: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="No space left") as refused:
        replace_file(path, b"new")
    assert "free some space" in (refused.value.hint or "")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    for write in (replace_file, create_file):
        with pytest.raises(UsageError, match="gone/file can not be written"):
            write(tmp_path / "gone" / "file", b"")
    with pytest.raises(UsageError), locked(tmp_path / "gone"):
        pass
