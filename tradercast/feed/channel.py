"""What is particular to the records of a channel; all else in a feed treats them alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tradercast.book_levels import Keyframe
from tradercast.book_messages import BookMessages
from tradercast.candles import PRICES, Candles
from tradercast.chunks import ChunkHeader, decode_book, decode_candles, decode_trades
from tradercast.chunks import book as book_chunks
from tradercast.chunks import candles as candle_chunks
from tradercast.chunks import trades as trade_chunks
from tradercast.chunks.run import ChunkEncoder, TradesEncoder
from tradercast.errors import UsageError
from tradercast.feed.book_encoder import BookEncoder
from tradercast.feeds import FeedId
from tradercast.records import Side, Trades
from tradercast.runs import Records
from tradercast.timerange import format_time_ns


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of records, and how they become blocks and the reverse.

    Attributes
    ----------
    name : str
        The last part of a feed's name.
    records : type
        The class of a run of them.
    decode : callable
        From a block its header and records; raises `FormatError` for one of another channel.
    encode_tail : callable
        The tail block, of any size, of some records; raises `EncodeError`.
    encoder : ChunkEncoder
        Makes the archive blocks at the beginning of a segment.
    encoder_behind : callable
        The encoder behind an archive block.
    describe : callable
        The record of a row in words, for a message.
    has_corrections : bool
        Whether records may bust or amend earlier ones.
    """

    name: str
    records: type[Records]
    decode: Callable[[bytes], tuple[ChunkHeader, Records]]
    encode_tail: Callable[..., bytes]
    encoder: ChunkEncoder
    encoder_behind: Callable[[bytes], ChunkEncoder]
    describe: Callable[[Records, int], str]
    has_corrections: bool


def channel_of(feed: FeedId) -> Channel:
    """The channel of a feed.

    Raises
    ------
    UsageError
        If this program does not know it.
    """
    channel = _CHANNELS.get(feed.channel)
    if channel is None:
        raise UsageError(
            f"{feed} is of the channel {feed.channel!r}, which is not known here",
            hint=f"there are: {', '.join(_CHANNELS)}",
        )
    return channel


def _describe_trade(records: Records, row: int) -> str:
    one = records[row : row + 1]
    assert isinstance(one, Trades)
    text = f"{format_time_ns(int(one.ts_event[0]))} {Side(int(one.side[0])).name.lower()} "
    text += f"{one.size.to_strings()[0]} @ {one.price.to_strings()[0]}"
    identifier = one.trade_id.to_strings()[0] if one.trade_id is not None else None
    return text if identifier is None else f"{text} (id {identifier:.40})"


def _describe_message(records: Records, row: int) -> str:
    one = records[row : row + 1]
    assert isinstance(one, BookMessages)
    kind = "gap" if len(one.notes) else "snapshot" if one.is_snapshot[0] else "change"
    text = f"{format_time_ns(int(one.ts_event[0]))} {kind} of {len(one.levels)} levels"
    number = int(one.filled("last_id")[0])
    return text if number < 0 else f"{text} (update {number})"


def _decode_book(block: bytes) -> tuple[ChunkHeader, BookMessages]:
    header, _, messages = decode_book(block)
    return header, messages


def _describe_candle(records: Records, row: int) -> str:
    one = records[row : row + 1]
    assert isinstance(one, Candles)
    texts = (getattr(one, name).to_strings()[0] for name in (*PRICES, "volume"))
    kind = "gap" if len(one.notes) else "candle"
    return f"{format_time_ns(int(one.ts_open[0]))} {kind} {' '.join(texts)}"


_TRADES_ENCODER = TradesEncoder()
_CANDLES_ENCODER = candle_chunks.CandlesEncoder()

TRADES = Channel(
    name=trade_chunks.CHANNEL,
    records=Trades,
    decode=decode_trades,
    encode_tail=trade_chunks.encode_any_size,
    encoder=_TRADES_ENCODER,
    encoder_behind=lambda block: _TRADES_ENCODER,
    describe=_describe_trade,
    has_corrections=True,
)
BOOK = Channel(
    name=book_chunks.CHANNEL,
    records=BookMessages,
    decode=_decode_book,
    encode_tail=book_chunks.encode_book_any_size,
    encoder=BookEncoder(Keyframe.empty()),
    encoder_behind=BookEncoder.behind,
    describe=_describe_message,
    has_corrections=False,
)
CANDLES = Channel(
    name=candle_chunks.CHANNEL,
    records=Candles,
    decode=decode_candles,
    encode_tail=candle_chunks.encode_candles_any_size,
    encoder=_CANDLES_ENCODER,
    encoder_behind=lambda block: _CANDLES_ENCODER,
    describe=_describe_candle,
    has_corrections=False,
)
_CHANNELS = {channel.name: channel for channel in (TRADES, BOOK, CANDLES)}
