"""Who calls: the caller's address, as the front end that stands before the hub writes it into a header. Pure.

The hub itself sees no connection, only headers, and a header can be the caller's own. So nothing is believed unless a
setting names the front end; and of a list like `X-Forwarded-For`, to which each proxy appends who called it, only the
elements that our own proxies wrote count: with one proxy the last, with two the one before it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

MOST_HOPS: Final = 10
_SETTING: Final = re.compile(r"([A-Za-z0-9-]{1,100})(?::([0-9]{1,2}))?")
_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Which header tells the caller's address, and how many of our own proxies append to it."""

    header: str
    """In lower case."""
    hops: int = 1


def front_end_of(text: str) -> FrontEnd:
    """From `x-forwarded-for` or `x-forwarded-for:2`. Raises ValueError saying what is allowed."""
    found = _SETTING.fullmatch(text)
    hops = int(found[2] or 1) if found else 0
    if found is None or not 1 <= hops <= MOST_HOPS:
        raise ValueError(
            f"is the name of a header, and after a colon how many proxies append to it (1 to {MOST_HOPS}): "
            "x-forwarded-for or x-forwarded-for:2"
        )
    return FrontEnd(found[1].lower(), hops)


def address_of(front_end: FrontEnd | None, headers: Mapping[str, str]) -> Address | None:
    """The caller's address; None when nobody who is trusted has written one."""
    if front_end is None:
        return None
    elements = headers.get(front_end.header, "").split(",")
    if len(elements) < front_end.hops:
        return None
    return as_address(elements[-front_end.hops].strip())


def within(address: Address | None, networks: Sequence[str]) -> bool:
    """Whether it is in one of these; nobody is in none, and who is not known is in none either."""
    return address is not None and any(address in _network(each) for each in networks)


def as_address(text: str | None) -> Address | None:
    """An address with or without a port; None when it is none."""
    found = _WITH_PORT.fullmatch(text or "")
    try:
        address = ipaddress.ip_address((found[1] or found[2]) if found else text or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=1024)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ipaddress.ip_network(text)
