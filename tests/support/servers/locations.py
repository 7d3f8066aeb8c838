"""Where the installed servers are, and in clear words why one is not there."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
MONGOD_REQUIREMENT = FOLDER / "mongod.txt"
POM = FOLDER / "kafka" / "pom.xml"
CHECKSUMS = FOLDER / "kafka" / "SHA256SUMS"
LOG_SETTINGS = FOLDER / "kafka" / "log4j2.xml"

MIN_JAVA = 17
INSTALL_HINT = "run: make servers"


class MissingServerError(Exception):
    """A server is not installed, or can not run on this machine."""


@dataclass(frozen=True)
class Kafka:
    """What it takes to start a broker."""

    java: Path
    jars: tuple[Path, ...]
    archive: Path  # classes as the JVM maps them: halves the time to start; may be missing

    @property
    def class_path(self) -> str:
        return os.pathsep.join(map(str, self.jars))


def cache() -> Path:
    """The folder of installed servers: ``TRADERCAST_SERVERS``, else below ``~/.cache``."""
    if chosen := os.environ.get("TRADERCAST_SERVERS"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tradercast" / "servers"


def mongod_folder() -> Path:
    return cache() / f"mongod-{_digest(MONGOD_REQUIREMENT)}"


def kafka_folder() -> Path:
    return cache() / f"kafka-{_digest(POM, CHECKSUMS)}"


def mongod() -> Path:
    """The mongod program; `MissingServerError` if there is none."""
    check_machine()
    program = mongod_folder() / "mongod"
    if not program.is_file():
        raise MissingServerError(f"mongod is not installed; {INSTALL_HINT}")
    return program


def kafka() -> Kafka:
    """Java and the broker's jars; `MissingServerError` if there are none."""
    check_machine()
    folder = kafka_folder()
    if not folder.is_dir():
        raise MissingServerError(f"Kafka is not installed; {INSTALL_HINT}")
    program, version = java()
    jars = tuple(folder / "jars" / name for name in checksums())
    # An archive is of one JVM only.
    archive = folder / f"classes-{hashlib.sha256(version.encode()).hexdigest()[:8]}.jsa"
    return Kafka(program, jars, archive)


def java() -> tuple[Path, str]:
    """The Java program and what it says of its version."""
    home = os.environ.get("JAVA_HOME")
    found = Path(home) / "bin" / "java" if home else shutil.which("java")
    if found is None or not Path(found).is_file():
        raise MissingServerError(f"there is no Java {MIN_JAVA} or newer; {INSTALL_HINT}")
    done = subprocess.run(
        [found, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    number = re.search(r'version "(\d+)', done.stderr)
    if number is None or int(number[1]) < MIN_JAVA:
        raise MissingServerError(f"{found} is older than Java {MIN_JAVA}; set JAVA_HOME")
    return Path(found), done.stderr


def checksums() -> dict[str, str]:
    """The SHA-256 of every jar, by name."""
    lines = CHECKSUMS.read_text("utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def check_machine() -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        # mongod comes for this one only; and what ends servers needs Linux's pidfd.
        raise MissingServerError(f"servers run on Linux x86-64, this is {platform.platform()}")


def _digest(*files: Path) -> str:
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:12]
