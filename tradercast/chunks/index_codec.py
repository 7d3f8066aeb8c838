"""Index nodes to and from bytes."""

from __future__ import annotations

import numpy as np

from tradercast.chunks.block import (
    INDEX,
    MAX_BLOCK,
    MAX_RECORDS,
    Header,
    check_keys,
    pack_block,
    require_encoder,
    take_feed,
    take_int,
    unpack_block,
)
from tradercast.chunks.columns import ColumnReader, ColumnWriter, layout_of
from tradercast.chunks.header import MAX_SEQ
from tradercast.chunks.index import GROUP, IndexNode, Spans
from tradercast.chunks.units import MAX_UNIT, time_unit
from tradercast.errors import EncodeError, FormatError
from tradercast.rows import I64
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS

MAX_GROUPS = 65_536
_KEYS = ("enc", "feed", "node", "seq", "unit", "cols")
_NAMES = ("min", "max", "run", "n", "size", "notes")
_LAYOUT = layout_of(
    *((name, GROUP) for name in _NAMES), *((f"g_{name}", MAX_GROUPS) for name in _NAMES)
)


def encode_index(node: IndexNode) -> bytes:
    """The block of an index node.

    Raises
    ------
    EncodeError
        If the node would be over 1 MiB, or pcodec is not the one of the format.
    """
    require_encoder()
    writer = ColumnWriter()
    every = (node.chunks.min_ns, node.chunks.max_ns, node.chunks.running_max_ns)
    summed = (node.groups.min_ns, node.groups.max_ns, node.groups.running_max_ns)
    unit = time_unit(np.concatenate((*every, *summed)))
    _add(writer, "", node.chunks, 10**unit)
    _add(writer, "g_", node.groups, 10**unit)
    header: Header = {
        "enc": node.encoder,
        "feed": str(node.feed),
        "node": node.node,
        "seq": node.first_seq,
        "unit": unit,
        "cols": writer.entries,
    }
    block = pack_block(INDEX, header, writer.sections)
    if len(block) > MAX_BLOCK:
        raise EncodeError(f"index node {node.node} takes {len(block)} bytes, over {MAX_BLOCK}")
    return block


def decode_index(block: bytes) -> IndexNode:
    """The index node of a block.

    Raises
    ------
    FormatError, UnknownVersionError
        If the bytes are not an index node that this program can read.
    """
    header, start = unpack_block(block, INDEX)
    check_keys(header, _KEYS, (), ())
    number = take_int(header["node"], "the node", 0, MAX_GROUPS * GROUP - 1)
    seq = take_int(header["seq"], "the first seq", 0, MAX_SEQ)
    unit = take_int(header["unit"], "the time unit", 0, MAX_UNIT)
    reader = ColumnReader(block, start, header["cols"], _LAYOUT)
    place, group = number % GROUP, number // GROUP
    chunks = _read(reader, "", place + 1, 10**unit, 1)
    complete = place == GROUP - 1
    groups = _read(reader, "g_", group + 1 if complete else 0, 10**unit, GROUP)
    reader.finish()
    if complete and tuple(int(c[-1]) for c in groups.columns()) != chunks.summary():
        raise FormatError("the node's own group is not the sum of its chunks")
    return IndexNode(take_feed(header["feed"]), number, seq, chunks, groups, header["enc"])


def _add(writer: ColumnWriter, prefix: str, spans: Spans, unit: int) -> None:
    low, high, running = (c // unit for c in (spans.min_ns, spans.max_ns, spans.running_max_ns))
    writer.add(f"{prefix}min", low, delta=1)
    writer.add(f"{prefix}max", high - low)
    writer.add(f"{prefix}run", running - high)
    writer.add(f"{prefix}n", spans.count)
    writer.add(f"{prefix}size", spans.size)
    if spans.notes.any():
        writer.add(f"{prefix}notes", spans.notes)


def _read(reader: ColumnReader, prefix: str, length: int, unit: int, chunks: int) -> Spans:
    """`length` entries, each about `chunks` chunks."""
    named = (_column(reader, prefix + name, length) for name in _NAMES[:-1])
    low, high, running, count, size = named
    if not length:
        return Spans.empty()
    notes = np.zeros(length, np.int64)
    if reader.count(f"{prefix}notes"):
        notes = _column(reader, f"{prefix}notes", length)
    high = low + high  # modulo 2**64, as they were subtracted
    running = high + running
    _ascending((low, high, running), -(-MIN_TIME_NS // unit), MAX_TIME_NS // unit)
    if (running[1:] < running[:-1]).any():
        raise FormatError("a running maximum decreases")
    for column, most in ((count, MAX_RECORDS), (size, MAX_BLOCK)):
        if int(column.min()) < 1 or int(column.max()) > most * chunks:
            raise FormatError("an index entry's count or size is out of range")
    if int(notes.min()) < 0 or (notes > count).any():
        raise FormatError("an index entry has more notes than records")
    return Spans(low * unit, high * unit, running * unit, count, size, notes)


def _column(reader: ColumnReader, name: str, length: int) -> I64:
    column: I64 = reader.read(name, np.int64)
    if len(column) != length:
        raise FormatError(f"the index column {name!r} has {len(column)} entries, not {length}")
    return column


def _ascending(columns: tuple[I64, I64, I64], lowest: int, highest: int) -> None:
    low, high, running = columns
    in_range = int(low.min()) >= lowest and int(running.max()) <= highest
    if not in_range or (low > high).any() or (high > running).any():
        raise FormatError("an index entry's times are not minimum, maximum, running maximum")
