"""A libtorrent seeder of one file.  ``python -m bench.servers.seeder FILE``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import libtorrent

from bench.children import say
from bench.torrent import session, torrent_of


def main(path: Path) -> None:
    """Seed until the process is ended."""
    torrent = path.with_suffix(".torrent")
    torrent.write_bytes(torrent_of(str(path)))
    seeder = session()
    params = libtorrent.load_torrent_file(str(torrent))
    params.save_path = str(path.parent)
    params.flags |= libtorrent.torrent_flags.seed_mode
    handle = seeder.add_torrent(params)
    while not handle.status().is_seeding or not seeder.listen_port():
        time.sleep(0.05)
    say(torrent=str(torrent), port=seeder.listen_port())
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
