"""Integer columns to and from pcodec sections, with limits on everything a section claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, PagingSpec
from pcodec.wrapped import FileCompressor, FileDecompressor

from tradercast.chunks.block import take_int
from tradercast.errors import FormatError

Layout: TypeAlias = "Mapping[str, tuple[int, int]]"  # name -> place in the order, largest count
Ints: TypeAlias = "NDArray[np.int64] | NDArray[np.uint8]"

LEVEL = 8
_PCO_HEADER = b"\x04\x01"  # pcodec's file header: the same for every section, so not stored
_FILES, _ = FileDecompressor.new(_PCO_HEADER)
_LOW = {"i64": -(2**63), "u8": 0}
_HIGH = {"i64": 2**63 - 1, "u8": 255}


def layout_of(*columns: tuple[str, int]) -> Layout:
    """The layout of columns given in order, each with its largest count."""
    return {name: (place, limit) for place, (name, limit) in enumerate(columns)}


@dataclass(slots=True)
class Column:
    """Where a column is within its block: `length` bytes at `start`, or one value throughout."""

    count: int
    start: int
    length: int
    value: int = 0


class ColumnWriter:
    """Collects columns in order; `entries` goes to the header, `sections` after it."""

    def __init__(self) -> None:
        self.entries: dict[str, list[int]] = {}
        self.sections: list[bytes] = []

    def add(self, name: str, values: Ints, *, delta: int = 0) -> None:
        """Append a column; an empty one is left out, a constant one costs no section.

        Parameters
        ----------
        name : str
            The column's name in the format.
        values : int64 or uint8 array
            Contiguous or not.
        delta : int
            How many times differences are taken before coding (0 or 1).
        """
        count = len(values)
        if not count:
            return
        if values[0] == values[-1] and (values == values[0]).all():
            self.entries[name] = [count, 0, int(values[0])]
            return
        config = ChunkConfig(
            compression_level=LEVEL,
            delta_spec=DeltaSpec.try_consecutive(delta) if delta else DeltaSpec.no_op(),
            mode_spec=ModeSpec.auto(),
            paging_spec=PagingSpec.exact_page_sizes([count]),
            enable_8_bit=values.dtype == np.uint8,
        )
        compressor = FileCompressor().chunk_compressor(np.ascontiguousarray(values), config)
        section = compressor.write_meta() + compressor.write_page(0)
        self.entries[name] = [count, len(section)]
        self.sections.append(section)


class ColumnReader:
    """Reads the columns of one block.

    Parameters
    ----------
    block : bytes
        The whole block.
    start : int
        Where its sections begin.
    entries : object
        The header's ``cols``, not checked yet.
    layout : Layout
        The columns that there may be.

    Raises
    ------
    FormatError
        If a column is unknown, out of order, or claims more than its limit or the block, or if
        the block goes on after the last section.
    """

    def __init__(self, block: bytes, start: int, entries: object, layout: Layout) -> None:
        if not isinstance(entries, dict):
            raise FormatError("the block's list of columns is not a map")
        self._block = block
        self.columns: dict[str, Column] = {}
        self._unread = set(entries)
        place = -1
        for name, entry in entries.items():
            known = layout.get(name)
            if known is None or known[0] <= place:
                raise FormatError(f"column {name!r:.40} is unknown or out of its place")
            place, limit = known
            column = _column(name, entry, start, limit)
            self.columns[name] = column
            start += column.length
        if start != len(block):
            raise FormatError(f"the columns end at byte {start} of a block of {len(block)}")

    def count(self, name: str) -> int:
        """The number of values of a column; 0 if there is none."""
        column = self.columns.get(name)
        return column.count if column else 0

    def into(self, name: str, out: Ints) -> None:
        """Decode a column into a contiguous array of exactly its count.

        Raises
        ------
        FormatError
            If there is no such column of that count, or its bytes are broken.
        """
        column = self.columns.get(name)
        if column is None or column.count != len(out):
            raise FormatError(f"column {name!r} has {self.count(name)} values, not {len(out)}")
        self._unread.discard(name)
        kind = "u8" if out.dtype == np.uint8 else "i64"
        if not column.length:
            out[:] = take_int(column.value, f"the value of {name!r}", _LOW[kind], _HIGH[kind])
            return
        section = self._block[column.start : column.start + column.length]
        if not self._decompress(section, kind, out):
            raise FormatError(f"column {name!r} is broken")

    def read(self, name: str, dtype: type[np.int64] | type[np.uint8]) -> Any:
        """A column in a new array; empty if there is none."""
        out: Any = np.empty(self.count(name), dtype)
        if len(out):
            self.into(name, out)
        return out

    def finish(self, *skipped: str) -> None:
        """Refuse columns that belong to nothing; those that start with a `skipped` prefix may.

        Raises
        ------
        FormatError
            If a column was not read.
        """
        stray = [name for name in self._unread if not (skipped and name.startswith(skipped))]
        if stray:
            raise FormatError(f"column {min(stray)!r} belongs to nothing in the block")

    def _decompress(self, section: bytes, kind: str, out: Ints) -> bool:
        try:
            chunk, used = _FILES.chunk_decompressor(section, kind)
            progress, more = chunk.read_page_into(section[used:], len(out), out)
        except (RuntimeError, TypeError, ValueError, OverflowError, MemoryError):
            return False
        except BaseException as error:  # a panic in pcodec is no subclass of Exception
            if type(error).__name__ != "PanicException":
                raise
            return False
        complete = progress.finished and progress.n_processed == len(out)
        return bool(complete and used + more == len(section))


def _column(name: str, entry: object, start: int, limit: int) -> Column:
    if not isinstance(entry, list) or not 2 <= len(entry) <= 3:
        raise FormatError(f"column {name!r} is described by {entry!r:.60}")
    count = take_int(entry[0], f"the count of {name!r}", 1, limit)
    if len(entry) == 2:
        return Column(count, start, take_int(entry[1], f"the length of {name!r}", 1, 1 << 20))
    take_int(entry[1], f"the length of {name!r}", 0, 0)
    value = take_int(entry[2], f"the value of {name!r}", -(2**63), 2**63 - 1)
    return Column(count, start, 0, value)
