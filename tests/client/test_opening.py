"""When the client asks others, and when what is here is enough."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import machine
from support.markets import BTCUSD, Publisher, between, publisher_of
from support.stores import line_of, program

import tradercast
from tradercast.client.manifest import CsvHash
from tradercast.errors import MissingDataError, NoPeerError, UnknownSymbolError
from tradercast.records import Trades
from tradercast.timerange import NS_PER_HOUR, parse_time_ns

MIDNIGHT = parse_time_ns("2024-01-06")
HOUR = (MIDNIGHT, MIDNIGHT + NS_PER_HOUR)
BEFORE = (MIDNIGHT - NS_PER_HOUR, MIDNIGHT)
FEED = "bitfinex/btcusd"


class Trap:
    """Two sockets that nobody has a reason to talk to."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.tcp.setblocking(False)
        self.udp.setblocking(False)

    @property
    def peer(self) -> str:
        return f"127.0.0.1:{self.tcp.getsockname()[1]}"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.udp.getsockname()[1]}"

    def touched(self) -> set[str]:
        """Which of them somebody has come to."""
        found = set()
        try:
            self.tcp.accept()[0].close()
            found.add("tcp")
        except BlockingIOError:
            pass
        try:
            self.udp.recv(2048)
            found.add("udp")
        except BlockingIOError:
            pass
        return found


@pytest.fixture
def trap() -> Iterator[Trap]:
    made = Trap()
    with made.tcp, made.udp:
        yield made


