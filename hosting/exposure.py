"""Where the host may listen, and whom it then takes for whom.

Keys, tokens and sessions cross whatever network the host listens on. So it listens to this machine alone, unless it has
a certificate, or is told which proxies end TLS before it: those, and nobody else, may then connect.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeAlias

from hosting.errors import HostingError

Network: TypeAlias = IPv4Network | IPv6Network

THREE_WAYS = (
    "listening beyond this machine needs TLS. Three ways: listen on 127.0.0.1 only (leave out --bind); or give "
    "--certificate FILE and --key FILE; or let a proxy end TLS, and name it: --behind-proxy ADDRESS[,ADDRESS or "
    "NETWORK]"
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the host is reached. Making one raises HostingError for a way that would show credentials to a network."""

    bind: str = "127.0.0.1"
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise HostingError("--certificate and --key are given together: a file each, as PEM")
        if self.certificate is not None and self.proxies:
            raise HostingError("--certificate and --behind-proxy exclude each other: one of the two ends TLS")
        try:
            address = ipaddress.ip_address(self.bind)
        except ValueError:
            raise HostingError(f"--bind is an address such as 127.0.0.1, 0.0.0.0 or ::, not {self.bind!r}") from None
        if not address.is_loopback and self.certificate is None and not self.proxies:
            raise HostingError(THREE_WAYS)

    @property
    def is_https(self) -> bool:
        """Whether callers use https, to us or to the proxy before us."""
        return self.certificate is not None or bool(self.proxies)

    def is_proxy(self, address: str) -> bool:
        """Whether a connection from this address is one of the proxies."""
        return _within(address, self.proxies)

    def may_connect(self, address: str) -> bool:
        """Whether to talk to this address at all: behind a proxy to the proxies, and to this machine itself."""
        return not self.proxies or self.is_proxy(address) or _plain(address).is_loopback


def read_proxies(text: str) -> tuple[Network, ...]:
    """Addresses and networks with commas between. Raises HostingError for one that is none, or for all the world."""
    found = []
    for each in text.split(","):
        try:
            network = ipaddress.ip_network(each.strip())
        except ValueError:
            raise HostingError(
                f"--behind-proxy names the proxies by address or network (10.0.0.5 or 10.0.1.0/24), not {each!r}"
            ) from None
        if network.prefixlen == 0:
            raise HostingError(f"--behind-proxy {network} is everybody: name the proxies")
        found.append(network)
    return tuple(found)


def _within(address: str, networks: Sequence[Network]) -> bool:
    plain = _plain(address)
    return any(plain in network for network in networks)


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
