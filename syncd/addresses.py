"""Network addresses: which are this machine itself, and which count as one neighbour. Pure."""

from __future__ import annotations

import ipaddress

_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parsed(host: str) -> Address | None:
    """The address that a host is, brackets or not; an IPv4 address that IPv6 carries is one of IPv4.

    A socket that listens on ``[::]`` says ``::ffff:127.0.0.1`` of who comes from 127.0.0.1 (RFC 4291, 2.5.5.2).
    """
    try:
        found = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def is_loopback(host: str) -> bool:
    """Whether a host, without port, is this machine talking to itself."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    found = parsed(host)
    return found is not None and found.is_loopback


def neighbour(host: str) -> str:
    """What counts as one neighbour: an IPv4 address, or the network of 64 bits that one gets with IPv6."""
    found = parsed(host)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found) if found is not None else host


def host_of_listen(listen: str) -> str:
    """The host of "host:port"."""
    return listen.rpartition(":")[0].strip("[]")
