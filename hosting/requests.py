"""Makes the `req` of a handler from what came over the wire, as the host and the worker do between them.

The class is that of `azure.functions.http`, which the worker builds, not the public one: they differ in what
`get_json()` raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import HttpVersion11, web
from azure.functions.http import HttpRequest

from hosting.addresses import escape_path
from hosting.exposure import Exposure

DEFAULT_BODY_LIMIT = 104_857_600  # bytes
BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"

BODY_GRACE_SECONDS = 5.0
LEAST_BYTES_A_SECOND = 240.0  # as the real host's server: who sends slower keeps what others need
MOST_BODY_SECONDS = 230.0  # then the load balancer has given the request up
NOBODY = "0.0.0.0"  # noqa: S104 - an address that no caller has


class BadRequest(Exception):
    """The web server would refuse this request before any function sees it."""


class BodyTooSlow(Exception):
    """The body does not come in the time that its length allows."""


class BodyTooLarge(Exception):
    """The body is larger than the host accepts."""


def split_target(target: str) -> tuple[str, str]:
    """Path and query, both as sent, of a target `/a?b` or `http://host/a?b`; raises BadRequest for another form."""
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise BadRequest("the target of a request must be a path")
        target = "/" + rest.partition("/")[2]
    path, _, query = target.partition("?")
    return path, query


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """The body, in bytes exactly as sent. One without a Content-Length is not read: the host does not see it either.

    Raises BodyTooLarge above `limit` bytes, before reading; BodyTooSlow.
    """
    length = request.content_length
    if not length:
        return b""
    if length > limit:
        raise BodyTooLarge
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what is counted is the answer
    try:
        async with asyncio.timeout(min(BODY_GRACE_SECONDS + length / LEAST_BYTES_A_SECOND, MOST_BODY_SECONDS)):
            return await request.content.read()
    except TimeoutError:
        raise BodyTooSlow from None


def join_headers(request: web.BaseRequest, exposure: Exposure) -> dict[str, str]:
    """Headers by lower-case name; the values of a repeated one joined with commas.

    The caller's address comes last in `x-forwarded-for`, as `ip:port`: on Azure the front end puts it there, and
    whatever stands before it was written by the caller. Where proxies are named, what others than they wrote there is
    dropped: it must not count as a proxy's word. Raises BadRequest for a value that is not UTF-8, and without a
    Host in HTTP/1.1.
    """
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if not value.isascii():
            _check_utf8(value)
        name = name.lower()
        if name not in headers:
            headers[name] = value
        elif value:
            headers[name] = f"{headers[name]},{value}" if headers[name] else value
    if not headers.setdefault("host", "") and request.version >= HttpVersion11:
        raise BadRequest("HTTP/1.1 needs a Host header")
    if exposure.proxies and not exposure.is_proxy(peer_address(request) or NOBODY):
        headers.pop("x-forwarded-for", None)
    if address := peer(request):
        headers["x-forwarded-for"] = ", ".join(filter(None, (headers.get("x-forwarded-for"), address)))
    return headers


def _check_utf8(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRequest("a header is not UTF-8") from error


def peer(request: web.BaseRequest) -> str | None:
    """The caller's address as `ip:port`, `[ip]:port` for IPv6; None once the caller has gone."""
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    if not isinstance(name, tuple):
        return None
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def peer_address(request: web.BaseRequest) -> str | None:
    """The caller's address alone; None once the caller has gone."""
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    return str(name[0]) if isinstance(name, tuple) else None


def build_request(
    request: web.BaseRequest,
    scheme: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    params: Mapping[str, str],
    route_values: Mapping[str, str],
    body: bytes,
) -> HttpRequest:
    """The request object of a handler. `path` is decoded, `query` as sent, headers and parameters are joined."""
    address = f"{scheme}://{headers['host']}{escape_path(path)}"
    return HttpRequest(
        method=request.method,
        url=f"{address}?{query}" if query else address,
        headers=headers,
        params=params,
        route_params=route_values,
        body_type="bytes",
        body=body,
    )
