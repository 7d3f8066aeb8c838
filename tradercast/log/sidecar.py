"""Attaching to the sidecar of a data directory: find it, or start it, and never two at once."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping

import tradercast
from tradercast.errors import (
    DiskFullError,
    SidecarError,
    SidecarLostError,
    TradercastError,
    UsageError,
)
from tradercast.log import process
from tradercast.log.bridge import Bridge, BridgeOwner
from tradercast.log.failures import SidecarRefusedError
from tradercast.log.launch import SidecarNote, SidecarOptions, launch, read_note
from tradercast.log.lockfile import StartLock, start_lock
from tradercast.paths import DataDir

PROTOCOL = 1

_LAST_CHANCE_S = 1.0
_log = logging.getLogger(__name__)


async def attach(
    data: DataDir,
    owner: BridgeOwner,
    options: SidecarOptions,
    *,
    suspect: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Bridge:
    """A connection to the sidecar of `data`, which is started if there is none.

    Parameters
    ----------
    data : DataDir
        An existing data directory.
    owner : BridgeOwner
        Told of events and of the connection's end.
    options : SidecarOptions
        Limits of time.
    suspect : int, optional
        The number of a sidecar that was silent for too long already.
    environ : mapping, optional
        The environment for finding Node and the runtime directory.

    Raises
    ------
    SidecarError
        If it can not be started or speaks another protocol.
    NodeMissingError
        If there is no Node.js to start it with.
    DiskFullError
        If there is no room to start it.
    """
    environ = os.environ if environ is None else environ
    found = read_note(data)
    if found is not None and found.pid != suspect:
        bridge, _ = await _greet(found, owner, options, options.hung_s)
        if bridge is not None:
            return bridge
    try:
        async with start_lock(data.sidecar_lock, options.start_s + 3 * options.hung_s) as lock:
            return await _attach_locked(data, owner, options, suspect, lock, environ)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"there is no room in {data.root}", hint="free some space"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UsageError(
                f"not allowed to write in {data.root}: {error.strerror}",
                hint="check its permissions, or choose another with --data-dir",
            ) from None
        raise SidecarError(f"the sidecar can not be started: {error}") from None


async def _attach_locked(
    data: DataDir,
    owner: BridgeOwner,
    options: SidecarOptions,
    suspect: int | None,
    lock: StartLock,
    environ: Mapping[str, str],
) -> Bridge:
    listens = False
    found = read_note(data)  # again: whoever held the lock before us may have started one
    if found is not None:
        patience = min(_LAST_CHANCE_S, options.hung_s) if found.pid == suspect else options.hung_s
        bridge, listens = await _greet(found, owner, options, patience)
        if bridge is not None:
            return bridge
    await _clear_away(data, lock.started(), found, options, hung=listens)
    started = await launch(data, options, lock, environ)
    bridge, _ = await _greet(started, owner, options, options.start_s)
    if bridge is None:
        raise SidecarLostError("the sidecar has ended just after its start")
    return bridge


async def _greet(
    note: SidecarNote, owner: BridgeOwner, options: SidecarOptions, timeout_s: float
) -> tuple[Bridge | None, bool]:
    """Connect and say hello: the connection if it answers, and whether anyone listens."""
    bridge = Bridge(owner, hung_s=options.hung_s)
    try:
        await bridge.connect(note.socket)
    except OSError:
        return None, False
    try:
        await _hello(bridge, timeout_s)
    except SidecarLostError:
        await bridge.close()
        return None, False  # it is ending
    except SidecarRefusedError as error:
        await bridge.close()
        raise _other_version(error.message) from None
    except TradercastError:
        await bridge.close()
        return None, True
    except BaseException:
        await bridge.close()
        raise
    return bridge, True


async def _hello(bridge: Bridge, timeout_s: float) -> None:
    client = f"tradercast-python/{tradercast.__version__} {os.getpid()}"
    answer = await bridge.request(
        "hello", {"protocol": PROTOCOL, "client": client}, timeout_s=timeout_s
    )
    fields = answer if isinstance(answer, dict) else {}
    if fields.get("protocol") != PROTOCOL:
        raise SidecarRefusedError("it speaks another protocol", remote_code="PROTOCOL")
    pid, versions = fields.get("pid"), fields.get("versions")
    bridge.pid = pid if type(pid) is int else None
    if isinstance(versions, dict):
        bridge.versions = {str(name): str(value) for name, value in versions.items()}
    bridge.start_heartbeat("ping")


async def _clear_away(
    data: DataDir,
    started: process.ProcessId | None,
    found: SidecarNote | None,
    options: SidecarOptions,
    *,
    hung: bool,
) -> None:
    """Make sure that no sidecar of this data directory runs any more."""
    remains = [started] if started is not None and process.is_running(started) else []
    if found is not None and all(found.pid != one.pid for one in remains):
        other = process.identify(found.pid)
        if other is not None and process.command_names(other.pid, str(data.root)):
            remains.append(other)
    for one in remains:
        # one that does not listen any more is probably just ending: let it do so in order
        if hung or not await process.gone(one, options.hung_s):
            _log.warning("the sidecar %d does not answer: ending it", one.pid)
            if not await process.kill(one):
                raise SidecarError(
                    f"the sidecar {one.pid} does not answer and can not be ended",
                    hint=f"end it with 'kill -9 {one.pid}' and try again",
                )
    data.sidecar_json.unlink(missing_ok=True)


def _other_version(reason: str) -> SidecarError:
    return SidecarError(
        f"a sidecar of another version of Tradercast runs on this data directory: {reason}",
        hint="end the programs that use it, and try again",
    )
