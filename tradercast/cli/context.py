"""The options that every command has, before or after its name, and what they add up to."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tradercast.cli import asyncrun
from tradercast.cli.output import Output
from tradercast.paths import ENV_DATA_DIR, DataDir

COMMON = "Common options"

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        # Not typer's envvar: after the command's name it would beat an option before it.
        help=f"Where this node keeps its data; by default what {ENV_DATA_DIR} says.",
        rich_help_panel=COMMON,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Print JSON, one object a line, on stdout.", rich_help_panel=COMMON
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, no notes.", rich_help_panel=COMMON)
]
DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Log everything, and print tracebacks.", rich_help_panel=COMMON),
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

    def merge(self, data_dir: Path | None, json: bool, quiet: bool, debug: bool) -> None:
        """Take in the options of one more place; a flag given anywhere holds."""
        if data_dir is not None:
            self.data_dir = DataDir.locate(data_dir)
        self.out.json |= json
        self.out.quiet |= quiet
        self.debug |= debug


Result = int | None
Body = Callable[..., Result | Coroutine[Any, Any, Result]]


def command(app: typer.Typer, name: str, *, examples: Sequence[str] = ()) -> Callable[[Body], Body]:
    """Register ``body(cli, …)`` as the command `name` of `app`.

    `body` is a function or a coroutine function; it has typer's annotations behind its first
    parameter, a docstring for ``--help``, and returns nothing or an exit code.  Typer only
    parses: what it returns is called by `main`, which alone knows how errors are told.
    """

    def register(body: Body) -> Body:
        app.command(name, epilog=_epilog(examples))(_parser(body))
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


def _parser(body: Body) -> Callable[..., Callable[[], Result] | None]:
    """What typer calls: it takes in the common options and returns the call of `body`."""
    hints = typing.get_type_hints(body, include_extras=True)
    own = list(inspect.signature(body).parameters.values())[1:]

    @functools.wraps(body)
    def parsed(
        ctx: typer.Context,
        data_dir: Path | None,
        json: bool,
        quiet: bool,
        debug: bool,
        **arguments: Any,
    ) -> Callable[[], Result] | None:
        cli: Cli = ctx.obj
        cli.merge(data_dir, json, quiet, debug)
        if ctx.invoked_subcommand is not None:
            return None

        def call() -> Result:
            result = body(cli, **arguments)
            return asyncrun.run(result) if isinstance(result, Coroutine) else result

        return call

    common = {
        "data_dir": (DataDirOption, None),
        "json": (JsonOption, False),
        "quiet": (QuietOption, False),
        "debug": (DebugOption, False),
    }
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
