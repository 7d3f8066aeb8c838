"""A libtorrent session that stays on this machine."""

from __future__ import annotations

from typing import Any

import libtorrent

PIECE = 256 << 10


def session() -> Any:
    """Listening on a free port of the loopback interface, without any discovery."""
    return libtorrent.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": True,
        }
    )


def torrent_of(path: str) -> bytes:
    """The torrent file of one file."""
    storage = libtorrent.file_storage()
    libtorrent.add_files(storage, path)
    made = libtorrent.create_torrent(storage, PIECE)
    libtorrent.set_piece_hashes(made, path.rpartition("/")[0])
    return bytes(libtorrent.bencode(made.generate()))
