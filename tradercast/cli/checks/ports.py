"""Are the ports that a node listens on by default free, and if not, who has them?"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tradercast.cli.checks.check import Check
from tradercast.paths import DIRECTORY_PORT, LOOPBACK, PEER_PORT
from tradercast.private import without_secrets

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_LISTENING = "0A"  # the state of a TCP socket in /proc/net/tcp
_OURS = ("tradercast", "node_bridge")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that has a port."""

    pid: int
    command: str

    @property
    def ours(self) -> bool:
        """Whether it is a Tradercast."""
        return any(word in self.command for word in _OURS)


def peer_port() -> Check:
    """The port that other nodes connect to."""
    return check_port("tcp", PEER_PORT, "tradercast serve --listen HOST:PORT takes another")


def directory_port() -> Check:
    """The port of the directory node."""
    return check_port("udp", DIRECTORY_PORT, "tradercast serve --dht HOST:PORT takes another")


def check_port(protocol: str, port: int, hint: str, host: str = LOOPBACK) -> Check:
    """Try a port; that Tradercast itself has it is no fault."""
    name = f"port {port}/{protocol}"
    details = {"port": port, "protocol": protocol, "free": True, "pid": None}
    try:
        with socket.socket(socket.AF_INET, _KINDS[protocol]) as trial:
            if protocol == "tcp":  # as listeners do: connections that have ended do not count
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
            if protocol == "tcp":
                trial.listen(1)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return Check(name, False, f"not usable: {error.strerror}", hint, details)
    else:
        return Check(name, True, f"free at {host}", details=details)
    holder = find_holder(protocol, port)
    details |= {"free": False, "pid": holder.pid if holder else None}
    if holder is None:
        return Check(name, False, "taken by another program", hint, details)
    text = f"taken by process {holder.pid}: {holder.command[:100]}"
    return Check(name, holder.ours, text, None if holder.ours else hint, details)


def find_holder(protocol: str, port: int, proc: Path = Path("/proc")) -> Holder | None:
    """The process that has a port, where the system lets us see it (Linux, our own processes)."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(proc, protocol, port)}
    if not inodes:
        return None
    for process in proc.glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                shown = without_secrets(command.decode("utf-8", "replace").strip())
                return Holder(int(process.name), shown)
        except OSError:
            continue  # another user's, or gone
    return None


def _inodes(proc: Path, protocol: str, port: int) -> Iterator[str]:
    for table in (protocol, f"{protocol}6"):
        try:
            lines = (proc / "net" / table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) != port:
                continue
            if protocol == "udp" or fields[3] == _LISTENING:
                yield fields[9]
