"""Addresses as strangers tell them: which are well formed, and which may be told by whom.

Nothing here resolves a name.  An address is a ``(host, port)`` pair; an IP host is kept in
its canonical spelling, so that equal addresses are equal texts.
"""

from __future__ import annotations

import ipaddress
import re
from enum import IntEnum
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]
IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_HOST = 64
_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_SITE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)


class Scope(IntEnum):
    """How far an IP address means the same host."""

    LOOPBACK = 0
    SITE = 1
    GLOBAL = 2


def parse_ip(text: object) -> IPAddress | None:
    """The IP address that `text` spells, or `None`.

    IPv4 addresses mapped into IPv6 come out as IPv4.  Addresses that are no single host
    (unspecified, multicast, broadcast, reserved) and zone ids are refused.
    """
    if not isinstance(text, str) or len(text) > MAX_HOST or "%" in text:
        return None
    try:
        ip: IPAddress = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback):
        return None
    return ip


def canonical_ip(text: object) -> str | None:
    """The one spelling of an IP address, or `None` if `text` is not a usable one."""
    ip = parse_ip(text)
    return None if ip is None else str(ip)


def is_port(value: object) -> bool:
    """Whether `value` is an int between 1 and 65,535."""
    return type(value) is int and 0 < value < 65_536


def is_host(text: object) -> bool:
    """Whether `text` is a canonical IP address or a lower-case host name (64 characters)."""
    if not isinstance(text, str) or not 0 < len(text) <= MAX_HOST:
        return False
    if canonical_ip(text) is not None:
        return canonical_ip(text) == text
    last = text.rstrip(".").rpartition(".")[2]
    # "127.1" and "2130706433" are addresses to some resolvers and names to others.
    return bool(_NAME.fullmatch(text)) and not last.isdigit() and not last.startswith("0x")


def scope_of(ip: IPAddress) -> Scope:
    """Whether an address means this machine, this site, or one host of the Internet."""
    if ip.is_loopback:
        return Scope.LOOPBACK
    if any(ip in network for network in _SITE_NETWORKS if network.version == ip.version):
        return Scope.SITE
    return Scope.GLOBAL


def may_tell(teller: str, told: str) -> bool:
    """Whether the host `told` can mean anything when the IP address `teller` names it.

    A stranger of the Internet that names ``127.0.0.1`` or ``192.168.0.1`` would make us
    knock at our own doors.  Names (that are not addresses) pass.
    """
    told_ip = parse_ip(told)
    if told_ip is None:
        return True
    teller_ip = parse_ip(teller)
    return teller_ip is not None and scope_of(told_ip) >= scope_of(teller_ip)


def network_of(ip_text: str) -> str | None:
    """The network whose size is limited: /24 of IPv4, /48 of IPv6; `None` is unlimited.

    The limits keep one owner of a network from filling tables over the Internet.  Loopback
    and site addresses never cross it, and there many nodes on one network (one machine, one
    rack) are the normal case, so those are not limited.
    """
    ip = parse_ip(ip_text)
    if ip is None or scope_of(ip) is not Scope.GLOBAL:
        return None
    prefix = 24 if ip.version == 4 else 48
    return str(ipaddress.ip_network((ip, prefix), strict=False))
