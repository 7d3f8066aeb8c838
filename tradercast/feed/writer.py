"""Writing a feed: messages to the tail, finished runs to the archive, durably and only once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from nacl.signing import SigningKey

from tradercast.errors import UsageError
from tradercast.feed.bulk import BulkImport, ImportProgress, ImportReport
from tradercast.feed.compare import ArchiveAhead
from tradercast.feed.history import History
from tradercast.feed.opening import lock_feed, open_segment
from tradercast.feed.sealing import Run
from tradercast.feed.segment import WORKERS, Segment
from tradercast.feed.source import Batches
from tradercast.feed.startup import CATCH_UP_S
from tradercast.feed.tail import KEEP_TAIL
from tradercast.feed.tail_blocks import TailBlocks
from tradercast.feed.witness import Witness
from tradercast.feeds import FeedId, check_name
from tradercast.log import LogStore
from tradercast.runs import Records

_FEW = 512  # records


@dataclass(frozen=True, slots=True)
class AppendReport:
    """What an append did; all of it is durable.

    Attributes
    ----------
    first_seq, end_seq : int
        The records ``[first_seq, end_seq)`` were appended.
    tail_length, archive_length : int
        Blocks of the two logs after it.
    """

    first_seq: int
    end_seq: int
    tail_length: int
    archive_length: int


class FeedWriter:
    """Writes one segment of a feed; made by `open`.

    Its blocks depend on nothing but the messages, so several writers with one identity may run on
    several nodes: what one appended, the others compare with what they would have written.  After
    an error in the middle of an append the writer is of no more use; open another one, which finds
    out how far this one got.
    """

    def __init__(
        self,
        store: LogStore,
        segment: Segment,
        ahead: ArchiveAhead,
        staged: Path,
        held: contextlib.AsyncExitStack,
    ) -> None:
        self._store = store
        self._segment = segment
        self._ahead = ahead
        self._staged = staged
        self._held: contextlib.AsyncExitStack | None = held
        self._busy = asyncio.Lock()
        self._failed: BaseException | None = None
        self._pins: Counter[int] = Counter()
        self._cleared = 0

    @classmethod
    async def open(
        cls,
        store: LogStore,
        data_dir: Path,
        feed: FeedId,
        segment: str,
        *,
        tail_signer: SigningKey,
        archive_signer: SigningKey,
        witness: Witness,
        catch_up_s: float = CATCH_UP_S,
        derive_lost: bool = False,
    ) -> FeedWriter:
        """Find out where the segment ends, finish what was interrupted, and be ready to write.

        Parameters
        ----------
        store : LogStore
            Where its logs are.
        data_dir : Path
            The store's data directory.
        feed : FeedId
            The feed.
        segment : str
            The segment's name, e.g. ``main``.
        tail_signer, archive_signer : SigningKey
            The keys of its two logs.
        witness : Witness
            Knows how long they were before, and keeps the state after each append.
        catch_up_s : float
            How long peers may take to bring logs that lost their end up to date.
        derive_lost : bool
            If they do not, derive what was lost again from the same messages: see `owes`.

        Raises
        ------
        FeedBusyError
            If another writer on this data directory has the segment.
        WriterBehindError
            If blocks that were signed before are missing, and no peer sends them.
        WriterConflictError, ForkError
            If the logs do not fit each other, or what was signed before.
        """
        check_name(segment, "segment")
        async with contextlib.AsyncExitStack() as stack:
            tail = await stack.enter_async_context(await store.core(signer=tail_signer))
            archive = await stack.enter_async_context(await store.core(signer=archive_signer))
            path = data_dir / "writers" / tail.discovery_key.hex()
            stack.callback(os.close, lock_feed(path.with_suffix(".lock"), feed))
            pool = ThreadPoolExecutor(WORKERS, "encode")
            stack.callback(pool.shutdown, wait=False)
            staged = path.with_suffix(".import")
            found, index = await open_segment(
                feed,
                tail,
                archive,
                witness=witness,
                staged_path=staged,
                pool=pool,
                catch_up_s=catch_up_s,
                derive_lost=derive_lost,
            )
            ahead = ArchiveAhead(archive, index, found.channel)
            return cls(store, found, ahead, staged, stack.pop_all())
        raise AssertionError("unreachable")

    @property
    def feed(self) -> FeedId:
        """The feed."""
        return self._segment.feed

    @property
    def end_seq(self) -> int:
        """The number of the next record."""
        return self._segment.end_seq

    @property
    def owes(self) -> bool:
        """Whether appends only make up yet for what was lost: nothing of them is durable."""
        return self._segment.tail_log.owes

    @property
    def tail_key(self) -> bytes:
        """The key of the tail."""
        return self._segment.tail_log.core.key

    @property
    def archive_key(self) -> bytes:
        """The key of the archive."""
        return self._segment.archive_log.core.key

    @property
    def message(self) -> int | None:
        """The number of the last message that was appended with one, also before this start."""
        return self._segment.tail.message

    @property
    def history(self) -> History:
        """What the segment holds already."""
        return History(self._segment)

    async def is_overtaken(self, timeout_s: float) -> bool:
        """Whether a sibling has written further; peers have so long to tell."""
        tail = self._segment.tail_log
        return (await tail.core.update(timeout_s)).length > tail.length

    async def append(
        self, messages: Sequence[Records], numbers: Sequence[int] | None = None
    ) -> AppendReport:
        """Append messages, each as one tail block, and seal what they finish.

        How messages are grouped into calls makes no difference.  An empty message adds nothing.

        Parameters
        ----------
        messages : sequence of Records
            In order.
        numbers : sequence of int, optional
            The number of each at its source, which its blocks state; see `message`.

        Returns
        -------
        AppendReport
            Everything in it is on the disk, with a checkpoint.

        Raises
        ------
        EncodeError
            If a record fits into no block; nothing was appended, and the writer stays usable.
        WriterConflictError
            If a log has another block where one of these belongs.
        """
        async with self._working():
            segment = self._segment
            first = segment.end_seq
            seq = first
            for message in messages:
                if seq < self._ahead.end_seq:
                    await self._ahead.check(seq, message)
                seq += len(message)
            tail = segment.tail.copy()
            if seq - first < _FEW:  # a thread's turn would take longer
                blocks, runs = _derive(tail, messages, numbers)
            else:
                blocks, runs = await asyncio.to_thread(_derive, tail, messages, numbers)
            with self._appending():
                if blocks:
                    await segment.tail_log.put(blocks)
                segment.tail = tail
                await segment.seal(runs)
            return AppendReport(
                first, segment.end_seq, segment.tail_log.length, segment.archive_log.length
            )

    async def import_batches(
        self, batches: Batches, on_progress: Callable[[ImportProgress], None] | None = None
    ) -> ImportReport:
        """Import a whole source from its beginning.

        Full chunks go straight to the archive and only the rest to the tail.  What the segment
        has already is compared and skipped.  Either all of the source is added or nothing.

        Parameters
        ----------
        batches : iterable or async iterable of Records
            The source, in portions of any size.  An error of its own passes through.
        on_progress : callable, optional
            Gets an `ImportProgress` for every batch and chunk.

        Raises
        ------
        ConflictingImportError
            If the source differs from what the segment has; names the first record.
        EncodeError
            If a record can not be held exactly.
        DiskFullError
            If there is not enough room.
        """
        async with self._working():
            work = BulkImport(self._segment, self._staged, self._room, self._appending, on_progress)
            return await work.run(batches)

    async def clear_sealed_tail(self, keep: int = KEEP_TAIL) -> int:
        """Drop old tail blocks from this node, whose records are in the archive.

        Parameters
        ----------
        keep : int
            The newest blocks that stay in any case.

        Returns
        -------
        int
            Number of the first block that is still here.
        """
        async with self._working():
            segment = self._segment
            end = min(segment.tail.open_block, segment.tail_log.length - keep, *self._pins)
            if end > self._cleared:
                await segment.tail_log.core.clear(self._cleared, end)
                self._cleared = end
            return self._cleared

    @contextlib.contextmanager
    def pin_tail(self, block: int) -> Iterator[None]:
        """Keep tail blocks from `block` on while a reader of this process is on them."""
        self._pins[block] += 1
        try:
            yield
        finally:
            self._pins[block] -= 1
            if not self._pins[block]:
                del self._pins[block]

    async def close(self) -> None:
        """Let another writer have the segment."""
        async with self._busy:
            held, self._held = self._held, None
            if held is not None:
                await held.aclose()

    async def __aenter__(self) -> FeedWriter:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        async with self._busy:
            if self._held is None:
                raise UsageError(f"the writer of {self.feed} is closed")
            if self._failed is not None:
                raise UsageError(
                    f"the writer of {self.feed} failed before: {self._failed}", hint="open it again"
                )
            yield

    @contextlib.contextmanager
    def _appending(self) -> Iterator[None]:
        """From here on the state is ahead of the logs, so an error leaves it unusable."""
        try:
            yield
        except BaseException as error:
            self._failed = error
            raise

    async def _room(self) -> int:
        space = await self._store.free_space()
        return int(space["free"]) - int(space["min_free"])


def _derive(
    tail: TailBlocks, messages: Sequence[Records], numbers: Sequence[int] | None
) -> tuple[list[bytes], list[Run]]:
    blocks: list[bytes] = []
    runs: list[Run] = []
    given = [None] * len(messages) if numbers is None else numbers
    for message, number in zip(messages, given, strict=True):
        made, finished = tail.derive(message, number)
        blocks += made
        runs += finished
    return blocks, runs
