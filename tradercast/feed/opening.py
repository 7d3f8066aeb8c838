"""What a writer does before its first append: lock, check, catch up, finish what was begun."""

from __future__ import annotations

import asyncio
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tradercast.durable import os_errors
from tradercast.errors import FeedBusyError, WriterConflictError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.bulk import append_staged
from tradercast.feed.derived import DerivedLog
from tradercast.feed.restore import restore
from tradercast.feed.segment import Segment
from tradercast.feed.staged import StagedImport
from tradercast.feed.startup import fetch, settle
from tradercast.feed.witness import Witness
from tradercast.feeds import FeedId
from tradercast.log import Core


def lock_feed(path: Path, feed: FeedId) -> int:
    """Lock a file for as long as the descriptor returned is open.

    Raises
    ------
    FeedBusyError
        If another writer has it, in this process or another.
    """
    with os_errors(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise FeedBusyError(
            f"{feed} is being written by another program on this data directory",
            hint="stop it; a second writer needs a data directory of its own",
        ) from None
    return fd


async def open_segment(
    feed: FeedId,
    tail: Core,
    archive: Core,
    *,
    witness: Witness,
    staged_path: Path,
    pool: ThreadPoolExecutor,
    catch_up_s: float,
    derive_lost: bool = False,
) -> tuple[Segment, ArchiveIndex]:
    """Bring both logs to their ends and find the state to go on from.

    Returns
    -------
    Segment
        Ready to append.
    ArchiveIndex
        Of the archive, which may be further than the tail.
    """
    names = f"the tail of {feed}", f"the archive of {feed}"
    (tail_length, tail_owed), (archive_length, archive_owed) = await asyncio.gather(
        settle(tail, witness, names[0], catch_up_s, derive_lost=derive_lost),
        settle(archive, witness, names[1], catch_up_s, derive_lost=derive_lost),
    )
    info = await archive.info()
    await fetch(archive, info.contiguous_length, archive_length, names[1], catch_up_s)
    tail_log = DerivedLog(tail, witness, tail_length, names[0], tail_owed)
    archive_log = DerivedLog(archive, witness, archive_length, names[1], archive_owed)
    if (staged := StagedImport.find(staged_path)) is not None:
        try:
            await append_staged(staged, tail_log, archive_log)
        except WriterConflictError as error:
            raise WriterConflictError(
                f"an import that was interrupted can not be finished: {error.message}",
                hint=f"delete {staged_path} to give it up",
            ) from None
        tail_length = (await tail.info()).length
        archive_length = (await archive.info()).length
    found = await restore(feed, tail, tail_length, archive, archive_length, catch_up_s)
    held = (await tail.info()).contiguous_length
    if held < tail_length:
        # A new data directory: nobody needs to fetch what is sealed, but as long as it counts as
        # missing the log's end is before it.
        await tail.clear(held, found.first_block)
    tail_log.length = tail_length
    archive_log.length = 2 * found.archive.n_chunks
    segment = Segment(feed, found.tail, found.archive, tail_log, archive_log, pool)
    await segment.seal(found.runs)
    return segment, await ArchiveIndex.load(archive, archive_length, wait=False)
