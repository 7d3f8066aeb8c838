"""``python -m bench.latency [--seconds N]``: from an insert into MongoDB to a follower's line.

All of it runs on this machine at once: mongod, the broker, listener, feeder, the peer, and what
inserts.  A trade's time starts before the call that inserts it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the real servers are started as the tests start them

BATCH_S = 0.01
FIRST_KEY = 1_000
FLOORS = {"p50_ms": "at most 150", "p99_ms": "at most 500"}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000, help="trades a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--to-kafka", action="store_true", help="also until Kafka: by one consumer more"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args()
    found = measure(options.rate, options.seconds, options.to_kafka)
    if options.json:
        print(json.dumps(found))
        return
    used = found.pop("cpu_percent")
    for name, value in (
        found | {f"cpu_percent_{name}": each for name, each in used.items()}
    ).items():
        floor = f"   (floor: {FLOORS[name]})" if name in FLOORS else ""
        print(f"latency_{name:<28}{value}{floor}")


def measure(rate: int, seconds: float, to_kafka: bool = False) -> dict[str, Any]:
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
        follower = _follow(stack, reader, feeding.link, feeds, arrived)
        written: dict[str, float] = {}
        if to_kafka:
            _watch(stack, chain.topic, written)
        usage = _Usage(
            {
                "mongod": mongodb.primary.pid,
                "broker": kafka.pid,
                "listener": chain.listener.pid,
                "feeder": feeding.pid,
                "feeder_sidecar": _sidecar(chain.feeder.node),
                "peer": follower.pid,
                "peer_sidecar": _sidecar(reader),
                "bench": os.getpid(),
            }
        )
        inserted = _insert(chain, rate, seconds)
        percent = usage.percent()
        figures = _figures(inserted, arrived, rate, seconds)
        if to_kafka:
            first = min(inserted.values()) + 1.0
            took = [written[one] - at for one, at in inserted.items() if at >= first]
            figures["to_kafka_p50_ms"] = round(1_000 * float(np.median(took)), 1)
        return figures | {"cpu_percent": percent}


class _Usage:
    """What of one core processes take, and what everything else on this machine does."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._began = time.perf_counter()
        self._before = self._now()

    def percent(self) -> dict[str, int]:
        took = time.perf_counter() - self._began
        used = {name: at - self._before[name] for name, at in self._now().items()}
        used["others"] -= sum(used.values()) - used["others"]
        return {name: round(100 * seconds / took) for name, seconds in used.items()}

    def _now(self) -> dict[str, float]:
        found = {}
        for name, process in self._processes.items():
            times = process.cpu_times()
            found[name] = float(times.user + times.system)
        whole = psutil.cpu_times()
        return found | {"others": sum(whole) - whole.idle - whole.iowait - whole.guest}


def _sidecar(node: Any) -> int:
    process = node.sidecar()
    assert process is not None
    return int(process.pid)


def _follow(
    stack: contextlib.ExitStack, node: Any, link: str, feeds: list[str], arrived: queue.Queue[Any]
) -> Any:
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
    return command


def _watch(stack: contextlib.ExitStack, topic: Any, written: dict[str, float]) -> None:
    """Note when each trade could be read from Kafka."""
    from support.listening import ids_of

    from tradercast.pipeline.messages import decode_message

    done = threading.Event()

    def watch() -> None:
        known = len(topic.values)
        while not done.is_set():
            topic.poll(0.05)
            now = time.perf_counter()
            for value in topic.values[known:]:
                written.update(dict.fromkeys(ids_of(decode_message(value)), now))
            known = len(topic.values)

    watcher = threading.Thread(target=watch, name="to kafka")
    watcher.start()
    stack.callback(watcher.join)
    stack.callback(done.set)


def _insert(chain: Any, rate: int, seconds: float) -> dict[str, float]:
    inserted: dict[str, float] = {}
    began, key, end = time.perf_counter(), FIRST_KEY, FIRST_KEY + round(rate * seconds)
    with chain.mongodb.client() as client:
        collection = client[chain.name]["trades"]
        while key < end:
            now = time.perf_counter()
            due = FIRST_KEY + int((now - began) * rate)  # whatever the call before has taken
            if due <= key:
                time.sleep(BATCH_S)
                continue
            documents = chain.documents(range(key, min(due, end)))
            now = time.perf_counter()
            for one in documents:
                inserted[one["trade_id"]] = now
            collection.insert_many(documents, ordered=False)
            key += len(documents)
            time.sleep(max(0.0, began + (key - FIRST_KEY) / rate + BATCH_S - time.perf_counter()))
    return inserted


def _figures(
    inserted: dict[str, float], arrived: queue.Queue[Any], rate: int, seconds: float
) -> dict[str, Any]:
    began, ended = min(inserted.values()), max(inserted.values())
    first = began + 1.0
    missing, took = set(inserted), []
    while missing:
        trade, at = arrived.get(timeout=30)
        if trade in missing:
            missing.discard(trade)
            if inserted[trade] >= first:
                took.append(1_000 * (at - inserted[trade]))
    p50, p90, p99, most = np.percentile(took, [50, 90, 99, 100])
    return {
        "rate": rate,
        "seconds": seconds,
        "trades": len(inserted),
        "reached_per_s": round(len(inserted) / (ended - began)),
        "p50_ms": round(p50, 1),
        "p90_ms": round(p90, 1),
        "p99_ms": round(p99, 1),
        "max_ms": round(most, 1),
    }


if __name__ == "__main__":
    main()
