"""`tradercast identity`: keys are made once, shown in public only, and the root can leave."""

import json
import stat

import pytest

from tradercast.cli.main import main


@pytest.fixture
def run(tmp_path, capsys):
    """Run a command on one data directory: its exit code and its JSON."""

    def call(*arguments, data="data"):
        code = main([*arguments, "--json", "--data-dir", str(tmp_path / data)])
        return code, json.loads(capsys.readouterr().out)

    return call


def test_without_an_identity_the_hint_says_how_to_make_one(run):
    code, answer = run("identity")
    assert code == 2
    assert answer["error"]["hint"] == "run `tradercast identity new`"


def test_a_new_identity_has_a_link_and_a_delegation(run):
    code, made = run("identity", "new")
    assert code == 0
    assert made["link"] == f"tradercast://{made['root']}"
    assert made["has_root"] is True
    assert made["delegation"]["expires_ns"] > 0
    assert run("identity") == run("identity", "show") == (0, made)


def test_an_identity_is_never_replaced(run):
    _, made = run("identity", "new")
    code, answer = run("identity", "new")
    assert (code, answer["error"]["code"]) == (2, "USAGE")
    assert run("identity")[1]["root"] == made["root"]


def test_no_output_holds_a_secret(run, tmp_path, capsys):
    run("identity", "new")
    secrets = [
        (tmp_path / "data" / "identity" / name).read_text().strip()
        for name in ("root.key", "publisher.key")
    ]
    for options in ([], ["--json"], ["--debug"]):
        main(["identity", *options, "--data-dir", str(tmp_path / "data")])
        shown = capsys.readouterr()
        assert not [secret for secret in secrets if secret in shown.out + shown.err]


def test_a_root_kept_elsewhere_signs_a_delegation_that_is_installed_here(run, tmp_path):
    _, made = run("identity", "new")
    key = tmp_path / "root.key"
    code, _ = run("identity", "export-root", str(key))
    assert code == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert run("identity")[1]["has_root"] is False
    assert run("identity", "delegate")[0] == 2

    offline = ("--root-key", str(key), "--catalog", made["catalog_key"], "--days", "800")
    code, signed = run("identity", "delegate", *offline, data="elsewhere")
    assert code == 0
    assert not (tmp_path / "elsewhere").exists()
    code, shown = run("identity", "install", signed["delegation"]["text"])
    assert code == 0
    assert shown["root"] == made["root"]
    assert shown["delegation"]["expires_ns"] == signed["delegation"]["expires_ns"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["delegate", "--catalog", "x"], 2),
        (["delegate", "--root-key", __file__, "--catalog", "x"], 2),
        (["delegate", "--days", "0"], 2),
        (["install", "nonsense"], 2),
        (["install", "y" * 600], 2),
        (["bogus"], 2),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, code):
    run("identity", "new")
    assert run("identity", *arguments)[0] == code
