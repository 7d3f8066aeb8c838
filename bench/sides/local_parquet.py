"""Read a local Parquet file into the same numpy arrays.

``python -m bench.sides.local_parquet FILE THREADS``.
"""

from __future__ import annotations

import sys

from bench.children import Clock, finish, wait_for_go
from bench.parquet import decode, prepare


def main(path: str, threads: int) -> None:
    """Print one line."""
    prepare(threads)
    wait_for_go()
    clock = Clock()
    finish(clock, *decode(path, threads))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
