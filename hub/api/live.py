"""Live answers: one that is held back, for as long as the caller says, while it would be the one they have.

One shape for all: `?wait=SECONDS` and `If-None-Match` with the ETag of the last answer. What has changed meanwhile is
answered at once; 304 after the time. The caller is looked at anew before each later answer: who may not read any more
reads nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query, Request, Response

from hub.api.adapter import AGAIN, CALLER
from hub.held_requests import news_within
from hub.life.watchers import ALL, Watchers

MOST_SECONDS: Final = 100
FIRST_LOOK_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 5.0
"""Between two looks at what another process may have changed: one second, then twice as long each time up to this."""
SETTLE_SECONDS: Final = 0.5
"""A list is looked at so long after the news: when much happens, not once for each of it."""
CROWDED_SECONDS: Final = 5
_NOTHING_NEW: Final = "nothing_new"

Look = Callable[[], Awaitable[Response]]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=MOST_SECONDS,
        allow_inf_nan=False,
        description="Seconds to hold the answer back while it would be the one that If-None-Match names",
    ),
]
IfNoneMatch = Annotated[str | None, Header(max_length=500, description="The ETag of the answer that one has")]


async def _asked(wait: Wait = 0, if_none_match: IfNoneMatch = None) -> None:
    """What a live route takes; looked at here, so that it is described and checked as everything else."""


LIVE: Final = Depends(_asked)
"""Among a route's dependencies: its answer is live."""
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "Nothing has changed. With `Retry-After`: this hub holds too many requests; ask again then"}
}


def nothing_new(request: Request) -> None:
    """This answer is one to hold back, whatever the caller has."""
    setattr(request.state, _NOTHING_NEW, True)


async def answer(watchers: Watchers, request: Request, look: Look, require: Callable[[], None]) -> Response:
    """The answer when there is a new one. `require` raises when the caller may not read it (any more)."""
    loop, pause = asyncio.get_running_loop(), FIRST_LOOK_SECONDS
    topic = _topic(request)
    with watchers.watching(topic) as news:
        found = await _look(request, look)
        wait = _seconds(request)
        until = loop.time() + wait
        if news is None and wait:
            return _if_new(request, found, crowded=True)
        while news is not None and _is_old(request, found) and loop.time() < until and not watchers.leaving:
            await news_within(news, min(pause, until - loop.time()))
            if topic == ALL:
                await asyncio.sleep(min(SETTLE_SECONDS, max(0.0, until - loop.time())))
            request.scope[CALLER] = await request.scope[AGAIN]()
            require()
            found = await _look(request, look)
            pause = min(LOOK_SECONDS, pause * 2)
    return _if_new(request, found)


def _topic(request: Request) -> str:
    """Of what there is news in this process: an event, all of them; of other things there is none."""
    if "id" in request.path_params:
        return str(request.path_params["id"]).upper()
    return ALL if request.url.path == "/api/events" else request.url.path


async def _look(request: Request, look: Look) -> Response:
    setattr(request.state, _NOTHING_NEW, False)
    found = await look()
    if found.status_code == 200 and "etag" not in found.headers:
        found.headers["etag"] = f'"{hashlib.sha256(found.body).hexdigest()[:32]}"'
    return found


def _seconds(request: Request) -> float:
    return float(request.query_params.get("wait") or 0)  # the route has checked it


def _is_known(request: Request, found: Response) -> bool:
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return found.status_code == 200 and found.headers["etag"] in known


def _is_old(request: Request, found: Response) -> bool:
    return _is_known(request, found) or getattr(request.state, _NOTHING_NEW)


def _if_new(request: Request, found: Response, *, crowded: bool = False) -> Response:
    if not _is_known(request, found):
        return found
    headers = {"etag": found.headers["etag"]}
    if crowded:
        headers["retry-after"] = str(CROWDED_SECONDS)
    return Response(status_code=304, headers=headers)
