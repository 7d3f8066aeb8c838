"""``tradercast collect`` as a program: from an exchange's frames to rows on another node."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.commands import EPHEMERAL, Command, Machine, machine, wait_until
from support.exchange import T0_MS, FakeExchange, exchange, row

Machines = Callable[[str], Machine]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Make machines by name; whatever runs on them ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(machine(tmp_path / name))


def collect(on: Machine, bitfinex: FakeExchange, *arguments: str) -> Command:
    """Start collecting, and wait until it is ready; the exchange is named by the environment."""
    own = ("--listen", EPHEMERAL, "--dht", EPHEMERAL)
    return on.start(
        *("collect", "bitfinex", *arguments, *own),
        environ={"TRADERCAST_WS_URL_BITFINEX": bitfinex.url},
    )


def exported(on: Machine, feed: str) -> list[dict[str, str]]:
    """All rows of a feed that is here."""
    path = on.root / "out.csv"
    path.unlink(missing_ok=True)
    on.run("export", feed, "--out", path)
    with path.open() as file:
        return list(csv.DictReader(file))


def ids(rows: Sequence[dict[str, str]]) -> list[int]:
    return [int(each["trade_id"]) for each in rows]


def stop(running: Command, number: signal.Signals = signal.SIGTERM) -> dict[str, Any]:
    """End it by a signal; it must end well within ten seconds.  Its last line."""
    began = time.monotonic()
    running.signal(number)
    lines = running.result(0, 10)
    assert time.monotonic() - began < 10
    return lines[-1]


def follow(on: Machine, link: str, symbol: str) -> Command:
    return on.start("sync", symbol, "--from", link, "--follow")


def test_a_follower_gets_every_trade_with_all_its_digits(
    machines: Machines, bitfinex: FakeExchange
) -> None:
    bitfinex.trades("tBTCUSD", [row(1, "-0.30000001", "67012.1")], heard=False)
    publisher, reader = machines("publisher"), machines("reader")
    running = collect(publisher, bitfinex, "btcusd", "AVAX/USD", "--recv-precision", "ns")
    ready = running.line()
    bitfinex.wait("subscribed", symbol="tAVAX:USD")

    following = follow(reader, ready["link"], "avaxusd")
    assert following.event("synced")["records"] == 0
    rows = [row(number, "1e-7", f"35.{number}") for number in range(2, 52)]
    for at in range(0, 50, 10):
        bitfinex.trades("tAVAX:USD", rows[at : at + 10])
    found = [following.line() for _ in rows]
    following.interrupt()
    following.process.wait(10)
    last = stop(running)

    assert ready["event"] == "ready"
    assert ready["feeds"] == ["bitfinex/avaxusd/trades", "bitfinex/btcusd/trades"]
    assert [(each["trade_id"], each["side"], each["price"], each["size"]) for each in found] == [
        (str(n), "buy", str(Decimal(f"35.{n}").normalize()), "0.0000001") for n in range(2, 52)
    ]
    assert [each["ts_event"] for each in found] == [(T0_MS + n) * 10**6 for n in range(2, 52)]
    assert last["event"] == "collected"
    assert last["written"] == {"btcusd": 1, "avaxusd": 50}
    [only] = exported(publisher, "bitfinex/btcusd")
    assert (only["side"], only["price"], only["size"]) == ("sell", "67012.1", "0.30000001")
    [listed] = [line for line in publisher.run("ls") if line["feed"].startswith("bitfinex/avax")]
    assert listed["native_symbol"] == "tAVAX:USD"
    publisher.verify()


@pytest.mark.parametrize(("precision", "unit"), [("us", 1_000), ("ns", 1), ("none", None)])
def test_the_time_of_arrival_is_as_exact_as_asked_for(
    machines: Machines, bitfinex: FakeExchange, precision: str, unit: int | None
) -> None:
    node = machines("node")
    before = time.time_ns()

    running = collect(node, bitfinex, "btcusd", "--recv-precision", precision)
    running.event("subscribed")
    bitfinex.trades("tBTCUSD", [row(n, "1", "1") for n in range(1, 21)])
    wait_until(lambda: bool(bitfinex.do("stall", on=False)), 5)
    time.sleep(0.5)
    stop(running, signal.SIGINT)
    times = [each["ts_recv"] for each in exported(node, "bitfinex/btcusd")]

    if unit is None:
        assert times == [""] * 20
    else:
        assert all(before <= int(each) <= time.time_ns() for each in times)
        assert all(int(each) % unit == 0 for each in times)


def test_half_a_minute_of_the_real_exchange(machines: Machines, shared_data: Path) -> None:
    capture = shared_data / "ws" / "BITFINEX.ws.11.0.gz"
    symbols = ["bftusd", "ioteth", "dogusd", "mnabtc", "odeusd", "testbtc:testusd", "sngusd"]
    node = machines("node")
    with exchange("--capture", str(capture)) as bitfinex:
        running = collect(node, bitfinex, *symbols)
        for _ in symbols:
            running.event("subscribed")
        time.sleep(1.0)
        last = stop(running)

    assert set(last["written"].values()) == {30}
    for native, trades in snapshots(capture).items():
        rows = exported(node, "bitfinex/" + native[1:].replace(":", "").lower())
        assert [
            (int(r["trade_id"]), int(r["ts_event"]), Decimal(r["price"]), signed(r)) for r in rows
        ] == trades


def signed(row: dict[str, str]) -> Decimal:
    size = Decimal(row["size"])
    return -size if row["side"] == "sell" else size


def snapshots(capture: Path) -> dict[str, list[tuple[int, int, Decimal, Decimal]]]:
    """(id, ns, price, amount) of the recorded trades by symbol, read without the connector."""
    symbols: dict[int, str] = {}
    found = {}
    with gzip.open(capture, "rt") as file:
        for line in file:
            if not line[:1].isdigit():
                continue
            frame = json.loads(line.partition(": ")[2], parse_float=Decimal)
            if isinstance(frame, dict):
                if frame.get("channel") == "trades":
                    symbols[frame["chanId"]] = frame["symbol"]
            elif frame[0] in symbols and isinstance(frame[1], list):
                rows = [(r[0], r[1] * 10**6, Decimal(r[3]), Decimal(r[2])) for r in frame[1]]
                found[symbols[frame[0]]] = sorted(rows, key=lambda r: (r[1], r[0]))
    return found


def test_killed_and_started_again_it_has_each_trade_once(
    machines: Machines, bitfinex: FakeExchange
) -> None:
    node = machines("node")
    number = 0
    for _ in range(4):
        running = collect(node, bitfinex, "btcusd")
        bitfinex.wait("subscribed", symbol="tBTCUSD")
        for _ in range(6):  # what is killed before it is written, the next snapshot has
            number += 1
            bitfinex.trade("tBTCUSD", number, "1", f"{number}")
        running.kill()
    running = collect(node, bitfinex, "btcusd")
    bitfinex.wait("subscribed", symbol="tBTCUSD")
    bitfinex.trade("tBTCUSD", number + 1, "1", "1")
    time.sleep(0.5)
    stop(running)

    assert ids(exported(node, "bitfinex/btcusd")) == list(range(1, number + 2))
    node.verify()


def test_a_killed_sidecar_costs_no_trade(machines: Machines, bitfinex: FakeExchange) -> None:
    node = machines("node")
    running = collect(node, bitfinex, "btcusd", "ethusd")
    bitfinex.wait("subscribed", symbol="tETHUSD")
    for number in range(1, 121):
        symbol = "tBTCUSD" if number % 2 else "tETHUSD"
        bitfinex.trade(symbol, number, "1", f"{number}")
        if number in (30, 70):
            node.kill_sidecar()
    time.sleep(3)
    last = stop(running)

    assert last["written"] == {"btcusd": 60, "ethusd": 60}
    assert ids(exported(node, "bitfinex/btcusd")) == list(range(1, 121, 2))
    assert ids(exported(node, "bitfinex/ethusd")) == list(range(2, 121, 2))
    node.verify()


def test_it_says_what_happens(machines: Machines, bitfinex: FakeExchange) -> None:
    bitfinex.do("refuse", symbol="tNOSUCH:USD")
    running = collect(machines("node"), bitfinex, "btcusd", "nosuchusd")

    refused = running.event("refused")
    bitfinex.do("info", code=20060)
    begun = running.event("maintenance")
    bitfinex.do("info", code=20051)
    disconnected = running.event("disconnected")
    stop(running)

    assert (refused["symbol"], refused["why"]) == ("nosuchusd", "symbol: invalid (code 10300)")
    assert begun["begun"] is True
    assert disconnected["why"] == "Bitfinex restarts its servers"
    assert disconnected["wait_s"] <= 1.0
    assert "refuses nosuchusd" in running.stderr


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_an_exchange_elsewhere_without_encryption_is_warned_of(
    machines: Machines, bitfinex: FakeExchange, host: str, told: bool
) -> None:
    url = bitfinex.url.replace("127.0.0.1", host)

    running = collect(machines("node"), bitfinex, "btcusd", "--url", url)
    running.event("subscribed")
    stop(running)

    assert ("ws:// is not encrypted" in running.stderr) is told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["binanse", "btcusd"], "no connector for the exchange 'binanse'"),
        (["bitfinex", "../x"], "'../x' is not a valid symbol"),
        (["bitfinex", "abcdefghi"], "where the quote currency"),
        (["bitfinex", "btcusd", "--channels", "candles"], "'candles' of bitfinex can not be"),
        (["bitfinex", "btcusd", "--url", "http://127.0.0.1:1"], "no WebSocket address"),
        (["bitfinex", "btcusd", "--to", "postgres://u:secret@h/db"], "begins with mongodb://"),
        (["bitfinex", "btcusd", "--to", "mongodb://u:secret@127.0.0.1"], "which database"),
        (["bitfinex", "btcusd", "--to", "mongodb://u:secret@:x/db"], "can not be read"),
        (["bitfinex"], "SYMBOL"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    machines: Machines, arguments: list[str], message: str
) -> None:
    node = machines("node")

    error = node.fails(2, "collect", *arguments)

    assert message in error["message"]
    assert "secret" not in json.dumps(error) + node.commands[-1].stderr


def test_symbols_that_the_exchange_does_not_have(
    machines: Machines, bitfinex: FakeExchange
) -> None:
    bitfinex.do("refuse", symbol="tNOSUCH:USD")
    running = collect(machines("node"), bitfinex, "nosuchusd")

    error = running.error(2)

    assert error["code"] == "UNKNOWN_SYMBOL"


def test_a_collector_with_feeds_of_its_own_tells_what_its_peers_took(
    machines: Machines, bitfinex: FakeExchange
) -> None:
    publisher, reader = machines("publisher"), machines("reader")
    running = collect(publisher, bitfinex, "btcusd", "--metrics", EPHEMERAL)
    link = running.event("ready")["link"]
    at = running.event("metrics")["address"]
    bitfinex.wait("subscribed", symbol="tBTCUSD")
    bitfinex.trade("tBTCUSD", 1, "1", "35")

    def told(name: str) -> float:
        with urllib.request.urlopen(f"http://{at}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    wait_until(lambda: told("tradercast_collect_written_total") == 1)
    reader.sync("btcusd", "--from", link)
    wait_until(lambda: told('tradercast_collect_peer_bytes_total{direction="sent"}') > 100)
    assert told("tradercast_collect_lag_records") == told("tradercast_collect_lag_seconds") == 0
    stop(running)
