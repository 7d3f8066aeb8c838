"""The blocks of an import in a file, before the first of them is appended.

The file has its name only once it is whole and on the disk.  From then on the import is done: if
the process is killed while the blocks are appended, the next start appends the rest.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from tradercast.durable import os_errors, sync_directory
from tradercast.errors import FormatError

_HEAD = struct.Struct("<8sQQ")
_ENTRY = struct.Struct("<cI")
_MAGIC = b"TCSTAGE1"
_MAX_BLOCK = 1 << 20
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_BATCH = 8 << 20
_BUFFER = 1 << 20
ARCHIVE = b"a"
TAIL = b"t"


class StagedWriter:
    """Writes the file; archive blocks first.

    Parameters
    ----------
    path : Path
        Its name once it is whole.
    archive_block, tail_block : int
        Numbers of the first block for either log.

    Attributes
    ----------
    size : int
        Bytes of the blocks so far.
    """

    def __init__(self, path: Path, archive_block: int, tail_block: int) -> None:
        self._path = path
        self._part = path.with_suffix(".part")
        self._head = _HEAD.pack(_MAGIC, archive_block, tail_block)
        self._file: IO[bytes] | None = None
        self.size = 0

    def add(self, log: bytes, blocks: Iterable[bytes]) -> None:
        """Append blocks for one of the logs.

        Raises
        ------
        DiskFullError, UsageError
            If they can not be written.
        """
        with os_errors(self._part):
            if self._file is None:
                fd = os.open(self._part, _FLAGS, 0o600)
                self._file = os.fdopen(fd, "wb", _BUFFER)
                self._file.write(self._head)
            for block in blocks:
                self._file.write(_ENTRY.pack(log, len(block)))
                self._file.write(block)
                self.size += len(block)

    def commit(self) -> None:
        """Bring the file to the disk and give it its name; raises as `add`."""
        assert self._file is not None
        with os_errors(self._part):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._path)
            sync_directory(self._path.parent)

    def discard(self) -> None:
        """Remove what was written, unless it has got its name."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._part.unlink(missing_ok=True)


class StagedImport:
    """A whole file of `StagedWriter`.

    Attributes
    ----------
    archive_block, tail_block : int
        Numbers of the first block for either log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            head = file.read(_HEAD.size)
        if len(head) != _HEAD.size or not head.startswith(_MAGIC):
            raise _damaged(path)
        _, self.archive_block, self.tail_block = _HEAD.unpack(head)

    @classmethod
    def find(cls, path: Path) -> StagedImport | None:
        """The import that is staged under this name; what was never finished is removed."""
        path.with_suffix(".part").unlink(missing_ok=True)
        return cls(path) if path.exists() else None

    def batches(self, log: bytes) -> Iterator[list[bytes]]:
        """The blocks for one of the logs, some MiB at a time.

        Raises
        ------
        FormatError
            If the file is damaged.
        """
        batch: list[bytes] = []
        size = 0
        for block in self._blocks(log):
            batch.append(block)
            size += len(block)
            if size >= _BATCH:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def remove(self) -> None:
        """Forget it: its blocks are in the logs."""
        self._path.unlink()
        sync_directory(self._path.parent)

    def _blocks(self, log: bytes) -> Iterator[bytes]:
        with self._path.open("rb", _BUFFER) as file:
            file.seek(_HEAD.size)
            while entry := file.read(_ENTRY.size):
                if len(entry) != _ENTRY.size:
                    raise _damaged(self._path)
                kind, size = _ENTRY.unpack(entry)
                if kind not in (ARCHIVE, TAIL) or size > _MAX_BLOCK:
                    raise _damaged(self._path)
                if kind != log:
                    file.seek(size, os.SEEK_CUR)
                    continue
                block = file.read(size)
                if len(block) != size:
                    raise _damaged(self._path)
                yield block


def _damaged(path: Path) -> FormatError:
    return FormatError(f"{path} is damaged", hint="delete it and import the file again")
