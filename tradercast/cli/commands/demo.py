"""``tradercast demo``: the whole way of the data, in a minute, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tradercast.cli.context import Cli
from tradercast.cli.scenario import Scenario, Synced, canonical_csv, equal_rows, simulated_csv
from tradercast.cli.text import count, size
from tradercast.errors import VerificationError

EXAMPLES = (
    "tradercast demo",
    "tradercast demo --keep",
    "tradercast demo --file trades.csv --columns 'ts_event=timestamp_ms:ms,price=price,size=qty'",
)


async def demo(
    cli: Cli,
    file: Annotated[
        Path | None, typer.Option("--file", help="Use this file of trades instead.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="SPEC", help="As of `publish`.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the last node running until Ctrl-C.")
    ] = False,
    records: Annotated[
        int, typer.Option("--records", min=1, max=5_000_000, help="Of the simulated market.")
    ] = 200_000,
) -> None:
    """Publish a market, find it through a directory, sync it twice, check it.

    Everything runs in processes of its own, with data directories of their own, on the
    loopback interface; nothing of it is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="tradercast-demo-") as folder:
        root = Path(folder)
        source = root / "market.csv"
        if file is None:
            cli.out.note("This market is simulated: none of its trades ever happened.")
            expected = await asyncio.to_thread(simulated_csv, source, records, time.time_ns())
        else:
            expected = await asyncio.to_thread(canonical_csv, source, file, columns)
        async with Scenario(root, debug=cli.debug) as scenario:
            summary = await _play(cli, scenario, source, expected)
            cli.out.emit({"event": "demo", "simulated": file is None, **summary})
            await _next_step(cli, summary["link"], keep=keep)


async def _play(cli: Cli, scenario: Scenario, source: Path, expected: int) -> dict[str, Any]:
    """Do it step by step, and say so; returns what came of it."""
    out, began = cli.out, time.monotonic()
    directory = await scenario.serve("directory")
    out.print(f"1  a directory node answers at {directory['dht']}")
    published = await scenario.run(
        "publisher", "publish", str(source), "--exchange", "demo", "--symbol", "btcusd"
    )
    out.print(f"2  {count(published[-1]['added'], 'record')} published, signed by the publisher")
    await scenario.serve("publisher", "--bootstrap", directory["dht"])
    link = f"{published[-1]['link']}?bootstrap={directory['dht']}"
    out.print(f"   {link}")

    second = await scenario.sync("second", link, "--seed")
    _told(cli, 3, "a second node", second)
    checked = await scenario.run("second", "verify")
    blocks = checked[-1]["blocks"]
    out.print(f"   {count(blocks, 'block')} checked against the publisher's signature")
    equal = await _compare(scenario, "second", source)
    out.print(f"   {equal:,} of {expected:,} rows equal")

    await scenario.kill("publisher")
    out.print("4  the publisher's node is killed")
    third = await scenario.sync("third", link, "--seed")
    _told(cli, 5, "a third node", third)
    blocks += (await scenario.run("third", "verify"))[-1]["blocks"]
    equal_third = await _compare(scenario, "third", source)
    out.print(f"   {equal_third:,} of {expected:,} rows equal")
    elapsed = time.monotonic() - began
    if not equal == equal_third == expected:
        raise VerificationError("what came out is not what went in")
    out.print(f"done in {elapsed:.1f} s")
    return {
        "records": published[-1]["added"],
        "link": link,
        "found": second.peers[0]["address"] if second.peers else None,
        "peers": [*second.peers, *third.peers],
        "blocks_verified": blocks,
        "rows": expected,
        "equal": [equal, equal_third],
        "seconds": round(elapsed, 1),
    }


async def _next_step(cli: Cli, link: str, *, keep: bool) -> None:
    if not keep:
        cli.out.print("next: publish something of your own")
        cli.out.print("  tradercast publish FILE --exchange E --symbol S --serve", style="bold")
        return
    cli.out.print("next, in another terminal:")
    cli.out.print(f"  tradercast sync btcusd --from '{link}'", style="bold")
    cli.out.note("the second and third node run until Ctrl-C")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def _told(cli: Cli, step: int, who: str, synced: Synced) -> None:
    found = synced.peers[0]["address"] if synced.peers else "nobody"
    cli.out.print(f"{step}  {who} found {found} through the directory")
    for peer in synced.peers:
        cli.out.print(
            f"   {size(peer['bytes'])} from {peer['peer'][:8]} at {peer['address']}, "
            f"{count(synced.records, 'record')} in {synced.seconds:.2f} s"
        )


async def _compare(scenario: Scenario, node: str, source: Path) -> int:
    out = scenario.folder / f"{node}.csv"
    await scenario.run(node, "export", "demo/btcusd", "--out", str(out))
    return await asyncio.to_thread(equal_rows, source, out)
