"""What this very machine is: the only place that the agent speaks to without TLS, and never by way of a proxy."""

from __future__ import annotations

import ipaddress
import re

_NAMES = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1", re.IGNORECASE)


def names_loopback(host: str) -> bool:
    """Whether a host, as an address has it, is meant to be this machine. What a name leads to is another matter."""
    return _NAMES.fullmatch(host) is not None


def is_loopback(address: str) -> bool:
    """Whether the address of a connection's far end is this machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
