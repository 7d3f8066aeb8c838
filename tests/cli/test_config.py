"""Settings: an option beats the environment, which beats the file, which beats the default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from tradercast.cli.context import Cli, RootDataDirOption, command
from tradercast.cli.kafka_settings import kafka_settings
from tradercast.cli.main import main
from tradercast.cli.options import MetricsOption, secret
from tradercast.errors import UsageError

SECRET = "mongodb://me:pa55word@db/market"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration file but the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("TRADERCAST_CONFIG", raising=False)
    monkeypatch.setenv("TRADERCAST_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


async def act(
    cli: Cli,
    symbols: Annotated[list[str] | None, typer.Argument()] = None,
    mongo: Annotated[str, typer.Option("--mongo", callback=secret)] = "none",
    metrics: MetricsOption = None,
    fields: Annotated[str, typer.Option("--map")] = "",
    partitions: Annotated[int, typer.Option(min=1)] = 8,
    no_dht: Annotated[bool, typer.Option("--no-dht")] = False,
    fast: Annotated[bool, typer.Option("--fast", "-f")] = False,
    peer: Annotated[list[str] | None, typer.Option("--peer")] = None,
) -> int:
    cli.out.emit(
        {
            "symbols": symbols,
            "mongo": mongo,
            "metrics": metrics,
            "map": fields,
            "partitions": partitions,
            "no-dht": no_dht,
            "fast": fast,
            "peer": peer,
            "data-dir": str(cli.data_dir.root),
        }
    )
    return 0


def app() -> typer.Typer:
    made = typer.Typer()
    made.callback(invoke_without_command=True)(root)
    command(made, "act", service=True)(act)
    command(made, "other")(lambda cli: None)
    return made


def root(ctx: typer.Context, data_dir: RootDataDirOption = None) -> None:
    """As the real one does."""
    ctx.obj.merge(data_dir, None, None, None)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code = main(["act", "--json", *arguments], app=app())
    shown = capsys.readouterr()
    assert code == 0, shown
    found: dict[str, Any] = json.loads(shown.out)
    return found


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """It ends with exit code 2; what it says, as one text."""
    code = main(["act", "--json", *arguments], app=app())
    assert code == 2
    shown = capsys.readouterr()
    error = json.loads(shown.out.splitlines()[-1])["error"]
    assert "pa55word" not in shown.out + shown.err
    return f"{error['message']} ({error['hint']})"


def written(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "settings.toml"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("option", "variable", "shared", "in_file", "wanted"),
    [
        ("1", "2", "3", "4", 1),
        (None, "2", "3", "4", 2),
        (None, None, "3", "4", 3),
        (None, None, None, "4", 4),
        (None, "", "", "4", 4),
        (None, None, None, None, 8),
    ],
)
def test_the_order_of_precedence(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    variable: str | None,
    shared: str | None,
    in_file: str | None,
    wanted: int,
) -> None:
    for name, value in (("TRADERCAST_ACT_PARTITIONS", variable), ("TRADERCAST_PARTITIONS", shared)):
        if value is not None:
            monkeypatch.setenv(name, value)
    file = written(home, f"[act]\npartitions = {in_file}\n" if in_file else "")

    given = ["--partitions", option] if option else []
    found = run(capsys, "--config", file, *given)

    assert found["partitions"] == wanted


def test_a_flag_of_the_file_or_the_environment_is_taken_back_by_an_option(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(home, "[act]\nno-dht = true\nfast = true\n")
    assert run(capsys, "--config", file)["no-dht"] is True

    found = run(capsys, "--config", file, "--with-dht", "--no-fast")
    monkeypatch.setenv("TRADERCAST_ACT_NO_DHT", "1")
    monkeypatch.setenv("TRADERCAST_FAST", "1")
    assert run(capsys)["fast"] is True
    again = run(capsys, "--with-dht", "--no-fast")

    for each in (found, again):
        assert (each["no-dht"], each["fast"]) == (False, False)


@pytest.mark.parametrize("place", ["before", "behind"])
def test_json_of_the_file_or_the_environment_is_taken_back(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    file = written(home, "json = true\nquiet = true\n")
    monkeypatch.setenv("TRADERCAST_JSON", "1")
    given = {
        "before": ["--no-json", "--no-quiet", "ls", "--config", file],
        "behind": ["ls", "--no-json", "--no-quiet", "--config", file],
    }[place]
    assert main(["ls", "--config", file]) == 0
    as_json = capsys.readouterr()

    assert main(given) == 0
    as_text = capsys.readouterr()

    assert all(json.loads(line) for line in as_json.out.splitlines())
    assert not as_json.err
    assert "{" not in as_text.out
    assert as_text.out + as_text.err


def test_a_variable_is_named_after_the_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADERCAST_ACT_MAP", "price=p")

    assert run(capsys)["map"] == "price=p"


def test_every_kind_of_value(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(
        home,
        'data-dir = "/srv/top"\nmetrics = "127.0.0.1:9340"\n[act]\nsymbols = ["btcusd", "ethusd"]\n'
        f'mongo = "{SECRET}"\nmap = "a=b"\nno-dht = true\npeer = ["a:1", "b:2"]\n',
    )

    assert run(capsys, "--config", file) == {
        "symbols": ["btcusd", "ethusd"],
        "mongo": SECRET,
        "metrics": "127.0.0.1:9340",
        "map": "a=b",
        "partitions": 8,
        "no-dht": True,
        "fast": False,
        "peer": ["a:1", "b:2"],
        "data-dir": str(home / "data"),  # the environment is before the file
    }


def test_the_file_is_found_by_the_environment_and_in_its_default_place(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = home / ".config" / "tradercast"
    place.mkdir(parents=True)
    (place / "tradercast.toml").write_text("[act]\npartitions = 5\n")
    assert run(capsys)["partitions"] == 5

    monkeypatch.setenv("TRADERCAST_CONFIG", written(home, "[act]\npartitions = 6\n"))
    assert run(capsys)["partitions"] == 6


def test_a_table_beats_the_top(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(home, "partitions = 3\n[act]\npartitions = 4\n")

    assert run(capsys, "--config", file)["partitions"] == 4


def test_a_data_directory_of_the_file_is_beaten_by_an_option_before_the_command(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRADERCAST_DATA_DIR")
    file = written(home, 'data-dir = "/srv/file"\n')

    assert run(capsys, "--config", file)["data-dir"] == "/srv/file"
    assert main(["--data-dir", "/srv/x", "act", "--json", "--config", file], app=app()) == 0
    assert json.loads(capsys.readouterr().out)["data-dir"] == "/srv/x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[act]\npartition = 3\n", ["table [act], key partition", "did you mean partitions?"]),
        ("[atc]\npartitions = 3\n", ["table [atc]", "did you mean act?"]),
        ("nonsense = 3\n", ["key nonsense", "known are"]),
        ("[act]\npartitions = 0\n", ["table [act], key partitions:", "1"]),
        ('[act]\npartitions = "many"\n', ["table [act], key partitions:"]),
        ("[act]\nmetrics = 9340\n", ["table [act], key metrics", "put it in quotes"]),
        ('metrics = "9340"\n', ["toml, key metrics:", "has no port"]),
        ('[act]\npeer = "a:1"\n', ["table [act], key peer", "list"]),
        ("[act]\nno-dht = 1\n", ["table [act], key no-dht", "neither true nor false"]),
        ('[act]\ndata-dir = "/x"\n', ["table [act], key data-dir", "move it to the top"]),
        ("[act]\nmap = {a = 1}\n", ["table [act], key map"]),
        ("[act\n", ["is not TOML", "line 1"]),
        ('[act]\nmongo = "file:/nonexistent"\n', ["table [act], key mongo", "/nonexistent"]),
    ],
)
def test_what_is_wrong_is_named_by_file_table_and_key(
    home: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str]
) -> None:
    file = written(home, text)

    told = fails(capsys, "--config", file)

    assert file in told
    assert [word for word in words if word not in told] == [], told


def test_a_file_that_is_not_there_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(home / "none.toml") in fails(capsys, "--config", str(home / "none.toml"))


def test_a_file_with_a_password_must_be_its_owners_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(home, f'[act]\nmongo = "{SECRET}"\n', 0o644)

    assert f"chmod 600 {file}" in fails(capsys, "--config", file)


def test_a_secret_comes_from_a_file_of_its_own(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "mongo"
    path.write_text(SECRET + "\n")
    path.chmod(0o640)
    monkeypatch.setenv("TRADERCAST_MONGO", f"file:{path}")
    assert f"chmod 600 {path}" in fails(capsys)

    path.chmod(0o600)
    assert run(capsys)["mongo"] == SECRET


def test_a_password_on_the_command_line_is_warned_of_without_showing_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["act", "--mongo", SECRET], app=app()) == 0
    shown = capsys.readouterr()
    assert "sees the password in --mongo" in shown.err
    assert "pa55word" not in shown.err


def test_settings_of_kafka_come_from_a_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "kafka"
    file.write_text("# ours\nsecurity.protocol=SASL_SSL\nsasl.password=old\n\n")
    file.chmod(0o600)
    environ = {"TRADERCAST_KAFKA_SASL_PASSWORD": "new", "TRADERCAST_KAFKA": "not:1"}

    found = kafka_settings(file, "k:9092", environ)
    found.pop("logger")

    assert found == {
        "bootstrap.servers": "k:9092",
        "security.protocol": "SASL_SSL",
        "sasl.password": "new",
    }


def test_a_file_with_kafkas_password_must_be_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "kafka"
    file.write_text("sasl.password=pa55word")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="other users"):
        kafka_settings(file, "k:9092", {})

    file.write_text("client.id=x")
    assert kafka_settings(file, "k:9092", {})["client.id"] == "x"
