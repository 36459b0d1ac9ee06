"""Cookies as text: found in a request's header, written for an answer. Pure.

Off a loopback address a cookie is `Secure` and its name begins with `__Host-`: browsers then take it from this very
host only, for no domain and no path but `/`, so that no other host can plant one.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

HOST_PREFIX: Final = "__Host-"


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie of the hub. Scripts of a page cannot read it, and other sites' requests that change things lack it."""

    name: str
    secure: bool

    @classmethod
    def of(cls, name: str, public_url: str) -> Cookie:
        """The cookie of this name for a hub at this address."""
        secure = not is_loopback(public_url)
        return cls(f"{HOST_PREFIX}{name}" if secure else name, secure)

    def read(self, header: str | None) -> str | None:
        """Its value in a `Cookie` header; None if it is not there, or there twice: then one of them was planted."""
        pairs = [each.strip().partition("=") for each in (header or "").split(";")]
        found = [value for name, _, value in pairs if name == self.name]
        return found[0] if len(found) == 1 and found[0] else None

    def set(self, value: str, seconds: int) -> str:
        """The `Set-Cookie` that gives it this value for so long."""
        return f"{self.name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax" + "; Secure" * self.secure

    def clear(self) -> str:
        """The `Set-Cookie` that takes it away."""
        return self.set("", 0)


def is_loopback(url: str) -> bool:
    """Whether an address is this very machine's, which is the only place where http will do."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """The origin of an address, as browsers write it: scheme, host and, unless it is the usual one, port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, usual) else f":{parts.port}")
