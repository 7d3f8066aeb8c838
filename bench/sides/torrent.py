"""Download one Parquet file from one libtorrent seeder, and decode it.

``python -m bench.sides.torrent TORRENT PORT FOLDER``.  The session runs already, as a client does;
the clock begins with adding the torrent.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import libtorrent

from bench.children import Clock, finish, wait_for_go
from bench.parquet import decode, prepare
from bench.torrent import session


def main(torrent: str, port: int, folder: str) -> None:
    """Print one line."""
    prepare(1)
    params = libtorrent.load_torrent_file(torrent)
    params.save_path = folder
    client = session()
    wait_for_go()
    clock = Clock()
    handle = client.add_torrent(params)
    handle.connect_peer(("127.0.0.1", port))
    while not handle.status().is_seeding:
        time.sleep(0.002)
    path = Path(folder) / params.ti.name()
    finish(clock, *decode(path, 1), bytes=params.ti.total_size())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
