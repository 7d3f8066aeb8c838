"""Whatever went wrong, as one sentence, a hint and an exit code; never a traceback unasked."""

from __future__ import annotations

import errno
import logging
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from tradercast.cli.context import Cli
from tradercast.cli.logs import JsonLog, TextLog
from tradercast.cli.settings import origin
from tradercast.config import Config
from tradercast.errors import EXIT_INTERRUPTED, DiskFullError, TradercastError, UsageError
from tradercast.private import without_secrets

MAX_LOG_BYTES = 1 << 20


class InterruptedByUserError(TradercastError):
    """The user stopped the command."""

    code = "INTERRUPTED"
    exit_code = EXIT_INTERRUPTED


def tell(error: BaseException, cli: Cli) -> int:
    """Print `error` as the common options want it, and return its exit code."""
    cause = _leaf(error)
    known = _known(cause, cli.config)
    if cli.debug and not isinstance(cause, typer.TyperException):
        cli.out.traceback(without_secrets("".join(traceback.format_exception(error))))
    if known is None:
        known = _unexpected(error, cause, cli)
    cli.out.error(known)
    return known.exit_code


def _leaf(error: BaseException) -> BaseException:
    """The exception to tell of: of a group, the first that was foreseen, else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [_leaf(inner) for inner in error.exceptions]
    return next((leaf for leaf in leaves if _known(leaf) is not None), leaves[0])


def _known(error: BaseException, config: Config | None = None) -> TradercastError | None:
    """The error in the project's own words, if it is one that users can do something about."""
    if isinstance(error, TradercastError):
        return error
    if isinstance(error, typer.TyperException):
        context, param = getattr(error, "ctx", None), getattr(error, "param", None)
        path = context.command_path if context else "tradercast"
        message = " ".join(error.format_message().split())
        if config is not None and context is not None and param is not None:
            source = context.get_parameter_source(param.name)
            if source is not None and source.name == "DEFAULT_MAP":
                message = f"{origin(config, context.info_name, param)}: {message}"
        hint = getattr(error, "hint", None) or f"see {path} --help"
        return UsageError(message, hint=hint)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return InterruptedByUserError(
            "interrupted", hint="what is done is kept; the next run goes on from it"
        )
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(
            f"the disk is full{_at(error)}", hint="make room and run the same command again"
        )
    if isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return UsageError(
            f"not allowed{_at(error)}: {error.strerror}", hint="check its permissions"
        )
    return None


def _at(error: OSError) -> str:
    return f" at {error.filename}" if error.filename else ""


def _unexpected(error: BaseException, cause: BaseException, cli: Cli) -> TradercastError:
    first = without_secrets((str(cause).splitlines() or [""])[0])[:200]
    what = f"{type(cause).__name__}: {first}" if first else type(cause).__name__
    if cli.debug:
        return TradercastError(f"unexpected failure ({what})", hint="the traceback is above")
    where = _log(error, cli.data_dir.root)
    hint = f"the traceback is in {where}" if where else "--debug prints the traceback"
    return TradercastError(f"unexpected failure ({what})", hint=hint)


def _log(error: BaseException, data_dir: Path) -> Path | None:
    """Append the traceback to a small log in the data directory, else in the temporary one."""
    trace = without_secrets("".join(traceback.format_exception(error)))
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) + trace
    for folder in (data_dir, Path(tempfile.gettempdir())):
        path = folder / "tradercast-errors.log"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
                path.unlink()
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text + "\n")
        except OSError:
            continue
        return path
    return None


class _Handler(logging.Handler):
    """Log records on stderr, without breaking a progress bar.

    Without ``--debug`` these are our own warnings, a line each: other packages' warnings are
    about what we deal with anyway (a peer that does not answer).
    """

    def __init__(self, cli: Cli) -> None:
        super().__init__()
        self._cli = cli
        self._text, self._json = TextLog(), JsonLog()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if self._cli.log_level is not None:
            form = self._json if self._cli.out.log_json else self._text
            self._cli.out.line(form.format(record))
        elif self._cli.debug:
            self._cli.out.note(self._text.format(record))
        elif record.levelno >= logging.WARNING and record.name.startswith("tradercast"):
            self._cli.out.warn(without_secrets(" ".join(record.getMessage().split())))


@contextmanager
def logging_to(cli: Cli) -> Iterator[None]:
    """Show the library's warnings as long as this lasts, and with ``--debug`` everything."""
    handler = _Handler(cli)
    logger, own = logging.getLogger(), logging.getLogger("tradercast")
    level, own_level = logger.level, own.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if cli.debug else logging.WARNING)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        logger.setLevel(level)
        own.setLevel(own_level)
        logger.removeHandler(handler)
