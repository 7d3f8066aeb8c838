"""The command `tradercast` and its subcommands."""

from __future__ import annotations

from typing import Annotated

import typer

import tradercast
from tradercast.cli.commands import (
    book,
    candles,
    collect,
    demo,
    doctor,
    export,
    feeder,
    gaps,
    health,
    identity,
    info,
    listener,
    ls,
    publish,
    replay,
    serve,
    sync,
    verify,
)
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


def build() -> typer.Typer:
    """A new instance of the whole command line."""
    app = typer.Typer(name="tradercast", add_completion=False, rich_markup_mode="rich")
    app.callback(invoke_without_command=True)(root)
    command(app, "publish", examples=publish.EXAMPLES)(publish.publish)
    command(app, "sync", examples=sync.EXAMPLES)(sync.sync)
    command(app, "serve", examples=serve.EXAMPLES, service=True)(serve.serve)
    command(app, "ls", examples=ls.EXAMPLES)(ls.ls)
    command(app, "info", examples=info.EXAMPLES)(info.info)
    command(app, "gaps", examples=gaps.EXAMPLES)(gaps.gaps)
    command(app, "export", examples=export.EXAMPLES)(export.export)
    command(app, "candles", examples=candles.EXAMPLES)(candles.candles)
    command(app, "book", examples=book.EXAMPLES)(book.book)
    command(app, "replay", examples=replay.EXAMPLES)(replay.replay)
    command(app, "verify", examples=verify.EXAMPLES)(verify.verify)
    command(app, "demo", examples=demo.EXAMPLES)(demo.demo)
    command(app, "collect", examples=collect.EXAMPLES, service=True)(collect.collect)
    command(app, "feeder", examples=feeder.EXAMPLES, service=True)(feeder.feeder)
    command(app, "listener", examples=listener.EXAMPLES, service=True)(listener.listener)
    command(app, "health", examples=health.EXAMPLES)(health.health)
    command(app, "doctor", examples=doctor.EXAMPLES, environment=True)(doctor.doctor)
    keys = group(app, "identity", identity.show, examples=identity.EXAMPLES)
    command(keys, "show", examples=identity.SHOW_EXAMPLES)(identity.show)
    command(keys, "new", examples=identity.NEW_EXAMPLES)(identity.new)
    command(keys, "lend", examples=identity.LEND_EXAMPLES)(identity.lend)
    command(keys, "delegate", examples=identity.DELEGATE_EXAMPLES)(identity.delegate)
    command(keys, "install", examples=identity.INSTALL_EXAMPLES)(identity.install)
    command(keys, "export-root", examples=identity.EXPORT_EXAMPLES)(identity.export_root)
    return app


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
