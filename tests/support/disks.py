"""Disks of a chosen size, for tests of full ones."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 1 << 20


@dataclass(frozen=True)
class Disk:
    """A mounted tmpfs."""

    root: Path

    def resize(self, size: int) -> None:
        """Make it this large, as if files had been deleted or a larger disk been bought."""
        _run("mount", "-o", f"remount,size={size}", str(self.root))

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.root / "fill").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(MIB))

    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_bsize


@contextlib.contextmanager
def disk(root: Path, size: int) -> Iterator[Disk]:
    """Mount a disk of `size` bytes; the test is skipped where that is not allowed."""
    root.mkdir(parents=True)
    failure = _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(root))
    if failure:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"no tmpfs can be mounted: {failure}")
        pytest.skip(f"no tmpfs can be mounted: {failure}")
    try:
        yield Disk(root)
    finally:
        _run("umount", "-l", str(root))


def _run(*command: str) -> str:
    """What went wrong, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""
