"""A service's log: a JSON object a line, of the level asked for, without secrets."""

from __future__ import annotations

import json
import logging
import warnings
from typing import Any

import pytest
import typer

from tradercast.cli.context import Cli, command
from tradercast.cli.logs import JsonLog, TextLog
from tradercast.cli.main import main
from tradercast.errors import ServiceError

RECORD = logging.makeLogRecord(
    {"name": "tradercast.x", "levelno": 30, "levelname": "WARNING", "created": 0.5,
     "msecs": 500, "msg": "lost %s\nbye", "args": ("mongodb://me:secret@host/db",)}
)  # fmt: skip
LOG = logging.getLogger("tradercast.somewhere")


def run(body: Any, *arguments: str) -> int:
    app = typer.Typer()
    command(app, "act", service=True)(body)
    command(app, "other")(lambda cli: None)
    return main(["act", *arguments], app=app)


def talk(cli: Cli) -> None:
    LOG.debug("detail")
    LOG.info("begun", extra={"fields": {"feed": "a/b/trades"}})
    LOG.warning("slow")
    logging.getLogger("kademlia").info("hello")
    cli.out.note("a note")
    cli.out.warn("a warning")


def test_a_json_line_holds_no_password() -> None:
    line = JsonLog().format(RECORD)

    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "warning",
        "logger": "tradercast.x",
        "message": "lost mongodb://…@host/db\nbye",
    }


def test_a_line_for_people_holds_no_password() -> None:
    assert TextLog().format(RECORD) == (
        "1970-01-01T00:00:00.500Z WARNING tradercast.x: lost mongodb://…@host/db bye"
    )


def test_without_a_terminal_every_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(talk) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("info", "begun"),
        ("warning", "slow"),
        ("info", "a note"),
        ("warning", "a warning"),
    ]
    assert lines[0]["feed"] == "a/b/trades"


@pytest.mark.parametrize(
    ("level", "seen"),
    [("debug", {"detail", "begun", "slow"}), ("info", {"begun", "slow"}), ("error", set())],
)
def test_the_level_is_an_option_and_in_the_environment(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    seen: set[str],
) -> None:
    assert run(talk, "--log-level", level, "--log-format", "json") == 0
    by_option = capsys.readouterr().err
    monkeypatch.setenv("TRADERCAST_LOG_LEVEL", level)
    assert run(talk) == 0
    by_environment = capsys.readouterr().err

    for text in (by_option, by_environment):
        lines = [json.loads(line) for line in text.splitlines()]
        own = {line["message"] for line in lines if line["logger"] == LOG.name}
        assert own == seen


def test_text_when_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(talk, "--log-format", "text") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(" INFO tradercast.somewhere: begun")
    assert lines[-2:] == ["a note", "warning: a warning"]


def test_errors_and_tracebacks_are_lines_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(cli: Cli) -> None:
        warnings.warn("odd", stacklevel=1)
        raise ServiceError("Kafka is away", hint="start it")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run(fail, "--debug") == 3
    shown = capsys.readouterr()
    lines = [json.loads(line) for line in shown.err.splitlines()]
    assert shown.out == ""
    assert "odd" in lines[0]["message"]
    assert "Traceback" in lines[-2]["message"]
    assert lines[-1] | {"time": ""} == {
        "time": "",
        "level": "error",
        "logger": "tradercast.cli",
        "message": "Kafka is away",
        "code": "SERVICE",
        "hint": "start it",
    }


def test_a_log_ends_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(talk) == 0
    capsys.readouterr()
    LOG.info("nobody hears this")
    assert capsys.readouterr().err == ""
