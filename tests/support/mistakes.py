"""What all tests of mistakes look at, and small files to make them with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support.commands import Line, Machine

USAGE, INCOMPLETE, NO_PEER = 2, 3, 4
HEADER = "ts_event,ts_recv,trade_id,side,price,size\n"
ROWS = 3_000


def row(number: int, price: str = "100.5") -> str:
    return f"{1_700_000_000_000_000_000 + number * 10**9},,{number},buy,{price},0.25\n"


def csv(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(rows or map(row, range(ROWS))))
    return path


def mistake(of: Machine, code: int, *arguments: object, timeout_s: float = 30) -> Line:
    """The error of a command that fails as it should: in one sentence, with a hint."""
    error = of.fails(code, *arguments, timeout_s=timeout_s)
    assert error["message"].strip()
    assert "\n" not in error["message"]
    assert error["hint"], error
    assert "warning" not in of.commands[-1].stderr
    return error


def as_a_person(
    of: Machine, *arguments: object, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """The same without --json, which needs no file for what it says."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "tradercast", *map(str, arguments)],
        env=of.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def state(of: Machine) -> list[Line]:
    """All that is published, and the lengths of the logs, catalog included."""
    return of.run("info") + of.run("verify")
