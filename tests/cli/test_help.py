"""`--help` of every command: what it does, its options, and examples that would run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tradercast.cli.app import build
from tradercast.cli.context import Cli
from tradercast.cli.main import main
from tradercast.cli.options import FOREVER, optional_value


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command by the words that call it; a group that does something is one too."""
    if path:
        yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ROOT = typer.main.get_command(build())
COMMANDS = dict(commands(ROOT))
EVERY = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def examples(path: tuple[str, ...]) -> list[list[str]]:
    """The examples in a command's help, as the shell would split them."""
    epilog = (COMMANDS[path].epilog or "").replace("\\[", "[").replace("\\\n", " ")
    assert epilog.startswith("Examples:"), f"{' '.join(path)} has no examples"
    return [shlex.split(line, comments=True) for line in epilog.splitlines()[1:]]


@EVERY
def test_help_says_what_a_command_does_and_shows_examples(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Usage: tradercast" in out
    assert "Examples:" in out
    assert "--json" in out
    first = (COMMANDS[path].help or "").splitlines()[0]
    assert first.strip()
    assert first.split()[0] in out


@EVERY
def test_examples_are_of_the_command_and_can_be_parsed(path: tuple[str, ...]) -> None:
    for example in examples(path):
        assert tuple(example[: len(path) + 1]) == ("tradercast", *path)
        inner = (*path, *example[len(path) + 1 : len(path) + 2])
        command = COMMANDS.get(inner, COMMANDS[path])  # a group's example may be of one in it
        rest = example[len(inner if command is COMMANDS.get(inner) else path) + 1 :]
        with command.make_context(example[-1], optional_value(rest, "--seed", FOREVER), obj=Cli()):
            pass  # an unknown option or a missing argument would have raised


def test_the_list_of_commands_names_each_with_its_purpose(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for path in COMMANDS:
        assert f" {path[0]} " in out
