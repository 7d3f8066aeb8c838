"""Addresses of nodes: ``host:port``, with IPv6 in brackets."""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias

from tradercast.errors import UsageError

Address: TypeAlias = tuple[str, int]

_PORT = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# What resolvers read as (part of) an IPv4 address in one of its old spellings: 127.1, 0x7f000001.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_MAX_HOST = 253


def parse_address(text: str, *, default_port: int | None = None, listen: bool = False) -> Address:
    """Read ``host:port``; an IPv6 host is written ``[::1]:7340``.

    Parameters
    ----------
    text : str
        The address.
    default_port : int, optional
        The port where `text` has none; without it the port is required.
    listen : bool
        Whether this is an address to listen on: port 0 (any free one) and the hosts
        ``0.0.0.0`` and ``::`` (all interfaces) make sense only there.

    Returns
    -------
    (str, int)
        The host in its one canonical spelling (lower case, short IPv6, no brackets), the port.

    Raises
    ------
    UsageError
        If `text` is not such an address.
    """
    host, port_text = _split(text)
    if port_text is None and default_port is not None:
        return check_address(host, default_port, listen=listen)
    if port_text is None or not _PORT.fullmatch(port_text):
        raise _error(text, "has no port from 1 to 65535")
    return check_address(host, int(port_text), listen=listen)


def check_address(host: str, port: int, *, listen: bool = False) -> Address:
    """The address in its canonical spelling.

    Raises
    ------
    UsageError
        If the port is outside 1 to 65535 or the host is neither an IP address nor a name.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not isinstance(host, str):
        raise _error(f"{host!r}, {port!r}", "is not a host and a port")
    if not (0 if listen else 1) <= port <= 65_535:
        raise _error(f"{host[:80]}:{port}", "has no port from 1 to 65535")
    return _canonical_host(host, listen), port


def format_address(address: Address) -> str:
    """``host:port`` as `parse_address` reads it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether `host` only ever means this machine (``127.0.0.0/8``, ``::1``, ``localhost``)."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            raise _error(text, "is not an IPv6 address in brackets with a port")
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        raise _error(text, "is an IPv6 address without brackets")
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _canonical_host(host: str, listen: bool) -> str:
    name = host.lower()
    try:
        ip = ipaddress.ip_address(name)
    except ValueError:
        return _checked_name(name)
    if "%" in name:
        raise _error(host, "names an interface of one machine")
    if not listen and (ip.is_unspecified or ip.is_multicast):
        raise _error(host, "is not an address that can be connected to")
    return str(ip)


def _checked_name(name: str) -> str:
    labels = name.split(".")
    legal = len(name) <= _MAX_HOST and all(_LABEL.fullmatch(label) for label in labels)
    if not legal or _NUMBER.fullmatch(labels[-1]):
        raise _error(name, "is not a host name or an IP address")
    return name


def _error(shown: str, what: str) -> UsageError:
    cut = shown if len(shown) <= 80 else shown[:80] + "…"
    return UsageError(
        f"{cut!r} {what}", hint="write host:port, e.g. 203.0.113.7:7340 or [2001:db8::7]:7340"
    )
