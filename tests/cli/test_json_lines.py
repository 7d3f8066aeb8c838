"""With `--json` stdout holds JSON lines and nothing else, whatever a command does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from support.commands import Line, Machine, Serving, machine
from support.feeds import market

from tradercast.cli.app import build
from tradercast.cli.main import main
from tradercast.client.export import export

TRADES = market(3_000, jitter_s=0)
FEED = "bitfinex/btcusd/trades"
PUBLISH = ("--exchange", "bitfinex", "--symbol", "btcusd")


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "trades.csv"
    export(path, [(TRADES, None)])
    return path


@pytest.fixture(scope="module")
def publisher(
    tmp_path_factory: pytest.TempPathFactory, csv: Path
) -> Iterator[tuple[Machine, Serving]]:
    with machine(tmp_path_factory.mktemp("publisher")) as made:
        made.publish(csv)
        yield made, made.serve()


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, publisher: tuple[Machine, Serving]
) -> Iterator[Machine]:
    """Holds the whole feed."""
    with machine(tmp_path_factory.mktemp("reader")) as made:
        made.sync(publisher[1].link)
        yield made


def said(made: Machine, *arguments: object, code: int = 0) -> list[Line]:
    """The lines of a command that ends by itself; each is an object."""
    lines = made.run(*arguments, code=code)
    assert all(isinstance(line, dict) and "not_json" not in line for line in lines), lines
    return lines


# Every command that ends by itself, with what its last line holds.
CASES: list[tuple[tuple[str, ...], set[str]]] = [
    (("ls",), {"feed", "exchange", "symbol", "channel", "link", "held", "segments"}),
    (("ls", "LINK"), {"feed", "link", "held"}),
    (("info",), set()),
    (("info", FEED), set()),
    (("gaps", "btcusd"), set()),
    (("verify",), {"feed", "verified", "blocks", "bytes", "logs"}),
    (("verify", "BTC/USD"), {"feed", "verified", "blocks", "bytes", "logs"}),
    (("export", FEED, "--out", "x.csv"), {"event", "feed", "out", "format", "records", "bytes"}),
    (("candles", "btcusd", "--offline"), {"feed", "interval", "ts_open", "close", "trades"}),
    (("sync", "LINK"), {"event", "feed", "records", "bytes", "fetched_bytes", "complete"}),
    (("sync", "btcusd", "--dry-run"), {"feed", "records", "bytes", "to_fetch_bytes", "peers"}),
    (("sync", "btcusd", "--seed", "0.1s"), {"event", "feed", "complete", "missing", "peers"}),
    (("publish", "CSV", *PUBLISH, "--dry-run"), {"feed", "rows", "start", "end", "columns"}),
    (("doctor",), {"ok", "checks"}),
    (("--version",), {"version"}),
    (("identity", "new", "--data-dir", "DIR"), {"root", "link", "catalog_key", "delegation"}),
]


@pytest.mark.parametrize(
    ("arguments", "keys"),
    CASES,
    ids=lambda v: " ".join(sorted(v) if isinstance(v, set) else v)[:40],
)
def test_a_command_prints_json_only(
    arguments: tuple[str, ...],
    keys: set[str],
    reader: Machine,
    publisher: tuple[Machine, Serving],
    csv: Path,
    tmp_path: Path,
) -> None:
    given = {"LINK": publisher[1].link, "CSV": csv, "DIR": tmp_path / "data"}
    if arguments == ("doctor",):  # whether all is well is the machine's affair
        lines = said(reader, "doctor", code=0 if _healthy(reader) else 3)
    else:
        lines = said(reader, *(given.get(word, word) for word in arguments))
    assert bool(lines) == (arguments[0] != "gaps")  # of which there are none
    assert keys <= set(lines[-1] if lines else ())


def _healthy(made: Machine) -> bool:
    command = made.start("doctor")
    command.process.wait(60)
    return command.process.returncode == 0


def test_the_values_are_those_of_the_feed(
    reader: Machine, publisher: tuple[Machine, Serving]
) -> None:
    [listed] = said(reader, "ls")
    assert (listed["feed"], listed["held"]) == (FEED, True)
    assert listed["link"].partition("?")[0] == publisher[1].link.partition("?")[0]
    synced = said(reader, "sync", "btcusd")[-1]
    assert (synced["records"], synced["fetched_bytes"], synced["complete"]) == (3_000, 0, True)
    estimate = said(reader, "sync", "btcusd", "--dry-run")[-1]
    assert (estimate["records"], estimate["to_fetch_bytes"]) == (3_000, 0)
    exported = said(reader, "export", "btcusd", "--out", "y.csv")[-1]
    assert exported["records"] == 3_000
    assert exported["bytes"] == (reader.root / "y.csv").stat().st_size


def test_the_life_of_an_identity(tmp_path: Path) -> None:
    with machine(tmp_path / "one") as made, machine(tmp_path / "two") as other:
        [new] = said(made, "identity", "new")
        assert said(made, "identity") == said(made, "identity", "show") == [new]
        [signed] = said(made, "identity", "delegate", "--days", "30")
        text = signed["delegation"]["text"]
        assert (
            said(made, "identity", "install", text)[0]["delegation"]["number"]
            == (signed["delegation"]["number"])
        )
        [moved] = said(made, "identity", "export-root", "root.key")
        assert moved == {"exported": "root.key"}
        assert said(made, "identity")[0]["has_root"] is False
        [elsewhere] = said(
            other,
            *("identity", "delegate", "--root-key", made.root / "root.key"),
            *("--catalog", new["catalog_key"]),
        )
        assert elsewhere["delegation"]["expires_ns"] > new["delegation"]["expires_ns"] - 10**18


def test_commands_that_go_on_print_line_by_line_and_end_in_order(
    reader: Machine, publisher: tuple[Machine, Serving]
) -> None:
    serving = reader.serve()
    assert serving.ready["feeds"] == [FEED]
    serving.interrupt()
    assert serving.result(0)[1:] == []

    following = reader.start("sync", publisher[1].link, "--follow")
    assert following.event("synced")["complete"] is True
    following.interrupt()
    assert following.error(130)["code"] == "INTERRUPTED"


ERRORS: list[tuple[tuple[str, ...], int, str]] = [
    ((), 2, "USAGE"),
    (("nonsense",), 2, "USAGE"),
    (("ls", "--nonsense"), 2, "USAGE"),
    (("sync",), 2, "USAGE"),
    (("sync", "tradercast://x"), 2, "BAD_LINK"),
    (("sync", "../x"), 2, "BAD_NAME"),
    (("sync", "nosuch"), 2, "UNKNOWN_SYMBOL"),
    (("sync", "btcusd", "--start", "tomorrow"), 2, "USAGE"),
    (("export", "btcusd", "--out", "x.doc"), 2, "USAGE"),
    (("export", "nosuch", "--out", "x.csv"), 2, "UNKNOWN_SYMBOL"),
    (("publish", "nosuch.csv", *PUBLISH), 2, "BAD_INPUT"),
    (("verify", "nosuch"), 2, "UNKNOWN_SYMBOL"),
    (("demo", "--records", "0"), 2, "USAGE"),
    (("serve", "--listen", "nowhere"), 2, "USAGE"),
    (("identity", "install", "nonsense"), 2, "USAGE"),
]


@pytest.mark.parametrize(("arguments", "code", "name"), ERRORS, ids=lambda v: str(v)[:40])
def test_an_error_is_one_object_and_its_code_is_the_exit_code(
    arguments: tuple[str, ...], code: int, name: str, reader: Machine
) -> None:
    lines = said(reader, *arguments, code=code)
    [error] = [line["error"] for line in lines]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == name
    assert error["message"]
    assert "\n" not in error["message"]


def test_nobody_to_ask_is_exit_code_4(publisher: tuple[Machine, Serving], tmp_path: Path) -> None:
    link = f"{publisher[1].link.partition('?')[0]}?bootstrap=127.0.0.1:9"
    with machine(tmp_path / "alone") as alone:
        assert alone.fails(4, "sync", link)["code"] == "NO_PEER"


@pytest.mark.parametrize("name", typer.main.get_command(build()).commands)  # type: ignore[attr-defined]
def test_every_command_tells_a_wrong_option_so(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--nonsense", "--json", "--data-dir", str(tmp_path / "data")]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "USAGE"
    assert "--nonsense" in error["message"]
    assert error["hint"] == f"see tradercast {name} --help"
    assert not (tmp_path / "data").exists()
