"""``python -m bench.latency``: from the insert into MongoDB to the line of a following peer.

All of it runs on this machine at once: mongod, the broker, listener, feeder, the peer, and what
inserts.  A trade's time starts before the call that inserts it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the real servers are started as the tests start them

BATCH_S = 0.01


def main() -> None:
    """Parse, measure, print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000, help="trades a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print(json.dumps(measure(options.rate, options.seconds)))


def measure(rate: int, seconds: float) -> dict[str, Any]:
    """Latencies in milliseconds, of every trade inserted after the first second."""
    from support.chain import chain_of, chain_servers
    from support.commands import machine

    with contextlib.ExitStack() as stack:
        mongodb, kafka = stack.enter_context(chain_servers())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chain = stack.enter_context(chain_of(mongodb, kafka, folder, "latency"))
        chain.listener.start()
        feeding = chain.feeder.start()
        chain.insert(chain.documents(range(20)))
        messages = chain.topic.wait_for_ids({str(key) for key in range(20)}, chain.listener.log)
        chain.feeder.reaches(messages)
        reader = stack.enter_context(machine(folder / "peer"))
        arrived: queue.Queue[tuple[str, float]] = queue.Queue()
        feeds = sorted({str(message.feed) for message in messages})
        _follow(stack, reader, feeding.link, feeds, arrived)
        written: dict[str, float] = {}
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(chain.topic, written, done))
        watcher.start()
        stack.callback(watcher.join)
        stack.callback(done.set)
        inserted = _insert(chain, rate, seconds)
        return _figures(inserted, written, arrived, rate, seconds)


def _follow(
    stack: contextlib.ExitStack, node: Any, link: str, feeds: list[str], arrived: queue.Queue[Any]
) -> None:
    command = node.start("sync", *feeds, "--from", link, "--follow")
    stack.callback(command.kill)

    def read() -> None:
        with contextlib.suppress(AssertionError):  # it is killed in the end
            while True:
                line = command.line(600)
                if "trade_id" in line:
                    arrived.put((str(line["trade_id"]), time.perf_counter()))

    for _ in feeds:
        command.event("synced")
    threading.Thread(target=read, daemon=True).start()


def _watch(topic: Any, written: dict[str, float], done: threading.Event) -> None:
    """When each trade could be read from Kafka."""
    from support.listening import ids_of

    from tradercast.pipeline.messages import decode_message

    known = len(topic.values)
    while not done.is_set():
        topic.poll(0.05)
        now = time.perf_counter()
        for value in topic.values[known:]:
            written.update(dict.fromkeys(ids_of(decode_message(value)), now))
        known = len(topic.values)


def _insert(chain: Any, rate: int, seconds: float) -> dict[str, float]:
    inserted: dict[str, float] = {}
    batch = max(1, round(rate * BATCH_S))
    began, key = time.perf_counter(), 1_000
    with chain.mongodb.client() as client:
        collection = client[chain.name]["trades"]
        while (now := time.perf_counter()) - began < seconds:
            documents = chain.documents(range(key, key + batch))
            for one in documents:
                inserted[one["trade_id"]] = now
            collection.insert_many(documents, ordered=False)
            key += batch
            time.sleep(max(0.0, began + (key - 1_000) / rate - time.perf_counter()))
    return inserted


def _figures(
    inserted: dict[str, float],
    written: dict[str, float],
    arrived: queue.Queue[Any],
    rate: int,
    seconds: float,
) -> dict[str, Any]:
    first = min(inserted.values()) + 1.0
    missing, took = set(inserted), []
    while missing:
        trade, at = arrived.get(timeout=30)
        if trade in missing:
            missing.discard(trade)
            if inserted[trade] >= first:
                took.append(1_000 * (at - inserted[trade]))
    to_kafka = [1_000 * (written[one] - at) for one, at in inserted.items() if at >= first]
    p50, p90, p99, most = np.percentile(took, [50, 90, 99, 100])
    return {
        "rate": rate,
        "seconds": seconds,
        "trades": len(inserted),
        "reached_per_s": round(len(inserted) / seconds),
        "p50_ms": round(p50, 1),
        "p90_ms": round(p90, 1),
        "p99_ms": round(p99, 1),
        "max_ms": round(most, 1),
        "to_kafka_p50_ms": round(float(np.median(to_kafka)), 1),
    }


if __name__ == "__main__":
    main()
