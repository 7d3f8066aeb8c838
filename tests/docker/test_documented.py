"""What README and docs tell an operator to type, and the example settings, exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from support.directories import ROOT

from tradercast.cli.app import build
from tradercast.cli.context import Cli
from tradercast.cli.settings import defaults
from tradercast.config import Config

COMMANDS: dict[str, Any] = typer.main.get_command(build()).commands  # type: ignore[attr-defined]
README = (ROOT / "README.md").read_text("utf-8")
SECTION = README.partition("## An operator's ten minutes\n")[2].partition("\n## ")[0]
BLOCK = SECTION.partition("```\n")[2].partition("```")[0]
LINES = [line.removesuffix(" &") for line in BLOCK.splitlines() if line.startswith("tradercast ")]


def test_the_section_has_commands() -> None:
    assert len(LINES) > 7
    assert "make demo-full" in SECTION


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_readme_is_one_that_the_command_line_takes(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, str] = {}
    for name, text in re.findall(r"^export (\w+)=(.*)$", BLOCK, re.MULTILINE):
        [values[name]] = shlex.split(re.sub(r"\$(\w+)", lambda m: values[m[1]], text))
        monkeypatch.setenv(name, values[name])
    _, word, *rest = shlex.split(line)
    command = COMMANDS[word]
    if word == "identity":
        word, *rest = rest
        command = command.commands[word]

    with command.make_context(word, rest, obj=Cli()) as context:
        assert context.params


def test_the_example_settings_are_understood(tmp_path: Path) -> None:
    config = Config.load(ROOT / "docker" / "tradercast.toml")

    found = defaults(config, typer.main.get_command(build()))

    assert found["collect"]["symbols"] == ["btcusd", "ethusd"]
    assert found["feeder"]["kafka"] == found["listener"]["kafka"] == "127.0.0.1:9092"
    assert found["serve"]["log_level"] == "info"


def test_every_command_and_option_of_the_operators_page_exists() -> None:
    text = (ROOT / "docs" / "OPERATING.md").read_text("utf-8")
    options = {
        option
        for command in [*COMMANDS.values(), *COMMANDS["identity"].commands.values()]
        for param in command.params
        for option in [*param.opts, *param.secondary_opts]
    }

    assert set(re.findall(r"`(?:tradercast )?(--[a-z-]+)", text)) <= options
    for word, inner in re.findall(r"`tradercast ([a-z]+)(?: ([a-z]+))?", text):
        assert word in COMMANDS
        if word == "identity":
            assert inner in COMMANDS["identity"].commands


def test_files_that_the_operators_page_names_are_there() -> None:
    text = (ROOT / "docs" / "OPERATING.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).resolve().exists()] == []


def test_the_operators_page_tells_metrics_that_the_alerts_use() -> None:
    rules = yaml.safe_load((ROOT / "docker" / "alerts.yml").read_text("utf-8"))
    text = (ROOT / "docs" / "OPERATING.md").read_text("utf-8")
    used = set(re.findall(r"tradercast_[a-z]+_(\w+_timestamp_seconds)", json.dumps(rules)))
    assert used
    assert [name for name in used if name not in text] == []
