"""A source file as a stream of plain bytes, whatever it is packed in, within limits."""

from __future__ import annotations

import gzip
import importlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from tradercast.errors import InputError

GZIP, ZSTD, ZIP, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1"

_FOREIGN = {
    b"PK\x05\x06": "an empty zip archive",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"ARROW1": "an Arrow/Feather file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
# a zstd block of 4 bytes can hold 128 KiB, so small bites keep one step of it below 64 MiB
_ZSTD_BITE = 2_048


class Reader(Protocol):
    """What is asked of an unpacked stream."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source file may cost to read.

    Parameters
    ----------
    max_ratio : int
        Unpacked bytes for each packed one, once `ratio_from` bytes are out.
    max_bytes : int
        Unpacked bytes of one file.
    max_row : int
        Bytes of one row of text.
    """

    max_ratio: int = 250
    ratio_from: int = 16 << 20
    max_bytes: int = 1 << 40
    max_row: int = 1 << 20


class ByteStream:
    """The unpacked bytes of one file; every failure is an `InputError` that names it."""

    def __init__(self, raw: IO[bytes], unpacked: Reader, name: str, limits: Limits) -> None:
        self._raw = raw
        self._unpacked = unpacked
        self._limits = limits
        self.name = name
        self.member = ""
        self.bytes_out = 0

    @property
    def bytes_in(self) -> int:
        """Bytes of the file itself that were read so far."""
        return self._raw.tell()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        parts = []
        while size > 0:
            part = self._read_some(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_some(self, size: int) -> bytes:
        try:
            part = self._unpacked.read(size)
        except EOFError:
            raise InputError(
                f"{self.name} is cut off: the packed data ends early", hint="download it again"
            ) from None
        except (
            OSError,
            zlib.error,
            lzma.LZMAError,
            zipfile.BadZipFile,
            NotImplementedError,
        ) as error:
            raise InputError(f"{self.name} can not be unpacked: {error}") from None
        self.bytes_out += len(part)
        self._check()
        return part

    def _check(self) -> None:
        limits = self._limits
        if self.bytes_out > limits.max_bytes:
            raise InputError(f"{self.name} unpacks to more than {limits.max_bytes} bytes")
        if self.bytes_out > limits.ratio_from and self.bytes_out > limits.max_ratio * max(
            self.bytes_in, 1
        ):
            raise InputError(
                f"{self.name} unpacks to more than {limits.max_ratio} times its size: refused as "
                "a likely zip bomb",
                hint="unpack it yourself if you trust it",
            )


@contextmanager
def open_bytes(path: Path, limits: Limits) -> Iterator[ByteStream]:
    """Open a plain, gzip, zstd or one-member zip file; told apart by content, not by name.

    Raises
    ------
    InputError
        If there is no such file, it is empty, or packed in a way not known here.
    """
    with open_raw(path) as raw:
        magic = raw.read(8)
        raw.seek(0)
        member = ""
        unpacked: Reader
        if magic.startswith(GZIP):
            unpacked = gzip.GzipFile(fileobj=raw, mode="rb")
        elif magic.startswith(ZSTD):
            unpacked = _Zstd(raw, path.name)
        elif magic.startswith(ZIP):
            unpacked, member = _open_member(raw, path.name)
        else:
            _refuse_foreign(magic, path.name)
            unpacked = raw
        stream = ByteStream(raw, unpacked, path.name, limits)
        stream.member = member
        yield stream


@contextmanager
def open_raw(path: Path) -> Iterator[IO[bytes]]:
    """Open the file itself.

    Raises
    ------
    InputError
        If it can not be read or is empty.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} can not be read: {error.strerror or error}") from None
    with raw:
        try:
            empty = not raw.read(1)
            raw.seek(0)
        except OSError as error:
            raise InputError(f"{path} can not be read: {error.strerror or error}") from None
        if empty:
            raise InputError(f"{path.name} is empty")
        yield raw


class _Zstd:
    """Frames of zstd; unlike the library's own reader it notices a missing end."""

    def __init__(self, raw: IO[bytes], name: str) -> None:
        try:
            zstandard: Any = importlib.import_module("zstandard")
        except ImportError:
            raise InputError(
                f"{name} is packed with zstd, which needs another package",
                hint="pip install zstandard",
            ) from None
        self._raw = raw
        self._error: type[Exception] = zstandard.ZstdError
        self._new: Callable[[], Any] = zstandard.ZstdDecompressor(
            max_window_size=1 << 27
        ).decompressobj
        self._frame: Any = None
        self._rest = b""
        self._ready = b""

    def read(self, size: int, /) -> bytes:
        while not self._ready:
            data = self._rest or self._raw.read(_ZSTD_BITE)
            self._rest = b""
            if not data:
                if self._frame is not None:
                    raise EOFError
                return b""
            self._frame = self._frame or self._new()
            try:
                self._ready = self._frame.decompress(data)
            except self._error as error:
                raise OSError(str(error)) from None
            if self._frame.eof:
                self._rest = self._frame.unused_data
                self._frame = None
        part, self._ready = self._ready[:size], self._ready[size:]
        return part


def _open_member(raw: IO[bytes], name: str) -> tuple[Reader, str]:
    try:
        archive = zipfile.ZipFile(raw)
        members = [
            m
            for m in archive.infolist()
            if not m.is_dir() and not m.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise InputError(
                f"{name} holds {len(members)} files, not one",
                hint="unpack it and name the files to publish",
            )
        if members[0].flag_bits & 1:
            raise InputError(f"{name} is encrypted", hint="unpack it first")
        return archive.open(members[0]), members[0].filename
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        OSError,
        ValueError,
        struct.error,
        EOFError,
    ) as error:
        raise InputError(f"{name} can not be unpacked: {error}", hint="download it again") from None


def _refuse_foreign(magic: bytes, name: str) -> None:
    for start, what in _FOREIGN.items():
        if magic.startswith(start):
            raise InputError(
                f"{name} is {what}, which is not read here",
                hint="give CSV or JSON lines (plain, .gz, .zst or .zip) or Parquet",
            )
