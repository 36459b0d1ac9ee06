"""Calls an ASGI application with one request that is there as a whole, and takes its answer as a whole.

The Functions host hands over and takes back whole bodies, so there is nothing to stream; and what the application
raises is raised here, where one table makes a problem document of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

CALLER: Final = "nexomatic.caller"
"""Where in the scope the caller is."""
AGAIN: Final = "nexomatic.caller-again"
"""And where is asked who they are now."""
_SET_COOKIE: Final = "set-cookie"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came. Header names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: Sequence[str] = ()
    """Each `Set-Cookie`: the one header that an answer may have several of."""


async def call(app: ASGIApp, request: Request, caller: object, again: Callable[[], Awaitable[object]]) -> Answer:
    """The application's answer, to who calls; `again` says who that is later on. Raises what it raises."""
    answer: dict[str, Any] = {}
    body: list[bytes] = []
    pending = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.update(message)
        else:
            body.append(message.get("body", b""))

    await app({**_scope(request, caller), AGAIN: again}, receive, send)
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer["headers"]]
    headers = {name: value for name, value in pairs if name != _SET_COOKIE}
    cookies = [value for name, value in pairs if name == _SET_COOKIE]
    return Answer(answer["status"], headers, b"".join(body), cookies)


def _scope(request: Request, caller: object) -> Scope:
    parts = urlsplit(request.url)
    headers = [(name.lower().encode("latin-1"), _bytes(value)) for name, value in request.headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii", "replace"),
        "query_string": parts.query.encode(errors="surrogateescape"),
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
        CALLER: caller,
    }


def _bytes(value: str) -> bytes:
    return value.encode("latin-1", "replace")
