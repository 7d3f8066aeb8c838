"""What every command may rely on: options, exit codes, errors, signals, streams."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from typing import Annotated

import pytest
import typer

import tradercast
from tradercast import errors
from tradercast.cli.context import Cli, command
from tradercast.cli.main import main
from tradercast.cli.text import clean, count, duration, size


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("TRADERCAST_DATA_DIR", str(folder))
    return folder


def run(body, *arguments):
    """Run `body` as the command `act` of a command line that has one more."""
    app = typer.Typer()
    command(app, "act", examples=["tradercast act [x]"])(body)
    command(app, "other")(lambda cli: None)
    return main(["act", *arguments], app=app)


def raising(error):
    def body(cli: Cli) -> None:
        raise error

    return body


def test_a_command_gets_its_arguments_and_the_common_options(home, capsys):
    def body(cli: Cli, name: str, days: Annotated[int, typer.Option()] = 1) -> None:
        cli.out.print(f"{name} {days} {cli.data_dir.root == home}")
        cli.out.emit({"name": name, "days": days})

    assert run(body, "btcusd", "--days", "3") == 0
    assert capsys.readouterr().out == "btcusd 3 True\n"
    assert run(body, "btcusd", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"name": "btcusd", "days": 3 - 2}


def test_a_data_dir_on_the_command_line_wins(tmp_path, capsys):
    def body(cli: Cli) -> None:
        cli.out.print(cli.data_dir.root)

    assert run(body, "--data-dir", str(tmp_path / "x")) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'x'}\n"


def test_a_coroutine_is_awaited_and_what_it_returns_is_the_exit_code():
    async def body(cli: Cli) -> int:
        await asyncio.sleep(0)
        return 3

    assert run(body) == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("no"), 2),
        (errors.EncodeError("no"), 2),
        (errors.MissingDataError("no"), 3),
        (errors.DiskFullError("no"), 3),
        (errors.NoPeerError("no"), 4),
        (errors.ForkError("no"), 5),
        (errors.SidecarError("no"), 1),
        (typer.Exit(3), 3),
        (KeyboardInterrupt(), 130),
        (OSError(28, "No space left on device", "/x"), 3),
        (PermissionError(13, "Permission denied", "/x"), 2),
        (ExceptionGroup("tasks", [ValueError("x"), errors.NoPeerError("no")]), 4),
    ],
)
def test_exit_codes(error, code):
    assert run(raising(error)) == code


def test_an_error_is_one_sentence_and_a_hint_on_stderr(capsys):
    assert run(raising(errors.NoPeerError("nobody has btcusd", hint="wait a little"))) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: nobody has btcusd\nhint: wait a little\n"


def test_an_error_with_json_is_an_object_on_stdout(capsys):
    assert run(raising(errors.NoPeerError("nobody", hint="wait")), "--json") == 4
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "error": {"code": "NO_PEER", "message": "nobody", "hint": "wait"}
    }
    assert shown.err == ""


def test_an_error_in_a_task_group_is_told_as_itself(capsys):
    async def fail():
        raise errors.LinkError("the link is too short")

    async def body(cli: Cli) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    assert run(body) == 2
    assert capsys.readouterr().err == "error: the link is too short\n"


def test_the_unforeseen_leaves_a_traceback_in_a_file_and_one_sentence_here(home, capsys):
    assert run(raising(KeyError("x"))) == 1
    log = home / "tradercast-errors.log"
    shown = capsys.readouterr().err
    assert shown == (
        f"error: unexpected failure (KeyError: 'x')\nhint: the traceback is in {log}\n"
    )
    assert "Traceback (most recent call last)" in log.read_text()


def test_no_end_of_file_error_is_taken_for_the_users_wish(capsys):
    assert run(raising(asyncio.IncompleteReadError(b"", 4))) == 1
    assert "IncompleteReadError" in capsys.readouterr().err


def test_debug_prints_the_traceback_and_writes_no_file(home, capsys):
    assert run(raising(KeyError("x")), "--debug") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize("arguments", [["--nonsense"], ["extra"], ["--data-dir"]])
def test_a_usage_error_is_one_sentence(arguments, capsys):
    assert run(lambda cli: None, *arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert lines[1].endswith("--help")


def test_a_usage_error_with_json_is_an_object(capsys):
    assert main(["--json", "no-such-command"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "USAGE"


def test_help_shows_the_examples_with_their_brackets(capsys):
    assert run(lambda cli: None, "--help") == 0
    assert "tradercast act [x]" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tradercast {tradercast.__version__}\n"
    assert main(["--json", "--version"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": tradercast.__version__}


def test_no_command_shows_the_help(capsys):
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "doctor" in shown.out
    assert shown.err.startswith("error: no command was given")


def test_common_options_hold_before_the_name_too(tmp_path, capsys):
    assert main(["--json", "--data-dir", str(tmp_path), "doctor", "--nonsense"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "USAGE"


def test_an_option_beats_the_environment_wherever_it_stands(tmp_path, capsys):
    main(["--json", "--data-dir", str(tmp_path / "x"), "identity"])
    assert str(tmp_path / "x") in json.loads(capsys.readouterr().out)["error"]["message"]


def test_our_warnings_are_shown_as_a_line_and_the_rest_only_with_debug(capsys):
    def body(cli: Cli) -> None:
        logging.getLogger("tradercast.log").info("attached")
        logging.getLogger("tradercast.log").warning("slow\ndisk", exc_info=ValueError("x"))
        logging.getLogger("kademlia.protocol").warning("no response")

    assert run(body) == 0
    assert capsys.readouterr().err == "warning: slow disk\n"
    assert run(body, "--debug") == 0
    shown = capsys.readouterr().err
    assert "INFO tradercast.log: attached" in shown
    assert "WARNING kademlia.protocol: no response" in shown


def test_quiet_leaves_out_notes_and_keeps_results_and_warnings(capsys):
    def body(cli: Cli) -> None:
        cli.out.note("looking")
        cli.out.warn("loopback")
        cli.out.print("done")
        with cli.out.progress("x", total=2) as bar:
            bar.update(2)

    assert run(body, "--quiet") == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("done\n", "warning: loopback\n")


def test_a_strangers_text_can_not_drive_the_terminal(capsys):
    def body(cli: Cli) -> None:
        cli.out.print("a\x1b[2Jb [red]c[/red]")
        cli.out.table(["n"], [["\x1b]0;x\x07"]])

    assert run(body) == 0
    assert capsys.readouterr().out == "a\ufffd[2Jb [red]c[/red]\nn     \n\ufffd]0;x\ufffd\n"


def test_a_question_that_nobody_can_answer_is_a_usage_error(capsys, monkeypatch):
    def body(cli: Cli) -> None:
        cli.out.confirm("Fetch 6 GB?", assume_yes=False)

    monkeypatch.setattr(sys, "stdin", None)
    assert run(body) == 2
    assert "--yes" in capsys.readouterr().err


def test_text():
    assert clean("tab\tline\n\x1b[31m\u202e") == "tab\tline\n\ufffd[31m\ufffd"
    assert count(1, "record") == "1 record"
    assert count(12345, "record") == "12,345 records"
    assert count(2, "index", "indices") == "2 indices"
    assert [size(n) for n in (0, 999, 1000, 99_499, 99_500, 3_210_000, 5e9, 2e13)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "99.5 kB",
        "100 kB",
        "3.2 MB",
        "5.0 GB",
        "20.0 TB",
    ]
    assert [duration(s) for s in (0.04, 9.9, 42, 200, 7500, 367_200)] == [
        "0.0 s",
        "9.9 s",
        "42 s",
        "3 min 20 s",
        "2 h 5 min",
        "4 d 6 h",
    ]


SCRIPT = r"""
import asyncio, sys, typer
from tradercast.cli.context import Cli, command
from tradercast.cli.main import main
app = typer.Typer()
async def wait(cli: Cli) -> None:
    cli.out.emit({"event": "ready"})
    try:
        await asyncio.Event().wait()
    finally:
        cli.out.emit({"event": "clean"})
