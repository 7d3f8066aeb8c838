"""The options that every command has, before or after its name, and what they add up to."""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import sys
import typing
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tradercast.cli import asyncrun
from tradercast.cli.logs import LogFormat, LogFormatOption, LogLevel, LogLevelOption
from tradercast.cli.output import Output
from tradercast.config import ENV_CONFIG, Config
from tradercast.paths import ENV_DATA_DIR, DataDir

COMMON = "Common options"
ENV_PREFIX = "TRADERCAST_"


def in_environment(info: Any, name: str, command: str | None = None) -> Any:
    """What typer knows of an option or argument, which is found in the environment too.

    Parameters
    ----------
    info : Option or Argument
        Typer's.
    name : str
        The parameter's.
    command : str, optional
        Its variables come first: ``TRADERCAST_FEEDER_LISTEN`` before ``TRADERCAST_LISTEN``.
    """
    long = [text for text in _names(info) if text.startswith("--")]
    word = long[0].partition("/")[0].removeprefix("--") if long else name
    word = word.replace("-", "_").upper()
    info = copy.copy(info)
    own = [f"{ENV_PREFIX}{command.upper()}_{word}"] if command else []
    info.envvar = [*own, f"{ENV_PREFIX}{word}"]
    info.show_envvar = False  # the rule is told once
    return info


def both_ways(info: Any) -> Any:
    """What typer knows of a flag, which can be taken back: ``--json``, and then ``--no-json``.

    Without it a flag of the settings file would hold for good.
    """
    info = copy.copy(info)
    long = _names(info)[0]
    if "/" not in long:
        opposite = long.replace("--no-", "--with-") if "--no-" in long else f"--no-{long[2:]}"
        info.default = f"{long}/{opposite}"
    return info


def _names(info: Any) -> tuple[str, ...]:
    """What an option is called; typer keeps the first name where others have a default."""
    first = info.default if isinstance(info.default, str) else None
    return (*([first] if first else []), *(info.param_decls or ()))


_DATA_DIR = typer.Option(
    "--data-dir",
    help=f"Where this node keeps its data; by default what {ENV_DATA_DIR} says.",
    readable=False,  # whoever opens it says more
    rich_help_panel=COMMON,
)
_JSON = typer.Option(
    "--json/--no-json", help="Print JSON, one object a line, on stdout.", rich_help_panel=COMMON
)
DataDirOption = Annotated[Path | None, _DATA_DIR]
JsonOption = Annotated[bool | None, _JSON]
# The environment is looked at once, before the command's name: behind it, what it says would beat
# an option before it.
RootDataDirOption = Annotated[Path | None, in_environment(_DATA_DIR, "data_dir")]
RootJsonOption = Annotated[bool | None, in_environment(_JSON, "json")]
QuietOption = Annotated[
    bool | None,
    typer.Option("--quiet/--no-quiet", "-q", help="No progress, no notes.", rich_help_panel=COMMON),
]
DebugOption = Annotated[
    bool | None,
    typer.Option(
        "--debug/--no-debug",
        help="Log everything, and print tracebacks.",
        rich_help_panel=COMMON,
    ),
]
ConfigOption = Annotated[
    Path | None,
    # Read before parsing, since it says what the other options are by default.
    typer.Option(
        "--config",
        metavar="FILE",
        help=f"Settings in TOML; by default what {ENV_CONFIG} says.",
        rich_help_panel=COMMON,
    ),
]


