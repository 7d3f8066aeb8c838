"""Records against those that a segment holds already: equal, or the first that differs."""

from __future__ import annotations

from tradercast.chunks import decode_trades
from tradercast.errors import IncompleteError, WriterConflictError
from tradercast.feed.archive import ArchiveIndex, ChunkRef
from tradercast.log import Core
from tradercast.records import Side, Trades
from tradercast.timerange import format_time_ns


def first_difference(a: Trades, b: Trades) -> int | None:
    """The first row in which two runs of equal length differ, or None."""
    if a.equals(b):
        return None
    same, different = 0, len(a)  # the first `same` rows are equal, the first `different` are not
    while different - same > 1:
        middle = (same + different) // 2
        if a[same:middle].equals(b[same:middle]):
            same = middle
        else:
            different = middle
    return same


def describe(trades: Trades, row: int) -> str:
    """One record in words, for a message."""
    one = trades[row : row + 1]
    text = f"{format_time_ns(int(one.ts_event[0]))} {Side(int(one.side[0])).name.lower()} "
    text += f"{one.size.to_strings()[0]} @ {one.price.to_strings()[0]}"
    identifier = one.trade_id.to_strings()[0] if one.trade_id is not None else None
    return text if identifier is None else f"{text} (id {identifier:.40})"


class ArchiveAhead:
    """Records of an archive that is further than its tail: what comes next has to equal them.

    Parameters
    ----------
    core : Core
        The archive.
    index : ArchiveIndex
        Its index.
    """

    def __init__(self, core: Core, index: ArchiveIndex) -> None:
        self._core = core
        self._index = index
        self._ref: ChunkRef | None = None
        self._trades = Trades.empty()

    @property
    def end_seq(self) -> int:
        """The seq after the last record of the archive."""
        return self._index.end_seq

    async def check(self, first_seq: int, trades: Trades) -> None:
        """Compare records, as far as the archive has them.

        Raises
        ------
        WriterConflictError
            If one differs.
        """
        for ref in await self._index.chunks_between(first_seq, first_seq + len(trades)):
            held = await self._load(ref)
            start = max(first_seq, ref.first_seq)
            end = min(first_seq + len(trades), ref.end_seq)
            ours = trades[start - first_seq : end - first_seq]
            theirs = held[start - ref.first_seq : end - ref.first_seq]
            row = first_difference(ours, theirs)
            if row is not None:
                raise WriterConflictError(
                    f"record {start + row} is {describe(theirs, row)} in the archive, but "
                    f"{describe(ours, row)} was given",
                    hint="if an import was interrupted, import the same file again first",
                )

    async def _load(self, ref: ChunkRef) -> Trades:
        if self._ref != ref:
            data = await self._core.get(ref.block)
            if data is None:
                raise IncompleteError(f"chunk {ref.number} of the archive is not here")
            self._ref, self._trades = ref, decode_trades(data)[1]
        return self._trades
