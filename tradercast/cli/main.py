"""From a list of arguments to an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from tradercast.cli import failures, settings
from tradercast.cli.app import build, named
from tradercast.cli.context import Cli
from tradercast.cli.options import FOREVER, last_value, optional_value
from tradercast.config import Config
from tradercast.errors import EXIT_OK

EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE


def main(arguments: Sequence[str] | None = None, *, app: typer.Typer | None = None) -> int:
    """Run the command line and return its exit code.

    0 all that was asked is done, 1 internal, 2 usage, 3 incomplete, 4 no peer,
    5 verification or fork, 6 a source lost messages, 130 interrupted; 141 if stdout was closed by
    its reader.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments, without the program's name (default: ``sys.argv[1:]``).
    app : typer.Typer, optional
        Another command line than Tradercast's own.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Known before parsing, so that a parsing error is told in the form that was asked for.
    _accept_any_character()
    cli = Cli(json="--json" in given, debug="--debug" in given)
    try:
        with _terminable(), failures.logging_to(cli):
            return _run(given, cli, app)
    except BrokenPipeError:
        # Whatever is still buffered has no reader; the interpreter must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


def _run(given: list[str], cli: Cli, app: typer.Typer | None) -> int:
    try:
        if "--help" not in given:
            cli.config = Config.load(last_value(given, "--config"))
        if app is None:
            # A file of settings is checked against all commands.
            app = build(None if cli.config.path else named(given))
        parser = typer.main.get_command(app)
        call = parser.main(
            optional_value(given, "--seed", FOREVER),
            prog_name="tradercast",
            standalone_mode=False,
            obj=cli,
            default_map=settings.defaults(cli.config, parser),
        )
        code = call() if callable(call) else call
        sys.stdout.flush()
        return EXIT_OK if code is None else int(code)
    except BrokenPipeError:
        raise
    except typer.Exit as wish:
        return wish.exit_code
    except (Exception, KeyboardInterrupt) as error:
        return failures.tell(error, cli)


def _accept_any_character() -> None:
    """A terminal that has no ✓ shows something else for it; that is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
