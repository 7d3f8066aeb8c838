"""A store whose newest writes are lost, as after a power failure or on a failing disk."""

from __future__ import annotations

from pathlib import Path


def write_ahead_log(data_dir: Path) -> Path:
    """The store's newest write-ahead log."""
    logs = (data_dir / "store" / "db").glob("*.log")
    return max(logs, key=lambda path: path.stat().st_mtime_ns)


def cut(wal: Path, count: int) -> None:
    """Take its last bytes away."""
    size = wal.stat().st_size
    assert size > count
    with wal.open("r+b") as file:
        file.truncate(size - count)


def flip(wal: Path, fraction: float = 0.75) -> None:
    """Flip a bit: RocksDB drops all that is behind it and says nothing."""
    with wal.open("r+b") as file:
        place = int(wal.stat().st_size * fraction)
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