async def serve(cli: Cli) -> None:
    try:
        await wait(cli)
    except asyncio.CancelledError:
        pass
async def stubborn(cli: Cli) -> None:
    while True:
        try:
            await wait(cli)
        except asyncio.CancelledError:
            pass
def block(cli: Cli) -> None:
    cli.out.print("ready")
    cli.out.emit({"event": "ready"})
    import threading
    threading.Event().wait()
def mark(cli: Cli) -> None:
    cli.out.print("\u2713 done")
def flood(cli: Cli) -> None:
    while True:
        cli.out.print("x" * 1000)
for body in (wait, serve, stubborn, block, mark, flood):
    command(app, body.__name__)(body)
sys.exit(main(app=app))
"""


@contextmanager
def start(name, *options, **environment):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), name, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("name", "code", "last"),
    [("wait", 130, "INTERRUPTED"), ("block", 130, "INTERRUPTED"), ("serve", 0, "clean")],
)
def test_a_signal_ends_a_command_in_order(name, code, last, number):
    with start(name, "--json") as process:
        assert process.stdout.readline() == '{"event": "ready"}\n'
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert last in out.splitlines()[-1]
    assert "Traceback" not in err


def test_more_signals_end_a_command_that_does_not_listen():
    with start("stubborn", "--json") as process:
        signals = 0
        for line in process.stdout:
            if json.loads(line) == {"event": "ready"}:
                process.send_signal(signal.SIGINT)
                signals += 1
        process.wait(timeout=20)
    assert 2 <= signals <= 3
    assert process.returncode == 130


def test_an_interrupted_command_says_that_the_next_run_goes_on():
    with start("block") as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "error: interrupted\nhint: what is done is kept; the next run goes on from it\n"


def test_a_reader_that_goes_away_is_no_error():
    with start("flood") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 141
        assert process.stderr.read() == ""


def test_a_terminal_without_the_character_is_no_error():
    with start("mark", PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("? done\n", "", 0)
