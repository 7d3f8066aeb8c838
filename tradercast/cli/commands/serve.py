"""``tradercast serve``: give everything this node holds to whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Annotated

import typer

from tradercast.addresses import Address, format_address, parse_address
from tradercast.cli.context import Cli
from tradercast.cli.options import (
    BootstrapOption,
    MetricsOption,
    PeerOption,
    addresses,
    checked,
    listening_address,
)
from tradercast.cli.seeding import seeding
from tradercast.client import extras
from tradercast.client.hosting import Host, HostOptions, hosting
from tradercast.client.node import Node
from tradercast.client.publishing import own_link
from tradercast.links import Link, is_local_only
from tradercast.paths import DIRECTORY_PORT, LOOPBACK, PEER_PORT

_KEY = "8k1o1opr46p8gwr1nqxb5y3mz4ta6h7jkc9ed3usi5w7xqn1yrco"
EXAMPLES = (
    "tradercast serve",
    "tradercast serve --listen 0.0.0.0:7340 --dht 0.0.0.0:7341 --advertise 203.0.113.7",
    "tradercast serve --bootstrap 203.0.113.7:7341 --json",
    f"tradercast serve --follow 'tradercast://{_KEY}?bootstrap=203.0.113.7:7341'",
)

ListenOption = Annotated[
    str,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="Where peers connect (TCP).",
        callback=checked(listening_address),
    ),
]
DhtOption = Annotated[
    str,
    typer.Option(
        "--dht",
        metavar="HOST:PORT",
        help="Where the directory node answers (UDP).",
        callback=checked(listening_address),
    ),
]
NoDhtOption = Annotated[bool, typer.Option("--no-dht", help="Run no directory node.")]
AdvertiseOption = Annotated[
    str | None,
    typer.Option("--advertise", metavar="HOST", help="The address to announce to others."),
]


async def serve(
    cli: Cli,
    listen: ListenOption = f"{LOOPBACK}:{PEER_PORT}",
    advertise: AdvertiseOption = None,
    dht: DhtOption = f"{LOOPBACK}:{DIRECTORY_PORT}",
    no_dht: NoDhtOption = False,
    bootstrap: BootstrapOption = None,
    peer: PeerOption = None,
    follow: Annotated[
        list[str] | None,
        typer.Option(
            "--follow",
            metavar="LINK",
            help="Keep a whole copy of this publisher or feed, up to date; repeatable.",
            callback=checked(Link.parse),
        ),
    ] = None,
    metrics: MetricsOption = None,
) -> int:
    """Give everything this node holds to whoever asks, until it is stopped.

    Announces it in the directory and prints the link to pass on.  Without data it is a
    directory node that others can join through.
    """
    links = [Link.parse(text) for text in follow or ()]
    options = host_options(listen, advertise, None if no_dht else dht, bootstrap, peer)
    options = replace(
        options,
        bootstrap=(*options.bootstrap, *(each for link in links for each in link.bootstrap)),
        peers=(*options.peers, *(each for link in links for each in link.peers)),
    )
    if metrics is not None:
        extras.load("prometheus_client", "operator")
    at = parse_address(metrics, listen=True) if metrics else None
    await serve_until_stopped(cli, options, lambda node: seeding(cli, node, links, at))
    return 0


def host_options(
    listen: str,
    advertise: str | None,
    dht: str | None,
    bootstrap: list[str] | None,
    peer: list[str] | None,
) -> HostOptions:
    """Read the options of a serving command; raises `UsageError`."""
    return HostOptions(
        listen=parse_address(listen, listen=True),
        dht=parse_address(dht, listen=True) if dht else None,
        advertise=advertise,
        bootstrap=addresses(bootstrap),
        peers=addresses(peer),
    )


async def serve_until_stopped(
    cli: Cli,
    options: HostOptions,
    beside: Callable[[Node], AbstractAsyncContextManager[None]] = lambda node: nullcontext(),
) -> None:
    """Serve until a signal comes, which is the ordinary end.

    `beside` is entered once the ports are ours, so that a busy one is no surprise after hours.
    """
    async with Node(cli.data_dir) as node, hosting(node, options) as host, beside(node):
        own_link(node)
        try:
            await _announce(cli, node, host)
        except asyncio.CancelledError:
            cli.out.note("stopped")


async def _announce(cli: Cli, node: Node, host: Host) -> None:
    announced = asyncio.Event()
    task = asyncio.create_task(host.server.run(announced.set))
    try:
        await either(announced, task)
        ready(cli, node, host)
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def either(event: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Wait for the event, or for the task's failure."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


def ready(cli: Cli, node: Node, host: Host) -> None:
    """Say how others reach this node."""
    links = [host.link(publisher.root) for publisher in host.server.publishers]
    out = cli.out
    out.emit(
        {
            "event": "ready",
            "link": str(links[0]) if links else None,
            "dht": _shown(host.dht),
            "peer": _shown(host.peer),
            "links": [str(link) for link in links],
            "node": bytes(node.key.verify_key).hex(),
            "feeds": [str(holding.feed) for holding in node.holdings.all()],
        }
    )
    out.print(f"peers connect to  {_shown(host.peer)}")
    out.print(f"directory node    {_shown(host.dht) or 'none'}")
    for holding in node.holdings.all():
        out.print(f"serving           {holding.feed}")
    for link in links:
        out.print(f"link              {link}")
    if links and is_local_only(links[0]):
        out.warn("the link holds a loopback address: it works on this machine only")
        out.note("others reach you with --listen 0.0.0.0:7340 --dht 0.0.0.0:7341 --advertise HOST")
    out.note("Ctrl-C ends it")


def _shown(address: Address | None) -> str | None:
    return None if address is None else format_address(address)
