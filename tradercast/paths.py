"""Where a node keeps its things, and the ports it uses unless told otherwise."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tradercast import z32
from tradercast.durable import create_file, read_limited
from tradercast.errors import DiskFullError, UsageError

ENV_DATA_DIR = "TRADERCAST_DATA_DIR"
LOOPBACK = "127.0.0.1"
PEER_PORT = 7340  # TCP: replication between nodes
DIRECTORY_PORT = 7341  # UDP: the Kademlia directory
VERSION = 1  # of what is in a data directory
_OTHER = f"choose another directory with --data-dir or {ENV_DATA_DIR}"


@dataclass(frozen=True, slots=True)
class DataDir:
    """The paths below one data directory.  Making one touches no disk.

    Parameters
    ----------
    root : Path
        The data directory itself.
    """

    root: Path

    @classmethod
    def locate(
        cls, path: str | Path | None = None, environ: Mapping[str, str] | None = None
    ) -> DataDir:
        """The data directory to use.

        Parameters
        ----------
        path : str or Path, optional
            What the user asked for; it wins over everything.
        environ : mapping, optional
            The environment (default ``os.environ``), of which ``TRADERCAST_DATA_DIR`` is next.
            Otherwise it is the platform's place for user data.
        """
        env = os.environ if environ is None else environ
        chosen = path or env.get(ENV_DATA_DIR)
        if chosen:
            return cls(Path(os.path.abspath(Path(chosen).expanduser())))  # noqa: PTH100 (no I/O)
        return cls(Path(platformdirs.user_data_dir("tradercast", appauthor=False)))

    @property
    def store(self) -> Path:
        """The Corestore."""
        return self.root / "store"

    @property
    def version(self) -> Path:
        """Holds the version of what is in here, as a number."""
        return self.root / "version"

    @property
    def sidecar_json(self) -> Path:
        """What is known of the running sidecar."""
        return self.root / "sidecar.json"

    @property
    def sidecar_lock(self) -> Path:
        """The lock under which a sidecar is started."""
        return self.root / "sidecar.lock"

    @property
    def directory_lock(self) -> Path:
        """The lock of the one process that runs the directory node."""
        return self.root / "directory.lock"

    @property
    def directory_state(self) -> Path:
        """Contacts of the directory node, kept over restarts."""
        return self.root / "directory.json"

    @property
    def identity(self) -> Path:
        """Secret keys (0700)."""
        return self.root / "identity"

    @property
    def publishers(self) -> Path:
        """One file a known publisher: its links and its newest delegation."""
        return self.root / "publishers"

    @property
    def holdings(self) -> Path:
        """The names of the feeds that are held."""
        return self.root / "held.json"

    @property
    def checkpoints(self) -> Path:
        """One file a log: the newest checkpoint that this node has verified."""
        return self.root / "checkpoints"

    @property
    def incidents(self) -> Path:
        """One file a contradiction of a publisher."""
        return self.root / "incidents"

    def publisher_file(self, root_key: bytes) -> Path:
        """The file of the publisher with this root key (32 bytes)."""
        return self.publishers / f"{z32.encode(root_key)}.json"

    def checkpoint_file(self, core_key: bytes) -> Path:
        """The file of the newest checkpoint of the log with this key (32 bytes)."""
        return self.checkpoints / f"{core_key.hex()}.json"

    def ensure(self) -> DataDir:
        """Make the directories that are missing, for this user only (0700).

        Raises
        ------
        UsageError
            If one can not be made or used, a file is in its place, or a newer version of
            Tradercast has made them.
        DiskFullError
            If there is no room.
        """
        folders = (self.store, self.identity, self.publishers, self.checkpoints, self.incidents)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check(self.root)
            if self.version.exists():
                self._check_version()
            for path in folders:
                path.mkdir(mode=0o700, exist_ok=True)
                self._check(path)
        except OSError as error:
            text = f"the data directory {self.root} can not be made: {error.strerror or error}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(text, hint="free some space and run it again") from None
            raise UsageError(text, hint=_OTHER) from None
        if not self.version.exists():
            create_file(self.version, b"%d\n" % VERSION)
        return self

    def _check(self, path: Path) -> None:
        if path.is_dir() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise UsageError(f"not allowed to read and write {path}", hint=_OTHER)

    def _check_version(self) -> None:
        found = (read_limited(self.version, 100) or b"").strip()
        if not found.isdigit():
            raise UsageError(f"{self.version} does not say a version", hint=_OTHER)
        if int(found) > VERSION:
            raise UsageError(
                f"{self.root} was made by a newer Tradercast: its version is {int(found)}, "
                f"this program knows {VERSION}",
                hint=f"install the newer one, or {_OTHER}",
            )
