"""Set-Cookie as it leaves the host: parsed by the worker, written again by ASP.NET.

So attributes come in ASP.NET's order, and the value is percent-encoded: a cookie whose value has `=` or `/` in it comes
back from the browser as `%3D` or `%2F`. An attribute that Python's SimpleCookie does not know becomes a cookie of its
own (`Unknown=1`), or loses the whole cookie (`Partitioned`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC
from email.utils import format_datetime
from http.cookies import Morsel, SimpleCookie
from urllib.parse import quote

from dateutil import parser  # type: ignore[import-untyped] # what the worker reads dates with

_SAME_SITE = {"lax": "lax", "strict": "strict", "none": "none"}


def cookie_headers(cookies: Iterable[SimpleCookie]) -> tuple[str, ...]:
    """The values of the Set-Cookie headers; raises ValueError or OverflowError for a date or age that is none."""
    return tuple("; ".join(_parts(name, morsel)) for cookie in cookies for name, morsel in cookie.items())


def _parts(name: str, morsel: Morsel[str]) -> Iterator[str]:
    yield f"{name}={quote(morsel.value, safe='-._~')}"
    if morsel["expires"]:
        at = parser.parse(morsel["expires"])
        yield f"expires={format_datetime(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC), usegmt=True)}"
    if morsel["max-age"] != "":
        yield f"max-age={int(float(morsel['max-age']))}"
    if morsel["domain"]:
        yield f"domain={morsel['domain']}"
    if morsel["path"]:
        yield f"path={morsel['path']}"
    if morsel["secure"]:
        yield "secure"
    if same_site := _SAME_SITE.get(str(morsel["samesite"]).lower()):
        yield f"samesite={same_site}"
    if morsel["httponly"]:
        yield "httponly"
