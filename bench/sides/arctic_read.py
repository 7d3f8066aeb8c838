"""Read everything from ArcticDB.  ``python -m bench.sides.arctic_read FOLDER``."""

from __future__ import annotations

import sys

from bench.arctic import library
from bench.children import Clock, finish, wait_for_go


def main(folder: str) -> None:
    """Print one line."""
    source = library(folder)
    wait_for_go()
    clock = Clock()
    frame = source.read("btcusdt").data
    finish(clock, *(frame[name].to_numpy() for name in ("ts", "price", "size")))


if __name__ == "__main__":
    main(sys.argv[1])
