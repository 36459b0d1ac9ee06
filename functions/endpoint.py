"""The HTTP shell around every trigger: whoever calls, whatever goes wrong, the answer is one of ours."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import azure.functions as func
from pydantic import BaseModel

from functions.security_headers import secure
from hub.errors import LengthRequired, NexomaticError, NotAllowed, NotAuthenticated
from hub.model.sink import Sink
from hub.people.roles import template_of
from hub.problems import CONTENT_TYPE, problem_of
from hub.process import begin_trace, hub, served_by_https
from hub.rules import field_errors
from hub.rules.callers import address_of
from hub.upkeep.metrics import requests
from hub.wiring import Hub

log = logging.getLogger(__name__)

LARGE_BODY_BYTES = 64 * 1024
"""Above it a body is read off the event loop: megabytes of JSON hold it up for hundreds of milliseconds."""

MANY_ROUTES: Final = "api"
"""The one function that answers many routes."""

Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
M = TypeVar("M", bound=BaseModel)


def endpoint(handler: Handler) -> Handler:
    """Answer errors as problem documents, so that none leaves as the host's empty 500; and safe in a browser."""

    @wraps(handler)
    async def shell(req: func.HttpRequest) -> func.HttpResponse:
        tracing = begin_trace()
        try:
            answered = await handler(req)
        except NexomaticError as error:
            answered = refusal(error)
        except Exception as error:
            log.exception("%s failed", handler.__name__)
            answered = refusal(error)
        secure(answered.headers, https=served_by_https())
        route = route_of(req)
        requests.answered(route, answered.status_code)
        if tracing is not None and route is not None:
            tracing.end(route, req.headers.get("traceparent"), answered.status_code)
        return answered

    templates: dict[str, str | None] = {}

    def route_of(req: func.HttpRequest) -> str | None:
        if handler.__name__ == MANY_ROUTES:
            return template_of(req.method, urlsplit(req.url).path)
        if req.method not in templates:  # the path holds keys, and is different each time: its template is not
            templates[req.method] = template_of(req.method, urlsplit(req.url).path)
        return templates[req.method]

    return shell


def trigger(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Around what runs without a caller: the host writes down what it raises, and tells Event Grid its words.

    So only words of ours leave it, and nothing of what caused the error.
    """

    @wraps(handler)
    async def shell(**bound: Any) -> None:
        try:
            await handler(**bound)
        except NexomaticError as error:
            raise NexomaticError(str(error)) from None
        except Exception:
            log.exception("%s failed", handler.__name__)
            raise NexomaticError("a bug: the hub's log says more") from None

    return shell


def refusal(error: BaseException) -> func.HttpResponse:
    """The problem document of an error."""
    problem = problem_of(error)
    body = json.dumps(problem.document, ensure_ascii=False)
    return func.HttpResponse(body, status_code=problem.status, headers=dict(problem.headers), mimetype=CONTENT_TYPE)


def answer(model: BaseModel, status: int = 200) -> func.HttpResponse:
    """A model as JSON."""
    return func.HttpResponse(model.model_dump_json(), status_code=status, mimetype="application/json")


def document(content: Mapping[str, Any], status: int = 200) -> func.HttpResponse:
    """A mapping as JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return func.HttpResponse(body, status_code=status, mimetype="application/json")


def caller_address(here: Hub, req: func.HttpRequest) -> str | None:
    """From where the call comes, if a front end is named that tells it."""
    address = address_of(here.options.front_end, req.headers)
    return None if address is None else str(address)


async def calling_sink(req: func.HttpRequest) -> tuple[Hub, Sink]:
    """The hub, and the sink whose credential came with the request. Raises `NotAuthenticated`, `NotAllowed`."""
    here = await hub()
    caller = await here.people.identity.of(req.headers.get("authorization"))
    if isinstance(caller, Sink):
        return here, caller
    if req.headers.get("authorization") is None:
        raise NotAuthenticated
    raise NotAllowed("only a sink may do that")


def bearer_of(req: func.HttpRequest) -> str:
    """The credential that a caller has proven itself with."""
    return str(req.headers["authorization"]).partition(" ")[2].strip()


async def read(req: func.HttpRequest, model: type[M], max_bytes: int) -> M:
    """The request's body as a model, read strictly. Raises `Invalid` with its place, `TooLarge`, `LengthRequired`."""
    body = req.get_body()
    if not body and "transfer-encoding" in req.headers:
        raise LengthRequired
    if len(body) > LARGE_BODY_BYTES:
        return await asyncio.to_thread(field_errors.read_model, model, body, max_bytes=max_bytes)
    return field_errors.read_model(model, body, max_bytes=max_bytes)
