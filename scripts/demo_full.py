"""``make demo-full``: docker/compose.yaml's chain on real servers, without containers.

An exchange on this machine makes trades; `collect` writes them to MongoDB, `listener` carries
them to Kafka, two feeders append them to signed logs, a seeder copies these, and a trader syncs.
The first feeder is killed on the way. In the end the trader has every trade once, and every message
of the books that is in MongoDB, or it fails.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from scripts import local_servers
from scripts.chain import PATIENCE_S, Chain, ChainError
from scripts.compose import load
from scripts.local_exchange import LocalExchange
from scripts.local_servers import MissingError

SYMBOLS = {"tBTCUSD": "btcusd", "tETHUSD": "ethusd"}
RECORDS = "tradercast_feeder_records"
SERVED = "tradercast_serve_records"
LETTERS = "tradercast_listener_dead_letters_total"


async def play(
    folder: Path, seconds: float, rate: float, metrics_to: Path | None = None
) -> dict[str, Any]:
    """Do it step by step, and say so.

    Parameters
    ----------
    folder : Path
        An empty directory.
    seconds : float
        For how long trades happen, before and again after the feeder is killed.
    rate : float
        Trades a second.
    metrics_to : Path, optional
        A directory for what each service told of itself last.
    """
    document, began = load(), time.monotonic()
    exchange = LocalExchange(tuple(SYMBOLS), rate)
    async with AsyncExitStack() as stack:
        mongo = await stack.enter_async_context(
            local_servers.mongodb(document["services"]["mongo"], folder)
        )
        kafka = await stack.enter_async_context(
            local_servers.kafka(document["services"]["kafka"], folder)
        )
        url = await stack.enter_async_context(exchange.running())
        say(f"1  MongoDB at {mongo}, Kafka at {kafka}, an exchange with a simulated market")
        secret = folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(f"mongodb://{mongo}/market?replicaSet=rs0\n")
        places = {"kafka:9092": kafka, "TRADERCAST_WS_URL_BITFINEX": url}
        chain = Chain(document, folder, places)
        stack.push_async_callback(chain.down)
        return await _story(chain, exchange, seconds, began, metrics_to)


async def _story(
    chain: Chain,
    exchange: LocalExchange,
    seconds: float,
    began: float,
    metrics_to: Path | None,
) -> dict[str, Any]:
    chain.link = (await chain.run("identity"))[-1]["link"]
    say(f"2  the publisher's keys are made and lent to the standby: {chain.link[:30]}…")
    for name in ("collect", "listener", "feeder", "standby", "seeder"):
        await chain.up(name)
        say(f"3  {name} is well, {time.monotonic() - began:.0f} s after the start")
        if name == "collect":  # what happened before somebody listens, nobody has
            await asyncio.wait_for(exchange.heard.wait(), PATIENCE_S)
            exchange.going_on.set()
    await _copied(chain, int(seconds * 10))
    await _insert_nonsense(chain)
    await asyncio.sleep(seconds)
    happened = _count(exchange)
    first = await _sync(chain, "trader", "feeder")
    say(f"4  {happened} trades happened when a trader began, who then has {first}")

    before = chain.metric("standby", RECORDS)
    await chain.kill("feeder")
    killed = time.monotonic()
    await chain.until(
        lambda: chain.metric("standby", RECORDS) > before + 1, "the standby stands still", "standby"
    )
    gap = time.monotonic() - killed
    say(f"5  the feeder is killed; {gap:.1f} s later the standby has appended more")
    await asyncio.sleep(seconds)
    exchange.going_on.clear()
    stopped = time.monotonic()
    total = _count(exchange)
    books = await _books(chain)
    await _copied(chain, total, books)
    drained = time.monotonic() - stopped
    say(f"6  {total} trades happened; the seeder has them all {drained:.1f} s after the last")

    figures = _figures(chain)
    if metrics_to is not None:
        for name in ("collect", "listener", "standby", "seeder"):
            (metrics_to / f"{name}.txt").write_text(chain.metrics(name))
    last = await _sync(chain, "stranger", "seeder")
    lost, twice = _compare(chain, exchange)
    messages = await _sync_books(chain, "stranger", "seeder")
    say(f"7  a stranger who knows only the seeder syncs {last}: {lost} lost, {twice} twice")
    say(f"   and {messages} of {books} messages of order books")
    codes = await chain.down()
    say(f"8  ended: {', '.join(f'{name} {code}' for name, code in codes.items())}")
    found = {
        "trades": total,
        "synced": last,
        "lost": lost,
        "twice": twice,
        "book_messages": books,
        "books_synced": messages,
        "takeover_s": round(gap, 2),
        "drained_s": round(drained, 2),
        "restarts": chain.restarts,
        "exit_codes": codes,
        "seconds": round(time.monotonic() - began, 1),
        **figures,
    }
    if lost or twice or last != total or messages != books or any(codes.values()):
        raise ChainError(f"what came out is not what went in: {json.dumps(found)}")
    return found


async def _insert_nonsense(chain: Chain) -> None:
    """A document without a price: it becomes a dead letter, and stops nothing."""
    uri = (chain.folder / "secret").read_text("utf-8").strip()
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        nonsense = {"exchange": "bitfinex", "symbol": "btcusd", "trade_id": "no price"}
        await client["market"]["trades"].insert_one(nonsense)


async def _copied(chain: Chain, trades: int, books: int = 0) -> None:
    for records, channel in ((trades, "/trades"), (books, "/book")):
        await chain.until(
            lambda r=records, c=channel: chain.metric("seeder", SERVED, c) >= r,
            f"the seeder has not {records} records of {channel}",
            "seeder",
        )


async def _books(chain: Chain) -> int:
    """How many messages of books there are, now that nothing happens any more."""
    uri = (chain.folder / "secret").read_text("utf-8").strip()
    taken = "tradercast_collect_book_taken_total"
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        while True:
            count = await client["market"]["book"].count_documents({})
            await asyncio.sleep(1.0)
            if count == await asyncio.to_thread(chain.metric, "collect", taken):
                return int(count)


async def _sync_books(chain: Chain, who: str, peer: str) -> int:
    """How many messages of books a trader has then."""
    common = ["--data-dir", str(chain.folder / who), "--json"]
    from_there = ["--from", chain.link, "--peer", chain.address(peer, "7340")]
    count = 0
    for symbol in SYMBOLS.values():
        lines = await _tradercast("sync", symbol, "--channel", "book", *from_there, *common)
        count += next(line["records"] for line in lines if line.get("event") == "synced")
    return count


async def _sync(chain: Chain, who: str, peer: str) -> int:
    """A trader on a machine of its own; how many trades it has then."""
    common = ["--data-dir", str(chain.folder / who), "--json"]
    from_there = ["--from", chain.link, "--peer", chain.address(peer, "7340")]
    count = 0
    for symbol in SYMBOLS.values():
        lines = await _tradercast("sync", symbol, *from_there, *common)
        count += next(line["records"] for line in lines if line.get("event") == "synced")
        out = chain.folder / f"{who}-{symbol}.csv"
        await _tradercast("export", f"bitfinex/{symbol}", "--out", str(out), *common)
    await _tradercast("verify", *common)
    return count


async def _tradercast(*arguments: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tradercast", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise ChainError(f"tradercast {arguments[0]} failed: {out.decode()}{errors.decode()}")
    return [json.loads(line) for line in out.splitlines()]


def _figures(chain: Chain) -> dict[str, float]:
    sent = 'tradercast_{}_peer_bytes_total{{direction="sent"}}'
    return {
        "publisher_uploaded_bytes": chain.metric("standby", sent.format("feeder")),
        "swarm_served_bytes": chain.metric("seeder", sent.format("serve")),
        "listener_transactions": chain.metric("listener", "tradercast_listener_transactions_total"),
        "dead_letters": chain.metric("listener", LETTERS),
    }


def _compare(chain: Chain, exchange: LocalExchange) -> tuple[int, int]:
    """How many trades that happened the stranger lacks, and how many it has twice."""
    lost = twice = 0
    for native, symbol in SYMBOLS.items():
        with (chain.folder / f"stranger-{symbol}.csv").open(newline="") as file:
            ids = [int(row["trade_id"]) for row in csv.DictReader(file)]
        lost += len(set(exchange.sent[native]) - set(ids))
        twice += len(ids) - len(set(ids))
    return lost, twice


def _count(exchange: LocalExchange) -> int:
    return sum(map(len, exchange.sent.values()))


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the demo; its figures are the one line on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="of trades, twice")
    parser.add_argument("--rate", type=float, default=200.0, help="trades a second")
    parser.add_argument("--metrics-to", type=Path, help="a directory for the services' metrics")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradercast-full-", ignore_cleanup_errors=True) as root:
        try:
            found = asyncio.run(play(Path(root), given.seconds, given.rate, given.metrics_to))
        except (ChainError, MissingError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
