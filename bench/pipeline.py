"""``python -m bench.pipeline [--trades N] [--json]``: MongoDB → log and Kafka → log.

Real servers, real services, all on this machine.  Trades are inserted first, behind the place
where the listener's change stream stopped; then listener and feeder are started, and the rate is
that of records which became durable in the log.  After that a second feeder with a data directory
of its own reads the same messages, alone.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.commands import Machine, machine  # noqa: E402
from support.feeders import Feeding, start_feeder  # noqa: E402
from support.listening import ListenerProcess, Topic  # noqa: E402
from support.servers.kafka import KafkaBroker  # noqa: E402
from support.servers.replica_set import ReplicaSet  # noqa: E402
from support.usage import Usage, watching  # noqa: E402

EXCHANGE = "bitfinex"
SYMBOLS = ("btcusd", "ethusd", "xrpusd")
FIRST_NS = 1_700_000_000_000_000_000
CALL = 5_000  # documents in one insert
WARM = 0.1  # of the trades, before the clock starts
# Each look at its metrics costs the feeder a millisecond or more.
LOOK_S = 0.5
LOOK_OFTEN_S = 0.05  # where all of it takes a second or two
PATIENCE_S = 3_600.0
FLOORS = {
    "mongodb_to_log_per_s": "at least 50,000",
    "kafka_to_log_per_s": "at least 300,000",
    "listener_rss_mb": "at most 300",
    "feeder_rss_mb": "at most 300",
    "sidecar_rss_mb": "at most 300",
}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args()
    found = measure(options.trades, say=not options.json)
    if options.json:
        print(json.dumps(found))


def measure(trades: int, *, say: bool = True) -> dict[str, Any]:
    """Measure both ways; each figure is told as soon as it is known."""
    found: dict[str, Any] = {}

    def note(name: str, value: float) -> None:
        found[name] = round(value, 2)
        if say:
            floor = f"   (floor: {FLOORS[name]})" if name in FLOORS else ""
            print(f"{name:<36}{value:,.1f}{floor}", flush=True)

    note("pipeline_trades", trades)
    with (
        tempfile.TemporaryDirectory(prefix="tradercast-bench-") as folder,
        # Its cache as docker/compose.yaml leaves it; that of tests has no room for the oplog.
        ReplicaSet(oplog_mb=16_000, cache_gb=None) as mongodb,
        KafkaBroker(heap_mb=512) as kafka,
        machine(Path(folder) / "first") as first,
        machine(Path(folder) / "second") as second,
    ):
        topic = f"tradercast.{EXCHANGE}.trades"
        kafka.topics.create(topic, 1)
        listener = ListenerProcess(Path(folder), mongodb.uri, kafka.bootstrap, EXCHANGE)
        try:
            _begin(listener, mongodb, kafka, topic)
            note("mongodb_insert_per_s", _insert(mongodb, trades, 1))
            _mongodb_to_log(listener, mongodb, kafka, topic, first, trades, note)
        finally:
            listener.close()
        _kafka_to_log(kafka, topic, second, trades, note)
    return found


def _begin(listener: ListenerProcess, mongodb: ReplicaSet, kafka: KafkaBroker, topic: str) -> None:
    """Bring the listener past its scan, so that all to come is in the change stream."""
    seen = Topic(kafka.bootstrap, topic)
    listener.start()
    _insert(mongodb, 1, 0)
    seen.wait_for_values(1)
    seen.close()
    time.sleep(2.0)
    listener.stop()


def _insert(mongodb: ReplicaSet, count: int, first: int) -> float:
    """Insert trades; how many a second."""
    began = time.monotonic()
    with mongodb.client(w=1, journal=False) as client:
        collection = client[EXCHANGE]["trades"]
        for at in range(first, first + count, CALL):
            keys = range(at, min(at + CALL, first + count))
            collection.insert_many([_document(key) for key in keys], ordered=True)
    return count / (time.monotonic() - began)


def _document(key: int) -> dict[str, Any]:
    symbol = SYMBOLS[key % len(SYMBOLS)]
    ts_event = FIRST_NS + key * 10_000_000
    return {
        "exchange": EXCHANGE,
        "symbol": symbol,
        "native_symbol": f"t{symbol.upper()}",
        "trade_id": str(1_000_000_000 + key),
        "ts_event": ts_event,
        "ts_recv": ts_event + 35_000_000 + key % 1_000 * 1_000,
        "side": "buy" if key % 7 % 2 else "sell",
        "price": f"{67_000 + key % 999}.{key % 10}",
        "size": f"0.{key * 7919 % 99_999_999:08d}",
    }


def _mongodb_to_log(
    listener: ListenerProcess,
    mongodb: ReplicaSet,
    kafka: KafkaBroker,
    topic: str,
    node: Machine,
    trades: int,
    note: Callable[[str, float], None],
) -> None:
    feeding = start_feeder(node, kafka.bootstrap, topic)
    listener.start()
    with watching(
        {
            "listener": listener.pid,
            "feeder": feeding.pid,
            "sidecar": _sidecar(node),
            "mongod": mongodb.primary.pid,
            "broker": kafka.pid,
        }
    ) as used:
        note("mongodb_to_log_per_s", _rate(feeding, trades + 1, used, LOOK_S))
    for name in ("listener", "feeder", "sidecar"):
        note(f"{name}_rss_mb", max(used[name].rss))
        note(f"{name}_rss_grown_mb", used[name].grown)
    for name, usage in used.items():
        note(f"{name}_cpu_us_per_trade", usage.counted_s * 1e6 / ((1 - WARM) * trades))
    listener.stop()
    feeding.signal(signal.SIGTERM)
    feeding.result(0)
    node.close()


def _kafka_to_log(
    kafka: KafkaBroker, topic: str, node: Machine, trades: int, note: Callable[[str, float], None]
) -> None:
    feeding = start_feeder(node, kafka.bootstrap, topic)
    with watching({"feeder": feeding.pid, "sidecar": _sidecar(node)}) as used:
        note("kafka_to_log_per_s", _rate(feeding, trades + 1, used, LOOK_OFTEN_S))
    for name, usage in used.items():
        note(f"kafka_{name}_rss_mb", max(usage.rss))
        note(f"kafka_{name}_cpu_us_per_trade", usage.counted_s * 1e6 / ((1 - WARM) * trades))


def _sidecar(node: Machine) -> int:
    process = node.sidecar()
    assert process is not None
    return process.pid


def _rate(feeding: Feeding, trades: int, used: Mapping[str, Usage], look_s: float) -> float:
    """Records a second that become durable, once a tenth of them are; CPU counts from there."""
    began: tuple[float, int] | None = None
    until = time.monotonic() + PATIENCE_S
    while (there := _durable(feeding)) < trades:
        now = time.monotonic()
        if began is None and there >= WARM * trades:
            began = now, there
            for usage in used.values():
                usage.count()
        if now > until or feeding.process.poll() is not None:
            raise SystemExit(f"only {there} of {trades} records came\n{feeding.stderr[-2000:]}")
        time.sleep(look_s)
    for usage in used.values():
        usage.look()
    if began is None:
        raise SystemExit("too few trades to measure a rate")
    return (there - began[1]) / (time.monotonic() - began[0])


def _durable(feeding: Feeding) -> int:
    with urllib.request.urlopen(f"http://{feeding.ready['metrics']}/metrics", timeout=30) as page:
        text = page.read().decode()
    values = re.findall(r"^tradercast_feeder_records\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return int(sum(float(value) for value in values))


if __name__ == "__main__":
    main()