@pytest.fixture(scope="module")
def gone(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A link whose publisher is dead, and a data directory that holds one hour of its feed."""
    data_dir = tmp_path_factory.mktemp("reader") / "data"
    with publisher_of(
        tmp_path_factory.mktemp("dead"), {("bitfinex", "btcusd"): BTCUSD}
    ) as publisher:
        with tradercast.connect(data_dir, link=publisher.link) as client:
            client.sync(FEED, *HOUR)
        link = publisher.link
    return link, data_dir


# --- a settled range ---------------------------------------------------------------------------


def test_a_settled_range_that_is_here_is_read_without_asking_anybody(
    gone: tuple[str, Path], trap: Trap
) -> None:
    link, data_dir = gone
    with tradercast.connect(
        data_dir, link=link, peers=[trap.peer], bootstrap=[trap.bootstrap]
    ) as client:
        began = time.monotonic()
        result = client.trades(FEED, *HOUR)
        batches = list(client.iter_trades(FEED, *HOUR))
        elapsed = time.monotonic() - began
        touched = trap.touched()
        # The trap works: what is not here makes it ask.
        with pytest.raises(NoPeerError):
            client.trades(FEED, *BEFORE)
        touched_then = trap.touched()

    assert result.trades.equals(between(BTCUSD, *HOUR))
    assert Trades.concat([batch.trades for batch in batches]).equals(result.trades)
    assert touched == set()
    assert touched_then == {"tcp", "udp"}
    assert elapsed < 5


def test_gaps_verify_and_feeds_ask_nobody(gone: tuple[str, Path], trap: Trap) -> None:
    link, data_dir = gone
    with tradercast.connect(
        data_dir, link=link, peers=[trap.peer], bootstrap=[trap.bootstrap]
    ) as client:
        gaps = client.gaps(FEED, *HOUR)
        logs = client.verify(FEED)
        [entry] = client.feeds()
        assert trap.touched() == set()
    assert (gaps.records, gaps.not_here) == (9_000, [])
    assert sum(log.blocks for log in logs) > 3
    assert str(entry.feed) == "bitfinex/btcusd/trades"


def test_all_that_is_known_is_given_when_nobody_answers(tmp_path: Path) -> None:
    """The newest range can not be settled: it is asked for, and then what is here is all."""
    with publisher_of(tmp_path / "dead", {("bitfinex", "btcusd"): BTCUSD[:9_500]}) as mortal:
        with tradercast.connect(tmp_path / "data", link=mortal.link) as client:
            client.sync(FEED)
        link = mortal.link
    with tradercast.connect(tmp_path / "data", link=link) as client:
        assert client.trades(FEED).trades.equals(BTCUSD[:9_500])
        began = time.monotonic()
        assert len(client.trades(FEED)) == 9_500
        assert time.monotonic() - began < 4  # it has looked long enough the first time


def test_the_publisher_is_remembered(gone: tuple[str, Path]) -> None:
    _, data_dir = gone
    with tradercast.connect(data_dir) as client:
        assert len(client.trades(FEED, *HOUR)) == len(client.trades("btcusd", *HOUR)) == 9_000
        with pytest.raises(UnknownSymbolError):
            client.trades("ethusd", sync=False)


def test_a_directory_of_which_nothing_is_known_refuses_to_read(
    tmp_path: Path, publisher: Publisher
) -> None:
    with tradercast.connect(tmp_path / "data", link=publisher.link) as client:
        with pytest.raises(UnknownSymbolError, match="nothing of 'btcusd' is here") as caught:
            client.trades("btcusd", sync=False)
        assert "sync=True" in (caught.value.hint or "")


# --- what is missing ---------------------------------------------------------------------------


def test_what_is_missing_is_raised_with_its_times(gone: tuple[str, Path]) -> None:
    link, data_dir = gone
    wanted = (HOUR[0], HOUR[1] + NS_PER_HOUR // 4)  # the quarter behind is not here
    with tradercast.connect(data_dir, link=link) as client:
        with pytest.raises(MissingDataError) as caught:
            client.trades(FEED, *wanted, sync=False)
        error = caught.value
        assert error.exit_code == 3
        assert error.missing
        assert all(wanted[0] <= low < high <= wanted[1] for low, high in error.missing)
        assert error.missing[0][0] <= HOUR[1] + NS_PER_HOUR // 9_000
        assert "bitfinex/btcusd/trades" in error.message
        assert error.hint

        with pytest.warns(UserWarning, match="could not be had"):
            warned = client.trades(FEED, *wanted, sync=False, on_missing="warn")
        ignored = client.trades(FEED, *wanted, sync=False, on_missing="ignore")
    assert warned.equals(ignored)
    assert ignored.trades.equals(between(BTCUSD, *HOUR))


def test_batches_come_before_what_is_missing_is_raised(gone: tuple[str, Path]) -> None:
    link, data_dir = gone
    wanted = (BEFORE[0], HOUR[1])
    rows: list[int] = []
    with tradercast.connect(data_dir, link=link) as client:
        with pytest.raises(MissingDataError):
            rows.extend(map(len, client.iter_trades(FEED, *wanted, sync=False)))
        ignored = sum(
            len(batch)
            for batch in client.iter_trades(FEED, *wanted, sync=False, on_missing="ignore")
        )
    assert sum(rows) == ignored == 9_000


def test_an_unknown_word_for_on_missing_is_refused(gone: tuple[str, Path]) -> None:
    link, data_dir = gone
    with tradercast.connect(data_dir, link=link) as client:
        for ask in (client.trades, client.iter_trades):
            with pytest.raises(tradercast.UsageError, match="on_missing"):
                list(ask(FEED, *HOUR, on_missing="drop"))  # type: ignore[arg-type, operator]


def test_what_no_peer_has_is_raised_and_the_rest_kept(
    gone: tuple[str, Path], tmp_path: Path
) -> None:
    """The only peer left holds one hour: it gives that, and the rest is named."""
    link, data_dir = gone
    with machine(tmp_path / "seeder") as seeder:
        seeder.environ["TRADERCAST_DATA_DIR"] = str(data_dir)
        serving = seeder.serve()
        root = link.partition("?")[0]
        with tradercast.connect(
            tmp_path / "data", link=f"{root}?bootstrap={serving.dht}"
        ) as client:
            with pytest.raises(MissingDataError) as caught:
                client.trades(FEED, MIDNIGHT - NS_PER_HOUR // 2, HOUR[1])
            held = client.trades(FEED, *HOUR, sync=False)
    missing = caught.value.missing
    assert missing[0][0] <= MIDNIGHT - NS_PER_HOUR // 2 + NS_PER_HOUR // 9_000
    assert missing[-1][1] <= MIDNIGHT
    assert held.trades.equals(between(BTCUSD, *HOUR))


# --- several at once -----------------------------------------------------------------------------

READER = """
import json, sys, tradercast
data_dir, link, feed, start, end = sys.argv[1:]
with tradercast.connect(data_dir, link=link) as client:
    print("open", flush=True)
    sys.stdin.readline()
    result = client.trades(feed, int(start), int(end))
    rows = sum(len(batch) for batch in client.iter_trades(feed, int(start), int(end)))
    print(json.dumps([len(result), rows, result.manifest()["blake2b_256"]]), flush=True)
    sys.stdin.readline()
"""


async def test_two_programs_share_one_data_directory(publisher: Publisher, tmp_path: Path) -> None:
    ranges = [HOUR, BEFORE]
    async with (
        program(READER, tmp_path / "data", publisher.link, FEED, *ranges[0]) as one,
        program(READER, tmp_path / "data", publisher.link, FEED, *ranges[1]) as other,
    ):
        for each in (one, other):
            assert await line_of(each) == "open"
        for each in (one, other):
            assert each.stdin is not None
            each.stdin.write(b"\n")
        answers = [json.loads(await line_of(each)) for each in (one, other)]
        other.kill()  # the sidecar is not its own
        async with tradercast.aio.connect(tmp_path / "data", link=publisher.link) as client:
            whole = await client.trades(FEED, BEFORE[0], HOUR[1], sync=False)
    expected = [between(BTCUSD, *wanted) for wanted in ranges]
    assert answers == [[len(some), len(some), csv_hash(some)] for some in expected]
    assert whole.trades.equals(between(BTCUSD, BEFORE[0], HOUR[1]))


def csv_hash(trades: Trades) -> str:
    digest = CsvHash()
    digest.update(trades)
    return digest.hexdigest()
