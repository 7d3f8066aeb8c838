"""``tradercast doctor``: what this installation has, and what it lacks."""

from __future__ import annotations

from tradercast.cli.checks import installation, ports, state
from tradercast.cli.context import Cli
from tradercast.errors import EXIT_INTERNAL, EXIT_OK

EXAMPLES = ("tradercast doctor", "tradercast doctor --json", "tradercast doctor --data-dir /srv/tc")
MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("–", "dim")}


def doctor(cli: Cli) -> int:
    """Say which Node, versions, ports and paths are used, and what is missing.

    Exits with 1 if anything is marked ✗. Nothing is started or changed.
    """
    checks = [
        installation.python(),
        installation.packages(),
        installation.extras(),
        installation.node(),
        installation.sidecar(),
        state.configuration(cli.config),
        state.data_directory(cli.data_dir),
        state.identity(cli.data_dir),
        state.running_sidecar(cli.data_dir),
        ports.peer_port(),
        ports.directory_port(),
    ]
    for check in checks:
        mark, style = MARKS[check.ok]
        cli.out.print(
            f"{mark} {check.name}: {check.text}", style=style if check.ok is False else None
        )
        if check.hint and not check.ok:
            cli.out.print(f"    {check.hint}", style="dim")
    healthy = all(check.ok is not False for check in checks)
    cli.out.emit({"ok": healthy, "checks": {check.name: check.to_dict() for check in checks}})
    return EXIT_OK if healthy else EXIT_INTERNAL
