"""The headers that say to a browser what it must not do with an answer: on every answer, from one table.

The hub's answers are documents, so nothing in them may be run, framed, sniffed, kept or read by the page of
another origin. An answer that is a page says in its own Content-Security-Policy what it may load; everything else here
holds for it too.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

CSP: Final = "content-security-policy"
HSTS: Final = "strict-transport-security"
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""What a document may load, run, be framed by, and send forms to."""

ALWAYS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for browsers that do not know frame-ancestors
    # An address may hold a key or a token; `no-referrer` would make a form of the hub's page say `Origin: null`.
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""Whatever the answer says of itself."""
UNLESS_SAID: Final[Mapping[str, str]] = {CSP: NOTHING, "cache-control": "no-store"}
"""Where the answer says nothing of its own."""
OVER_HTTPS: Final = "max-age=31536000"
"""Of this host alone: what else lies below its name is not the hub's to decide."""


def secure(headers: MutableMapping[str, str], *, https: bool) -> None:
    """Add them to the headers of an answer; `https`: the hub's public address is one of https."""
    for name, value in ALWAYS.items():
        headers[name] = value
    for name, value in UNLESS_SAID.items():
        headers.setdefault(name, value)
    if https:
        headers[HSTS] = OVER_HTTPS