class Cli:
    """What the common options say; every command gets it as its first argument.

    Parameters
    ----------
    json, quiet, debug : bool
        What is known before parsing.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, debug: bool = False) -> None:
        self.out = Output(json=json, quiet=quiet)
        self.debug = debug
        self.data_dir = DataDir.locate()
        self.config = Config()
        self.log_level: LogLevel | None = None

    def merge(
        self, data_dir: Path | None, json: bool | None, quiet: bool | None, debug: bool | None
    ) -> None:
        """Take in the options of one more place; what is given there holds."""
        if data_dir is not None:
            self.data_dir = DataDir.locate(data_dir)
        if json is not None:
            self.out.json = json
        if quiet is not None:
            self.out.quiet = quiet
        if debug is not None:
            self.debug = debug

    def serve(self, log_format: LogFormat | None, log_level: LogLevel) -> None:
        """From now on this is a service, whose stderr is a log."""
        if log_format is None:
            log_format = LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON
        self.log_level = LogLevel.DEBUG if self.debug else log_level
        self.out.log_json = log_format is LogFormat.JSON
        logging.captureWarnings(True)
        logging.getLogger("tradercast").setLevel(self.log_level.upper())


Result = int | None
Body = Callable[..., Result | Coroutine[Any, Any, Result]]


def command(
    app: typer.Typer,
    name: str,
    *,
    examples: Sequence[str] = (),
    service: bool = False,
    environment: bool = False,
) -> Callable[[Body], Body]:
    """Register ``body(cli, …)`` as the command `name` of `app`.

    A `service` logs.  It, and what has `environment`, finds its options in the environment too:
    ``--topic-template`` of the listener is ``TRADERCAST_LISTENER_TOPIC_TEMPLATE``, else
    ``TRADERCAST_TOPIC_TEMPLATE``.

    `body` is a function or a coroutine function; it has typer's annotations behind its first
    parameter, a docstring for ``--help``, and returns nothing or an exit code.  Typer only
    parses: what it returns is called by `main`, which alone knows how errors are told.
    """

    def register(body: Body) -> Body:
        app.command(name, epilog=_epilog(examples))(
            _parser(body, name if service or environment else None, service)
        )
        return body

    return register


def group(app: typer.Typer, name: str, body: Body, *, examples: Sequence[str] = ()) -> typer.Typer:
    """Register a command that has commands of its own; alone it does what `body` does.

    Returns
    -------
    typer.Typer
        For `command`, to register those.
    """
    inner = typer.Typer(rich_markup_mode="rich")
    inner.callback(invoke_without_command=True, epilog=_epilog(examples))(_parser(body))
    app.add_typer(inner, name=name)
    return inner


def _parser(
    body: Body, named: str | None = None, service: bool = False
) -> Callable[..., Callable[[], Result] | None]:
    """What typer calls: it takes in the common options and returns the call of `body`."""
    hints = typing.get_type_hints(body, include_extras=True)
    own = list(inspect.signature(body).parameters.values())[1:]

    @functools.wraps(body)
    def parsed(
        ctx: typer.Context,
        data_dir: Path | None,
        json: bool | None,
        quiet: bool | None,
        debug: bool | None,
        config: Path | None,
        log_format: LogFormat | None = None,
        log_level: LogLevel = LogLevel.INFO,
        **arguments: Any,
    ) -> Callable[[], Result] | None:
        cli: Cli = ctx.obj
        cli.merge(data_dir, json, quiet, debug)
        if ctx.invoked_subcommand is not None:
            return None
        if service:
            cli.serve(log_format, log_level)

        def call() -> Result:
            result = body(cli, **arguments)
            return asyncrun.run(result) if isinstance(result, Coroutine) else result

        return call

    common: dict[str, tuple[Any, Any]] = {
        "data_dir": (DataDirOption, None),
        "json": (JsonOption, None),
        "quiet": (QuietOption, None),
        "debug": (DebugOption, None),
        "config": (ConfigOption, None),
    }
    logs = {"log_format": LogFormatOption, "log_level": LogLevelOption} if service else {}
    for key, hint in (hints | logs).items():
        if typing.get_origin(hint) is Annotated:
            kind, info = typing.get_args(hint)
            if named is not None:
                info = in_environment(info, key, named)
            hints[key] = Annotated[kind, both_ways(info) if kind is bool and _names(info) else info]
    if service:
        common["log_format"] = (hints["log_format"], None)
        common["log_level"] = (hints["log_level"], LogLevel.INFO)
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        *(p.replace(kind=keyword, annotation=hints[p.name]) for p in own),
        *(
            inspect.Parameter(key, keyword, annotation=annotation, default=default)
            for key, (annotation, default) in common.items()
        ),
    ]
    parsed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    parsed.__annotations__ = {p.name: p.annotation for p in parameters}
    return parsed


def _epilog(examples: Sequence[str]) -> str | None:
    if not examples:
        return None
    # Square brackets would be markup.
    return "\n".join(["Examples:", *(f"  {example}".replace("[", r"\[") for example in examples)])
