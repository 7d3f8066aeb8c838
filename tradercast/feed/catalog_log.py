"""The catalog and its log: reading what is there, appending what is new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tradercast.errors import (
    FormatError,
    IncompleteError,
    UsageError,
    VerificationError,
    WriterConflictError,
)
from tradercast.feed.catalog import MAX_BLOCKS, Catalog
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.entries import Entry, FeedEntry, Segment, encode_entry, with_segment
from tradercast.feed.witness import Witness
from tradercast.feeds import FeedId
from tradercast.log import Core

_ATTEMPTS = 16


async def load_catalog(
    core: Core,
    catalog: Catalog | None = None,
    *,
    wait: bool = True,
    stall_s: float = 20.0,
) -> Catalog:
    """The catalog in a log, as far as the log's length is known.

    Parameters
    ----------
    core : Core
        The log.
    catalog : Catalog, optional
        One that was loaded from it before; only what is new is read, into the same object.
    wait : bool
        Whether to fetch what is not held from peers; otherwise only what is held is read.
    stall_s : float
        How long no block may arrive.

    Raises
    ------
    StalledError
        If peers stop to send.
    IncompleteError
        If `wait` is off and a block in the middle is not held.
    FormatError
        If the log is longer than any catalog.
    """
    found = Catalog() if catalog is None else catalog
    info = await core.info()
    end = info.length if wait else info.contiguous_length
    if end > MAX_BLOCKS:
        raise FormatError(f"the catalog has {end} entries, more than {MAX_BLOCKS}")
    if end <= found.length:
        return found
    async for batch in core.read([(found.length, end)], wait=wait, stall_s=stall_s):
        for index, block in batch:
            if index != found.length or block is None:
                raise IncompleteError(f"entry {found.length} of the catalog is not here")
            found.fold(block)
    return found


class CatalogWriter:
    """Appends to the catalog of an identity.

    Two writers with one identity may both run if they add the same feeds in the same order.
    Each takes in what the other wrote before it appends, and appends only what is still
    missing, so both sign the same blocks.  Two that add different feeds in one moment, before
    either hears of the other, fork the log, which ends it.

    Parameters
    ----------
    core : Core
        The catalog's log, opened with its signer.
    witness : Witness
        Knows how long the log was before, and keeps the state after each append.
    catch_up_s : float
        How long to wait for peers that have more of the log.
    """

    def __init__(self, core: Core, witness: Witness, *, catch_up_s: float = 10.0) -> None:
        self._core = core
        self._witness = witness
        self._catch_up_s = catch_up_s
        self._catalog = Catalog()

    @property
    def catalog(self) -> Catalog:
        """The catalog as of the last `refresh` or `put`."""
        return self._catalog

    async def refresh(self) -> Catalog:
        """Take in what this node or a sibling has appended.

        Raises
        ------
        UsageError
            If the log was not opened with its signer.
        VerificationError
            If the log is shorter than it was known to be: appending would fork it.
        ForkError
            If it was rewritten.
        """
        if not self._core.writable:
            raise UsageError("the catalog can not be written with this identity")
        await self._core.update(self._catch_up_s)
        recovering = (await self._core.info()).recovering
        await load_catalog(self._core, self._catalog, stall_s=self._catch_up_s)
        known = self._witness.known_length(self._core.key)
        if self._catalog.length < known:
            raise VerificationError(
                f"the catalog has {self._catalog.length} entries here, but {known} were signed",
                hint="connect to a node that has the rest, or restore a backup, and try again",
            )
        await self._keep_checkpoint()
        if recovering:
            await self._core.recover()
        return self._catalog

    async def put(self, *entries: Entry) -> Catalog:
        """Make the catalog say this; what it says already is not written again.

        Raises
        ------
        WriterConflictError
            If others keep appending.
        VerificationError, ForkError, UsageError
            As `refresh`.
        """
        return await self._write(lambda catalog: entries)

    async def put_segment(
        self, feed: FeedId, name: str, tail_key: bytes, archive_key: bytes, **details: Any
    ) -> Segment:
        """Make the catalog list a segment of a feed; raises as `put`.

        Parameters
        ----------
        feed : FeedId
            The feed, which is listed too if it was not.
        name : str
            The segment; ``main`` has rank 0, another that is new comes before all others.
        tail_key, archive_key : bytes
            The keys of its logs.
        **details
            Fields of `FeedEntry` to set, e.g. ``native_symbol``; others stay as they are.

        Returns
        -------
        Segment
            As it is listed, with its rank.
        """
        keys = (tail_key, archive_key)
        catalog = await self._write(
            lambda catalog: [with_segment(catalog.get(feed), feed, name, *keys, **details)]
        )
        return with_segment(catalog.get(feed), feed, name, *keys).by_name(name)

    async def _write(self, plan: Callable[[Catalog], Sequence[Entry]]) -> Catalog:
        # What is to be said may depend on what is there (a segment's rank), so it is asked
        # again after each lost race.
        for _ in range(_ATTEMPTS):
            catalog = await self.refresh()
            wanted = sorted(plan(catalog), key=_order)
            blocks = [encode_entry(entry) for entry in wanted if _is_new(catalog, entry)]
            if not blocks:
                return catalog
            result = await self._core.append(blocks, expect_length=catalog.length)
            if result.appended:
                for block in blocks:
                    catalog.fold(block)
                await self._keep_checkpoint()
                return catalog
        raise WriterConflictError(
            "another writer keeps appending to the catalog", hint="stop one of the two"
        )

    async def _keep_checkpoint(self) -> None:
        if not self._catalog.length:
            return
        state = await self._core.checkpoint()
        self._witness.own(LogCheckpoint(self._core.key, state))


def _is_new(catalog: Catalog, entry: Entry) -> bool:
    if isinstance(entry, FeedEntry):
        return catalog.get(entry.feed) != entry
    return catalog.publisher != entry


def _order(entry: Entry) -> str:
    return str(entry.feed) if isinstance(entry, FeedEntry) else ""
