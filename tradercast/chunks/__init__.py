"""Records <-> blocks: pure functions on bytes and columns, no I/O."""

from tradercast.chunks.block import ENCODER, MAX_BLOCK, MAX_RECORDS
from tradercast.chunks.book import encode_book
from tradercast.chunks.book_read import OpenBookChunk, decode_book, open_book
from tradercast.chunks.buffers import TradeBuffers
from tradercast.chunks.candles import encode_candles
from tradercast.chunks.candles_read import decode_candles
from tradercast.chunks.chain import extend_chain
from tradercast.chunks.cut import CutState, find_cuts
from tradercast.chunks.header import ChunkHeader, KeyInfo, TailInfo
from tradercast.chunks.index import (
    IndexNode,
    Spans,
    chunk_block,
    full_node_before,
    index_block,
    next_node,
)
from tradercast.chunks.index_codec import decode_index, encode_index
from tradercast.chunks.opening import decode_header
from tradercast.chunks.read import (
    OpenChunk,
    decode_neighbours,
    decode_trades,
    decode_trades_into,
    open_trades,
)
from tradercast.chunks.run import encode_run
from tradercast.chunks.trades import encode_trades

__all__ = [
    "ENCODER",
    "MAX_BLOCK",
    "MAX_RECORDS",
    "ChunkHeader",
    "CutState",
    "IndexNode",
    "KeyInfo",
    "OpenBookChunk",
    "OpenChunk",
    "Spans",
    "TailInfo",
    "TradeBuffers",
    "chunk_block",
    "decode_book",
    "decode_candles",
    "decode_header",
    "decode_index",
    "decode_neighbours",
    "decode_trades",
    "decode_trades_into",
    "encode_book",
    "encode_candles",
    "encode_index",
    "encode_run",
    "encode_trades",
    "extend_chain",
    "find_cuts",
    "full_node_before",
    "index_block",
    "next_node",
    "open_book",
    "open_trades",
]
