"""Whatever is wrong: one clear sentence, what to do, the right exit code, nothing half-done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import Machine, Serving, machine
from support.mistakes import NO_PEER, ROWS, USAGE, as_a_person, csv, mistake, row, state

from tradercast import z32

COMPLAINTS = {
    "price.csv": "price.csv: row 2001 (line 2002): price '12x' is not a number",
    "short.csv": "short.csv: row 2001 (line 2002): 5 columns instead of 6",
    "strange.csv": "strange.csv has columns that are not known: a, b, c",
    "missing.csv": "missing.csv can not be read: No such file or directory",
    "random.csv": "random.csv is not UTF-8 text",
    "random.csv.gz": "random.csv.gz is not",
    "random.parquet": "random.parquet is not",
    "zeros.csv": "zeros.csv is not a text file of rows",
    "empty.csv": "empty.csv is empty",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mistakes")


@pytest.fixture(scope="module")
def good_file(folder: Path) -> Path:
    return csv(folder / "good.csv")


@pytest.fixture(scope="module")
def publisher(folder: Path, good_file: Path) -> Iterator[tuple[Machine, Serving]]:
    """Serves three feeds, two of them with one symbol."""
    with machine(folder / "publisher") as made:
        made.publish(good_file, exchange="bitfinex", symbol="btcusd")
        made.publish(good_file, exchange="bitstamp", symbol="btcusd")
        made.publish(good_file, exchange="bitfinex", symbol="ethusd")
        yield made, made.serve()


@pytest.fixture
def link(publisher: tuple[Machine, Serving]) -> str:
    return publisher[1].link


@pytest.fixture
def reader(machines) -> Machine:
    return machines("reader")


@pytest.fixture(scope="module")
def broken(folder: Path) -> dict[str, Path]:
    lines = [row(number) for number in range(ROWS)]
    lines[2_000] = row(2_000, "12x")
    short = [*lines[:2_000], "1700002000000000000,,2000,buy,100.5\n", *lines[2_001:]]
    made = {
        "price.csv": csv(folder / "price.csv", *lines),
        "short.csv": csv(folder / "short.csv", *short),
        "strange.csv": folder / "strange.csv",
        "missing.csv": folder / "missing.csv",
    }
    (folder / "strange.csv").write_text("a,b,c\n1,2,3\n")
    noise = random.Random(2).randbytes(50_000)
    for name, content in {
        "random.csv": noise,
        "random.csv.gz": noise,
        "random.parquet": noise,
        "zeros.csv": bytes(5_000),
        "empty.csv": b"",
    }.items():
        made[name] = folder / name
        made[name].write_bytes(content)
    return made


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["sync", "../x"], USAGE),
        (["sync", "tradercast://nobody"], USAGE),
        (["sync", "btcusd"], USAGE),
        (["export", "btcusd", "--out", "trades.csv"], USAGE),
        (["sync", "tradercast://" + z32.encode(bytes(32))], NO_PEER),
    ],
)
def test_a_person_gets_two_lines(arguments: list[str], code: int, reader: Machine) -> None:
    done = as_a_person(reader, *arguments)

    assert done.returncode == code
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == ["error", "hint"]
    assert done.stdout == ""


class TestLinks:
    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("tradercast://", "a key has 52 characters, this has 0"),
            ("tradercast://ybndrfg8ejkm", "a key has 52 characters, this has 12"),
            ("tradercast://" + "0" * 52, "the key in the link is not readable"),
            ("https://example.org/btcusd", "is not a link of Tradercast"),
            ("KEY/bitfinex/../x", "'..' is not a valid symbol"),
            ("KEY?bootstrap=nowhere", "nowhere"),
            ("KEY?bootstrap=127.0.0.1:99999", "99999"),
        ],
    )
    def test_that_can_not_be_read(
        self, text: str, complaint: str, reader: Machine, link: str
    ) -> None:
        text = text.replace("KEY", link.partition("?")[0])

        error = mistake(reader, USAGE, "sync", text)

        assert error["code"] == "BAD_LINK"
        assert complaint in error["message"]
        assert not reader.data_dir.exists()

    def test_cut_off_in_the_key(self, reader: Machine, link: str) -> None:
        error = mistake(reader, USAGE, "sync", link[:40])
        assert (error["code"], not reader.data_dir.exists()) == ("BAD_LINK", True)

    def test_with_another_key_find_nobody(self, reader: Machine, link: str) -> None:
        nobody = f"tradercast://{z32.encode(bytes(range(32)))}?{link.partition('?')[2]}"

        error = mistake(reader, NO_PEER, "sync", nobody)

        assert error["code"] == "NO_PEER"
        assert "nobody announces" in error["message"]
        assert "check the link's key" in error["hint"]

    def test_without_an_address_fail_at_once(self, reader: Machine, link: str) -> None:
        error = mistake(reader, NO_PEER, "sync", link.partition("?")[0], timeout_s=6)
        assert "bootstrap" in error["hint"]


class TestSymbols:
    def test_unknown_get_those_that_are_near(self, reader: Machine, link: str) -> None:
        error = mistake(reader, USAGE, "sync", "btcusdt", "--from", link)
        assert error["code"] == "UNKNOWN_SYMBOL"
        assert error["hint"].startswith("did you mean btcusd")

    def test_unknown_feeds_get_those_that_are_near(self, reader: Machine, link: str) -> None:
        error = mistake(reader, USAGE, "sync", "bitfinex/etcusd/trades", "--from", link)
        assert error["code"] == "UNKNOWN_SYMBOL"
        assert error["hint"].startswith("did you mean bitfinex/ethusd/trades")

    def test_ambiguous_list_the_candidates(self, reader: Machine, link: str) -> None:
        error = mistake(reader, USAGE, "sync", "BTC/USD", "--from", link)
        assert error["code"] == "AMBIGUOUS_SYMBOL"
        assert "bitfinex/btcusd/trades, bitstamp/btcusd/trades" in error["message"]
        assert "--exchange" in error["hint"]

    def test_with_no_publisher_known_say_what_to_do(self, reader: Machine) -> None:
        error = mistake(reader, USAGE, "sync", "btcusd")
        assert error["message"] == "no publisher is known yet"
        assert "--from tradercast://" in error["hint"]

    def test_hostile_names_touch_neither_disk_nor_socket(
        self, reader: Machine, good_file: Path, link: str
    ) -> None:
        publish = ("publish", good_file, "--exchange", "bitfinex", "--symbol")
        names = ["../x", "..", "", "a/../../x", "/etc/passwd", "x" * 65, "btc\x1b[2J"]
        commands = [
            *(("sync", name, "--from", link) for name in names),
            ("sync", "btcusd", "--from", link, "--exchange", "../x"),
            ("sync", "btcusd", "--from", link, "--channel", "../x"),
            (*publish, "../x"),
            (*publish, "btcusd", "--segment", "../x"),
            (*publish, "btcusd", "--channel", "../x"),
            ("publish", good_file, "--exchange", "../x", "--symbol", "btcusd"),
        ]
        running = [reader.start(*command) for command in commands]

        for command in running:
            error = command.error(USAGE)
            assert error["code"] == "BAD_NAME", command.arguments
            assert "is not a valid" in error["message"]
            assert "\x1b" not in error["message"]
        assert not reader.data_dir.exists()


class TestFiles:
    """Of whatever a file is wrong with, nothing is published."""

    def test_no_new_feed_is_made_of_them(self, broken: dict[str, Path], reader: Machine) -> None:
        commands = {
            name: reader.start(
                *("publish", broken[name], "--exchange", "bitfinex", "--symbol", f"symbol{number}")
            )
            for number, name in enumerate(COMPLAINTS)
        }

        for name, complaint in COMPLAINTS.items():
            error = commands[name].error(USAGE)
            assert error["code"] == "BAD_INPUT"
            assert complaint in error["message"]
            assert error["hint"]
        assert reader.run("info") == reader.run("ls") == []

    def test_a_feed_that_is_there_stays_as_it_is(
        self, broken: dict[str, Path], folder: Path, reader: Machine
    ) -> None:
        reader.publish(csv(folder / "half.csv", *map(row, range(ROWS // 2))))
        before = state(reader)

        for name in ("price.csv", "random.csv", "empty.csv"):
            publish = ("publish", broken[name], "--exchange", "bitfinex", "--symbol", "btcusd")
            assert mistake(reader, USAGE, *publish)["code"] == "BAD_INPUT"

        assert state(reader) == before
        assert reader.publish(csv(folder / "whole.csv"))["added"] == ROWS - ROWS // 2

    @pytest.mark.parametrize(
        ("columns", "complaint"),
        [
            ("nonsense", "nonsense"),
            ("ts_event=ts_event:fortnight,price=price,size=size", "fortnight"),
            ("ts_event=when:ns,price=price,size=size", "has no column 'when'"),
            ("price=price,size=size", "ts_event"),
        ],
    )
    def test_columns_that_are_not_there(
        self, columns: str, complaint: str, good_file: Path, reader: Machine
    ) -> None:
        error = mistake(
            reader,
            USAGE,
            *("publish", good_file, "--exchange", "bitfinex", "--symbol", "btcusd"),
            *("--columns", columns),
        )
        assert complaint in error["message"]
        assert reader.run("info") == []
