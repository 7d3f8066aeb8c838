"""Records against those that a segment holds already: equal, or the first that differs."""

from __future__ import annotations

from tradercast.errors import IncompleteError, WriterConflictError
from tradercast.feed.archive import ArchiveIndex, ChunkRef
from tradercast.feed.channel import Channel
from tradercast.log import Core
from tradercast.runs import Records


def first_difference(a: Records, b: Records) -> int | None:
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


class ArchiveAhead:
    """Records of an archive that is further than its tail: what comes next has to equal them.

    Parameters
    ----------
    core : Core
        The archive.
    index : ArchiveIndex
        Its index.
    channel : Channel
        What its records are.
    """

    def __init__(self, core: Core, index: ArchiveIndex, channel: Channel) -> None:
        self._channel = channel
        self._core = core
        self._index = index
        self._ref: ChunkRef | None = None
        self._records = channel.records.empty()

    @property
    def end_seq(self) -> int:
        """The seq after the last record of the archive."""
        return self._index.end_seq

    async def check(self, first_seq: int, records: Records) -> None:
        """Compare records, as far as the archive has them.

        Raises
        ------
        WriterConflictError
            If one differs.
        """
        for ref in await self._index.chunks_between(first_seq, first_seq + len(records)):
            held = await self._load(ref)
            start = max(first_seq, ref.first_seq)
            end = min(first_seq + len(records), ref.end_seq)
            ours = records[start - first_seq : end - first_seq]
            theirs = held[start - ref.first_seq : end - ref.first_seq]
            row = first_difference(ours, theirs)
            if row is not None:
                describe = self._channel.describe
                raise WriterConflictError(
                    f"record {start + row} is {describe(theirs, row)} in the archive, but "
                    f"{describe(ours, row)} was given",
                    hint="if an import was interrupted, import the same file again first",
                )

    async def _load(self, ref: ChunkRef) -> Records:
        if self._ref != ref:
            data = await self._core.get(ref.block)
            if data is None:
                raise IncompleteError(f"chunk {ref.number} of the archive is not here")
            self._ref, self._records = ref, self._channel.decode(data)[1]
        return self._records
