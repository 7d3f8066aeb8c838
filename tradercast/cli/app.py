"""The command `tradercast` and its subcommands."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import tradercast
from tradercast.cli.context import (
    Cli,
    ConfigOption,
    DebugOption,
    QuietOption,
    RootDataDirOption,
    RootJsonOption,
    command,
    group,
)
from tradercast.errors import UsageError

COMMANDS = (
    *("publish", "sync", "serve", "ls", "info", "gaps", "export", "candles", "book", "replay"),
    *("verify", "demo", "collect", "feeder", "listener", "health", "doctor", "identity"),
)
"""Each is a function of its name in the module of its name."""
_SERVICES = frozenset(("serve", "collect", "feeder", "listener"))


def build(only: str | None = None) -> typer.Typer:
    """A new instance of the whole command line.

    Parameters
    ----------
    only : str, optional
        With this command alone: what all others need is half of the time that one takes to start.
    """
    app = typer.Typer(name="tradercast", add_completion=False, rich_markup_mode="rich")
    app.callback(invoke_without_command=True)(root)
    for name in COMMANDS if only is None else (only,):
        found = importlib.import_module(f"tradercast.cli.commands.{name}")
        if name == "identity":
            _identity(app, found)
        else:
            service, environment = name in _SERVICES, name == "doctor"
            command(app, name, examples=found.EXAMPLES, service=service, environment=environment)(
                getattr(found, name)
            )
    return app


def _identity(app: typer.Typer, identity: Any) -> None:
    keys = group(app, "identity", identity.show, examples=identity.EXAMPLES)
    command(keys, "show", examples=identity.SHOW_EXAMPLES)(identity.show)
    command(keys, "new", examples=identity.NEW_EXAMPLES)(identity.new)
    command(keys, "lend", examples=identity.LEND_EXAMPLES)(identity.lend)
    command(keys, "delegate", examples=identity.DELEGATE_EXAMPLES)(identity.delegate)
    command(keys, "install", examples=identity.INSTALL_EXAMPLES)(identity.install)
    command(keys, "export-root", examples=identity.EXPORT_EXAMPLES)(identity.export_root)


def named(given: Sequence[str]) -> str | None:
    """The command that arguments begin with, if there is no doubt and no list of all is asked."""
    first = next((text for text in given if not text.startswith("-")), None)
    return first if first in COMMANDS else None


def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    data_dir: RootDataDirOption = None,
    json: RootJsonOption = None,
    quiet: QuietOption = None,
    debug: DebugOption = None,
    config: ConfigOption = None,
) -> None:
    """Market history as append-only signed logs that a swarm replicates."""
    cli: Cli = ctx.obj
    cli.merge(data_dir, json, quiet, debug)
    if version:
        cli.out.print(f"tradercast {tradercast.__version__}")
        cli.out.emit({"version": tradercast.__version__})
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        if not cli.out.json:
            cli.out.print(ctx.get_help())
        raise UsageError("no command was given", hint="tradercast --help lists them")
