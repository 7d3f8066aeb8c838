"""One log, as Python sees it: stays valid while sidecars come and go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from nacl.signing import SigningKey

from tradercast.errors import IncompleteError, SidecarError, SidecarLostError, UsageError
from tradercast.log import answers, spans
from tradercast.log.answers import AppendResult, CoreInfo, Progress
from tradercast.log.bridge import REQUEST_TIMEOUT_S, Bridge
from tradercast.log.items import ItemStream
from tradercast.log.line import LogState, Offer, Taken
from tradercast.log.proof import BlockProof, Checkpoint
from tradercast.log.session import MAX_LOSSES, Session
from tradercast.log.spans import BlockRange

STALL_S = 20.0
MAX_BLOCK = 15 << 20
MAX_BATCH = 12 << 20
"""Bytes of blocks in one request; larger appends are sent in several."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A core's handle on one connection."""

    bridge: Bridge
    handle: int
    answer: dict[str, Any]


class Core:
    """One log of a `LogStore`; made by `LogStore.core`.

    Attributes
    ----------
    key, discovery_key : bytes
        32 bytes each.
    writable : bool
        Whether this node has the signer.
    manifest : bytes or None
        The encoded manifest, once it is known (a reader learns it from a peer).
    incidents : list of dict
        Kept evidence of contradicting signatures (``docs/BRIDGE.md``), as of the opening.
    """

    def __init__(self, session: Session, *, key: bytes | None, signer: SigningKey | None) -> None:
        self._session = session
        self._source = _source(key, signer)
        self._opened: Opened | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self.key = b""
        self.discovery_key = b""
        self.writable = False
        self.manifest: bytes | None = None
        self.incidents: list[dict[str, Any]] = []

    async def open(self) -> Opened:
        """The handle on the present connection, opened if it is not."""
        for _ in range(MAX_LOSSES - 1):
            with contextlib.suppress(SidecarLostError):
                return await self._at()
        return await self._at()

    async def _at(self) -> Opened:
        if self._closed:
            raise SidecarError("the log is closed")
        return await self._open_on(await self._session.bridge())

    async def reopen(self, bridge: Bridge) -> None:
        """Open it on a new connection, so that its events are told again."""
        if not self._closed:
            await self._open_on(bridge)

    async def _open_on(self, bridge: Bridge) -> Opened:
        async with self._opening:
            if self._opened is None or self._opened.bridge is not bridge:
                answer = await bridge.request("core.open", self._source)
                self._opened = Opened(bridge, self._learn(answer), answer)
            return self._opened

    async def info(self) -> CoreInfo:
        """Its length and what is held of it."""
        return answers.core_info(await self._call("core.info", {}))

    async def update(self, timeout_s: float = 10.0, *, latest: bool = False) -> CoreInfo:
        """Ask every connected peer for a newer length, for `timeout_s` at most.

        With `latest` the newest block is fetched too, in the same round trip, if a peer has it.
        """
        params = {"timeout_ms": int(timeout_s * 1000), "latest": latest}
        answer = await self._call("core.update", params, timeout_s=timeout_s + REQUEST_TIMEOUT_S)
        return answers.core_info(answer)

    async def append(self, blocks: Sequence[bytes], expect_length: int) -> AppendResult:
        """Append durably, if the log's end is where the writer believes it to be.

        Parameters
        ----------
        blocks : sequence of bytes
            1 byte to 15 MiB each.  Over 12 MiB together they go in several steps, in order.
        expect_length : int
            Nothing is appended unless length and contiguous length are both equal to it.

        Returns
        -------
        AppendResult
            ``appended`` is true only if all blocks stand where they belong, by this call (if
            the sidecar was lost on the way, they are read back and compared).
        """
        batches = _batches(blocks)
        if not batches:
            info = await self.info()
            at_end = info.length == info.contiguous_length == expect_length
            return AppendResult(info.length, at_end)
        at = 0
        for batch in batches:
            result = await self._append(batch, expect_length + at)
            if not result.appended:
                return result
            at += len(batch)
        return result

    async def read(
        self, ranges: Iterable[BlockRange], wait: bool = True, stall_s: float = STALL_S
    ) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        """The blocks of the ranges, in their order, about 256 KiB at a time.

        Parameters
        ----------
        ranges : iterable of (int, int)
            ``[start, end)`` each.
        wait : bool
            Fetch what is missing from peers; otherwise it comes as `None`.
        stall_s : float
            How long to wait without a single new block before giving up.

        Raises
        ------
        StalledError
            If no peer delivers.  What arrived is in the store.
        """
        params = {"wait": wait, "stall_ms": int(stall_s * 1000)}
        await self._session.keeping[self.key].settled()
        for part in spans.parts(spans.check(ranges)):
            cursor = spans.Cursor(part)
            losses = 0
            while rest := cursor.rest():
                try:
                    async with await self.stream("core.read", {**params, "ranges": rest}) as items:
                        async for item in items:
                            losses = 0
                            yield answers.blocks(item, cursor)
                    if cursor.rest():
                        raise SidecarError("the sidecar left blocks of a range out")
                except SidecarLostError:
                    losses += 1
                    if losses >= MAX_LOSSES:
                        raise

    async def get(self, index: int, wait: bool = False, stall_s: float = STALL_S) -> bytes | None:
        """One block; `None` if it is not held (and `wait` is false)."""
        found: bytes | None = None
        async for batch in self.read([(index, index + 1)], wait, stall_s):
            found = batch[-1][1]
        return found

    async def download(
        self, ranges: Iterable[BlockRange], stall_s: float = STALL_S
    ) -> AsyncIterator[Progress]:
        """Fetch what is missing of the ranges from peers; yields the totals so far.

        Raises
        ------
        StalledError
            If no peer delivers for `stall_s`.
        IncompleteError
            If it was ended in another way.
        """
        await self._session.keeping[self.key].settled()
        done = Progress(0, 0)
        for part in spans.parts(spans.check(ranges)):
            params = {"ranges": part, "stall_ms": int(stall_s * 1000)}
            losses = 0
            while True:
                before = done
                try:
                    async with await self.stream("core.download", params) as items:
                        async for item in items:
                            losses = 0
                            done = before + answers.progress(item)
                            yield done
                    result = items.result
                except SidecarLostError:
                    losses += 1
                    if losses >= MAX_LOSSES:
                        raise
                    continue
                done = before + answers.progress(result)
                if not result.get("complete"):
                    raise IncompleteError("the download was ended before it was complete")
                break
        yield done

    async def lines(
        self, ranges: Sequence[BlockRange], least_bytes: int
    ) -> tuple[LogState, list[BlockRange], list[Offer]]:
        """What `line_fetch` needs: the log's state, what is missing of the ranges, and lines.

        Peers are asked for lines only if about `least_bytes` are missing.
        """
        await self._session.keeping[self.key].settled()
        params = {"ranges": ranges, "least_bytes": least_bytes}
        answer = await self._call("core.lines", params)
        state = answers.log_state(answer, self.key, self.discovery_key)
        return state, answers.pairs(answer.get("missing")), answers.offers(answer)

    def keep(self, state: LogState, taken: Taken) -> None:
        """Store blocks that were taken over a line, soon: reading them again waits for that."""
        self._session.keeping[self.key].add(taken.size, lambda: self._keep(state, taken))

    async def _keep(self, state: LogState, taken: Taken) -> None:
        await self._call(
            "core.put",
            {
                "fork": state.fork,
                "length": state.length,
                "blocks": taken.blocks,
                "values": taken.values,
                "beside": taken.beside,
                "peer": taken.peer,
            },
        )

    async def held(self, start: int, end: int) -> list[BlockRange]:
        """The ranges within ``[start, end)`` that this node holds."""
        await self._session.keeping[self.key].settled()
        held: list[BlockRange] = []
        while spans.check([(start, end)]):
            answer = await self._call("core.held", {"start": start, "end": end})
            held += answers.ranges(answer)
            if answer.get("next") is None:
                break
            start = max(start + 1, answers.number(answer, "next"))
        return held

    async def clear(self, start: int, end: int) -> None:
        """Drop the blocks of ``[start, end)`` from this node."""
        if spans.check([(start, end)]):
            await self._call("core.clear", {"start": start, "end": end})

    async def checkpoint(self) -> Checkpoint:
        """What the publisher signed about the length held here; never waits for peers.

        It comes from the sidecar: check it with `proof.verify_checkpoint`.
        """
        return answers.checkpoint(await self._call("core.checkpoint", {}))

    async def proofs(
        self, ranges: Iterable[BlockRange], values: bool = True
    ) -> AsyncIterator[list[BlockProof]]:
        """What proves the held blocks of the ranges, to be checked by `proof.verify_block`.

        The proofs lead to the roots of the log's length at the beginning: compare it with the
        checkpoint's when the log may grow meanwhile.

        Raises
        ------
        SidecarLostError
            If the sidecar is lost; this is not resumed, since the length may be another then.
        """
        for part in spans.parts(spans.check(ranges)):
            params = {"ranges": part, "values": values}
            async with await self.stream("core.proofs", params) as items:
                async for item in items:
                    yield answers.proofs(item)

    async def recover(self) -> None:
        """Allow appends again after the store lost its newest writes and the end was checked."""
        await self._call("core.recover", {})

    async def close(self) -> None:
        """Let go of the log; it stays in the store and is served on."""
        await self._session.keeping[self.key].settled()
        opened, self._opened, self._closed = self._opened, None, True
        if opened is not None and opened.bridge.lost is None:
            with contextlib.suppress(SidecarLostError):
                await opened.bridge.request("core.close", {"handle": opened.handle})

    async def __aenter__(self) -> Core:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _learn(self, answer: Any) -> int:
        opened = answers.opened(answer)
        if self.key and opened.key != self.key:
            raise SidecarError("the sidecar opened another log")
        self.key = opened.key
        self.discovery_key = opened.discovery_key
        self.writable = opened.writable
        self.manifest = opened.manifest
        self.incidents = opened.incidents
        return opened.handle

    async def _call(
        self, method: str, params: dict[str, Any], *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[str, Any]:
        for losses in range(MAX_LOSSES):
            try:
                at = await self._at()
                params["handle"] = at.handle
                return answers.mapping(await at.bridge.request(method, params, timeout_s=timeout_s))
            except SidecarLostError:
                if losses + 1 == MAX_LOSSES:
                    raise
        raise AssertionError("unreachable")

    async def stream(self, method: str, params: dict[str, Any]) -> ItemStream:
        """Ask for a stream of the log; for what the other methods do not cover."""
        at = await self._at()
        return await at.bridge.stream(method, {**params, "handle": at.handle})

    async def _append(self, batch: list[bytes], expect: int) -> AppendResult:
        params = {"blocks": batch, "expect_length": expect}
        for losses in range(MAX_LOSSES):
            try:
                at = await self._at()
                params["handle"] = at.handle
                return answers.appended(await at.bridge.request("core.append", params))
            except SidecarLostError:
                if losses + 1 == MAX_LOSSES:
                    raise
            info = await self.info()
            if info.length != expect or info.contiguous_length != expect:
                equal = await self._holds(batch, expect)
                return AppendResult(info.length, equal)
        raise AssertionError("unreachable")

    async def _holds(self, batch: list[bytes], start: int) -> bool:
        held = [
            b async for some in self.read([(start, start + len(batch))], False) for _, b in some
        ]
        return held == batch


def _source(key: bytes | None, signer: SigningKey | None) -> dict[str, Any]:
    if (key is None) == (signer is None):
        raise UsageError("a log is opened by its key or by its signer")
    if signer is not None:
        public = bytes(signer.verify_key)
        return {"signer": {"public_key": public, "secret_key": bytes(signer) + public}}
    assert key is not None
    if len(key) != 32:
        raise UsageError("a log's key has 32 bytes")
    return {"key": bytes(key)}


def _batches(blocks: Sequence[bytes]) -> list[list[bytes]]:
    batches: list[list[bytes]] = [[]]
    size = 0
    for block in blocks:
        if not 0 < len(block) <= MAX_BLOCK:
            raise UsageError(f"a block has 1 to {MAX_BLOCK} bytes, not {len(block)}")
        if batches[-1] and size + len(block) > MAX_BATCH:
            batches.append([])
            size = 0
        batches[-1].append(block)
        size += len(block)
    return batches if batches[-1] else []
