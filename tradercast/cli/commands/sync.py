"""``tradercast sync``: fetch a range of a feed from the swarm, and follow it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Annotated, Any

import typer

from tradercast import errors
from tradercast.addresses import parse_address
from tradercast.cli.context import Cli
from tradercast.cli.options import (
    FOREVER,
    BootstrapOption,
    ChannelOption,
    DaysOption,
    EndOption,
    ExchangeOption,
    FromOption,
    PeerOption,
    StartOption,
    addresses,
    checked,
    duration_s,
    time_range,
)
from tradercast.cli.records import print_piece
from tradercast.cli.text import count, size
from tradercast.client.feed import OpenFeed, open_feed
from tradercast.client.live import follow_feed
from tradercast.client.node import Node
from tradercast.client.resolve import Target, candidates, resolve
from tradercast.client.session import SessionOptions, session
from tradercast.client.sync import SyncProgress, SyncResult, need, sync_range
from tradercast.feeds import check_name
from tradercast.timerange import TimeRange, format_time_ns

EXAMPLES = (
    "tradercast sync btcusd --from 'tradercast://…?bootstrap=203.0.113.7:7341'   # the first time",
    "tradercast sync btcusd --days 30",
    "tradercast sync BTC-USD --exchange bitfinex --start 2024-01-01 --end 2024-02-01",
    "tradercast sync btcusd --follow --json",
    "tradercast sync btcusd --dry-run",
)
ASK_BYTES = 5_000_000_000


async def sync(
    cli: Cli,
    targets: Annotated[
        list[str], typer.Argument(metavar="SYMBOL…|FEED|LINK", help="What to fetch.")
    ],
    source: FromOption = None,
    channel: ChannelOption = None,
    exchange: ExchangeOption = None,
    start: StartOption = None,
    end: EndOption = None,
    days: DaysOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Then print new records as they arrive.")
    ] = False,
    seed: Annotated[
        str | None,
        typer.Option(
            "--seed",
            metavar="[DURATION]",
            help="Then give to others what is here, for so long (default: until stopped).",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where peers connect while it runs."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much it is, and who has it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before 5 GB.")] = False,
    patience: Annotated[
        str,
        typer.Option(
            "--patience",
            metavar="DURATION",
            help="How long peers may send nothing before the rest is given up.",
            callback=checked(duration_s),
        ),
    ] = "20s",
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
) -> int:
    """Fetch a range of a feed from the swarm; what is here already is not fetched again.

    Stop it at any time: the next run goes on where this one stopped.  With --follow the next run
    prints none again: what came while none ran is fetched, and only what comes then is printed.
    Exit code 3: part of it
    could not be had, be it that nobody has it or that peers sent only what the publisher did not
    sign (which is refused and said); what is here is right.  Exit code 5: the publisher itself
    signed two versions.
    """
    wanted = time_range(start, end, days, now_ns=time.time_ns())
    named = [Target.parse(text, source) for text in targets]
    for name, what in ((exchange, "exchange"), (channel, "channel")):
        if name is not None:
            check_name(name, what)
    stall_s = duration_s(patience)
    seed_s = None if seed in (None, FOREVER) else duration_s(str(seed))
    async with Node(cli.data_dir) as node:
        links = candidates(node, named)
        options = SessionOptions(
            bootstrap=addresses(bootstrap),
            peers=addresses(peer),
            listen=parse_address(listen, listen=True) if listen else None,
            share_after_s=0.0 if seed is not None else 3.0,
        )
        async with session(node, links, options) as sharing:
            feeds = [
                await _open(node, target, stall_s, channel=channel, exchange=exchange)
                for target in named
            ]
            if dry_run:
                for feed in feeds:
                    await _estimate(cli, node, feed, wanted)
                return errors.EXIT_OK
            complete = True
            ends: list[tuple[OpenFeed, SyncResult]] = []
            for feed in feeds:
                result = await _fetch(cli, node, feed, wanted, stall_s, assume_yes=yes)
                complete &= result.complete
                ends.append((feed, result))
            if node.fork is not None:
                raise node.fork
            sharing.news()
            if follow:
                await _follow(cli, node, ends)
            elif seed is not None:
                cli.out.note("seeding; Ctrl-C ends it")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seed_s):
                        await asyncio.Event().wait()
    return errors.EXIT_OK if complete else errors.EXIT_INCOMPLETE


async def _open(
    node: Node, target: Target, stall_s: float, *, channel: str | None, exchange: str | None
) -> OpenFeed:
    publisher, feed = await resolve(node, target, exchange=exchange, channel=channel, remote=True)
    return await open_feed(node, publisher, feed, remote=True, stall_s=stall_s)


async def _estimate(cli: Cli, node: Node, feed: OpenFeed, wanted: TimeRange) -> None:
    cost = await need(await feed.plan(wanted))
    peers = await node.store.swarm.peers()
    cli.out.emit(
        {
            "feed": str(feed.feed),
            "range": _range(wanted),
            "records": cost.records,
            "bytes": cost.bytes,
            "held_bytes": cost.held_bytes,
            "to_fetch_bytes": cost.bytes - cost.held_bytes,
            "peers": len(peers),
        }
    )
    cli.out.print(
        f"{feed.feed} {wanted}: {count(cost.records, 'record')}, {size(cost.bytes)}, of which "
        f"{size(cost.held_bytes)} are here; {count(len(peers), 'peer')} connected"
    )


async def _fetch(
    cli: Cli, node: Node, feed: OpenFeed, wanted: TimeRange, stall_s: float, *, assume_yes: bool
) -> SyncResult:
    plans = await feed.plan(wanted)
    cost = await need(plans)
    left = cost.bytes - cost.held_bytes
    if left > ASK_BYTES and not cli.out.confirm(
        f"{feed.feed}: fetch {size(left)}?", assume_yes=assume_yes
    ):
        raise errors.UsageError("nothing was fetched")
    began = time.monotonic()
    before = {p["public_key"]: p["bytes_in"] for p in await node.store.swarm.peers()}
    with cli.out.progress(str(feed.feed), cost.records) as bar:

        def show(progress: SyncProgress) -> None:
            elapsed = max(time.monotonic() - began, 1e-6)
            rate = (progress.bytes - cost.held_bytes) / elapsed
            bar.update(
                progress.records,
                total=progress.total_records,
                note=f"{size(rate)}/s from {count(progress.peers, 'peer')}",
            )

        result = await sync_range(node, feed, plans, on_progress=show, stall_s=stall_s)
    elapsed = time.monotonic() - began
    refused, node.refused_blocks = node.refused_blocks, 0
    _report(cli, feed, wanted, result, refused, await _shares(node, before), elapsed)
    for notice in node.notices:
        cli.out.warn(notice)
    node.notices.clear()
    return result


async def _shares(node: Node, before: dict[bytes, int]) -> list[dict[str, Any]]:
    """Bytes that each connected peer sent over its socket since `before`."""
    return [
        {
            "peer": peer["public_key"].hex(),
            "address": f"{peer['host']}:{peer['port']}",
            "bytes": peer["bytes_in"] - before.get(peer["public_key"], 0),
        }
        for peer in await node.store.swarm.peers()
    ]


def _report(
    cli: Cli,
    feed: OpenFeed,
    wanted: TimeRange,
    result: SyncResult,
    refused: int,
    peers: list[dict[str, Any]],
    elapsed: float,
) -> None:
    out = cli.out
    out.emit(
        {
            "event": "synced",
            "feed": str(feed.feed),
            "range": _range(wanted),
            "records": result.records,
            "bytes": result.bytes,
            "fetched_bytes": result.fetched_bytes,
            "complete": result.complete,
            "missing": [[start, end] for start, end in result.missing],
            "end_seq": result.end_seq,
            "refused_blocks": refused,
            "peers": peers,
            "seconds": round(elapsed, 3),
        }
    )
    out.print(
        f"{feed.feed}: {count(result.records, 'record')} here, "
        f"{size(result.fetched_bytes)} fetched in {elapsed:.1f} s"
    )
    for peer in peers:
        out.note(f"  {size(peer['bytes'])} from {peer['peer'][:8]} at {peer['address']}")
    for start, end in result.missing:
        out.warn(f"nobody has {format_time_ns(start)} to {format_time_ns(end)}")
    if result.missing:
        out.note("run the same command again later: what is here is kept")


async def _follow(cli: Cli, node: Node, ends: list[tuple[OpenFeed, SyncResult]]) -> None:
    async def one(feed: OpenFeed, result: SyncResult) -> None:
        async for piece in follow_feed(node, feed, result.end_seq):
            print_piece(cli.out, feed.feed, piece)

    async with asyncio.TaskGroup() as group:
        for feed, result in ends:
            group.create_task(one(feed, result))


def _range(wanted: TimeRange) -> dict[str, int | None]:
    everything = TimeRange()
    return {
        "start": None if wanted.start_ns == everything.start_ns else wanted.start_ns,
        "end": None if wanted.end_ns == everything.end_ns else wanted.end_ns,
    }
