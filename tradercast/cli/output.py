"""What a command says: text for people or one JSON object a line, and the rest on stderr."""

from __future__ import annotations

import json as jsonlib
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradercast.cli.progress import BarProgress, LineProgress, Progress
from tradercast.cli.text import clean
from tradercast.errors import TradercastError, UsageError

_log = logging.getLogger("tradercast.cli")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let `main` say what a reader's going away means; rich would exit with 1."""
        raise  # the BrokenPipeError being handled


class Output:
    """The two streams of a command.

    Results go to stdout, as text or (with ``--json``) as one JSON object a line, each flushed
    as it is written.  Notes, warnings, progress and errors go to stderr; with ``--json`` an
    error goes to stdout too, as the object ``{"error": {"code", "message", "hint"}}``.

    Parameters
    ----------
    json, quiet : bool
        The common options.
    stdout, stderr : TextIO, optional
        Other streams than the process's own.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        quiet: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.log_json = False  # stderr is a log of JSON lines: nothing else may be on it
        self._stdout = stdout or sys.stdout
        self._out = _Console(file=self._stdout, highlight=False, soft_wrap=True)
        self._err = _Console(file=stderr or sys.stderr, highlight=False, soft_wrap=True)

    def emit(self, value: Mapping[str, Any]) -> None:
        """With ``--json``, write `value` as a line; otherwise nothing."""
        if self.json:
            self._stdout.write(jsonlib.dumps(value, default=_plain, allow_nan=False) + "\n")
            self._stdout.flush()

    def print(self, text: object = "", *, style: str | None = None) -> None:
        """Write a line of the result for people; nothing with ``--json``."""
        if not self.json:
            self._out.print(Text(clean(text), style=style or ""))
            self._stdout.flush()

    def table(
        self,
        headers: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        numbers: Sequence[int] = (),
    ) -> None:
        """Write a table for people; the columns in `numbers` are aligned to the right."""
        if self.json:
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for index, header in enumerate(headers):
            table.add_column(header, justify="right" if index in numbers else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(clean(cell)) for cell in row))
        # A pipe has no width: whoever reads it gets whole lines.
        width = None if self._out.is_terminal else 10_000
        self._out.print(table, width=width, soft_wrap=False, crop=False)

    def line(self, text: str) -> None:
        """Write a line of a log on stderr, whatever else is shown there."""
        self._err.print(Text(clean(text)))

    def note(self, text: object) -> None:
        """Write a line on stderr that ``--quiet`` leaves out."""
        if self.log_json:
            _log.info("%s", text)
        elif not self.quiet:
            self._err.print(Text(clean(text), style="dim"))

    def warn(self, text: object) -> None:
        """Write a warning on stderr."""
        if self.log_json:
            _log.warning("%s", text)
            return
        self._labelled("warning", "yellow", text)

    def error(self, error: TradercastError) -> None:
        """Say what went wrong, once, where the caller looks for it."""
        self.emit(error.to_dict())
        if self.log_json:
            fields = {"code": error.code, "hint": error.hint}
            _log.error("%s", error.message, extra={"fields": fields})
        if self.json or self.log_json:
            return
        self._labelled("error", "bold red", error.message)
        if error.hint:
            self._labelled("hint", "cyan", error.hint)

    def traceback(self, text: str) -> None:
        """Write a traceback on stderr (``--debug``)."""
        if self.log_json:
            _log.error("%s", text)
            return
        self._err.print(Text(clean(text)))

    def progress(self, title: str, total: int | None = None, unit: str = "records") -> Progress:
        """A context manager that shows on stderr how far a command has come."""
        if self.quiet:
            return Progress(title, total, unit)
        if self._err.is_terminal:
            return BarProgress(title, total, unit, console=self._err)
        return LineProgress(title, total, unit, write=self.note)

    def confirm(self, question: str, *, assume_yes: bool, option: str = "--yes") -> bool:
        """Ask before something large; `assume_yes` is the option that skips the question.

        Raises
        ------
        UsageError
            If there is nobody to ask.
        """
        if assume_yes:
            return True
        if self.json or not (sys.stdin and sys.stdin.isatty()):
            raise UsageError(f"{question} Nobody is there to ask", hint=f"say {option} to go on")
        self._err.print(Text(f"{clean(question)} [y/N] "), end="")
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def _labelled(self, label: str, style: str, text: object) -> None:
        self._err.print(Text.assemble((f"{label}: ", style), clean(text)))


def _plain(value: object) -> object:
    """The JSON form of what the json module does not know."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
