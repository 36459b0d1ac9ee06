"""The gate in front of every route of the admin API: may the caller do that, is the request what the route takes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import JsonValue

from hub.api import live, recording
from hub.api.adapter import CALLER
from hub.api.services import Services
from hub.errors import FieldError, Invalid, LengthRequired, NotAllowed, NotAuthenticated, UnsupportedBody
from hub.people.identity import Caller, Person
from hub.people.oidc import CALLBACK
from hub.people.roles import ROUTES, Access, require
from hub.people.sessions import CSRF_HEADER
from hub.rules import field_errors, forms, strict_json

MOST_BODY_BYTES: Final = 256 * 1024
MOST_FORM_BYTES: Final = 4096
MOST_CONFIGURATION_BYTES: Final = 8 * 1024 * 1024
ENVELOPE_BYTES: Final = 4096
"""What may lie around a payload in a request that fires an event."""
_HOST_KEY: Final = "code"
"""A query parameter of the Functions host: let pass, never looked at."""

IDEMPOTENCY_KEY: Final = "idempotency-key"
FORMS: Final = frozenset({"POST /api/session/nexo/answer"})
"""Their body is a form, as a page without a script sends it; what a script says in X-CSRF-Token is a field of it."""
CSRF_FIELD: Final = "csrf_token"

_ONCE: Final = "its answer holds a secret that is shown once and kept nowhere. Ask without a key"
WITHOUT_KEY: Final = {
    "POST /api/tokens": f"{_ONCE}; a name that is taken is refused",
    "POST /api/users": f"{_ONCE}; a name that is taken is refused",
    "POST /api/users/{name}/invite": f"{_ONCE}; the invitation before is over then",
    "POST /api/enrolments": f"{_ONCE}, and delete the enrolment that was made if nobody heard of it",
    "POST /api/session": _ONCE,
    "POST /api/session/invitation": _ONCE,
    "POST /api/session/nexo": _ONCE,
    "POST /api/session/nexo/answer": "a page sends it, and each answer is one of its own",
    "POST /api/sources/{name}/rotate-key": "each call makes another address. Read the source to see whether it did",
    "POST /api/sources/{name}/receipts/{id}/replay": "each call fires anew. Read the receipts to see whether it did",
}
"""Where a key cannot be taken, and why. Of the other POSTs some take one, and the rest may be repeated as they are."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Desk = Annotated[Services, Depends(_services)]
"""What a route works with."""


def caller_of(request: Request) -> Caller:
    """Who calls, as the shell around the application found out."""
    caller: Caller = request.scope[CALLER]
    return caller


def person_of(request: Request) -> Person:
    """The person who calls. Raises `NotAllowed` for anything else, which the table lets through nowhere."""
    caller = caller_of(request)
    if not isinstance(caller, Person):
        raise NotAllowed
    return caller


class StrictRequest(Request):
    """A request whose JSON the hub's own strict reader has read.

    It counts as JSON whatever its Content-Type says: nothing else is taken here, and `curl -d` calls all a form.
    """

    content: JsonValue = None

    def __init__(self, request: Request) -> None:
        headers = [each for each in request.scope["headers"] if each[0] != b"content-type"]
        json = [(b"content-type", b"application/json")]
        super().__init__({**request.scope, "headers": headers + json}, request.receive)

    async def json(self) -> Any:
        return self.content


class GuardedRoute(APIRoute):
    """A route that is open to whom the table of roles names, and whose writes leave an entry in the audit.

    One that the table does not have cannot be made.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        for method in self.methods or ():
            if f"{method} {path}" not in ROUTES:
                raise LookupError(f"{method} {path} is not in the table of routes and roles")
        self._is_live = live.LIVE in self.dependencies
        self._query = _query_names(self.dependant)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            desk = await _services(request)
            who = recording.who(caller_of(request), desk.front_end, request.headers)
            route, resource = f"{request.method} {self.path}", recording.resource_of(self.path, request.path_params)
            if recording.is_attempt(route):
                async with desk.audit.trail.attempt(who, route, resource) as attempt:
                    response = await self._answer(route, request, handle)
                    attempt.status = response.status_code
                    return response
            try:
                return await self._answer(route, request, handle)
            except (NotAuthenticated, NotAllowed) as error:
                if recording.is_recorded(route, error):
                    await desk.audit.trail.refused(who, route, resource, error)
                raise

        return guarded

    async def _answer(self, route: str, request: Request, handle: Handler) -> Response:
        """What the route answers, to who may ask."""
        require(route, caller_of(request))
        strict = StrictRequest(request)
        form = forms.read(await strict.body(), max_bytes=MOST_FORM_BYTES) if route in FORMS else None
        if ROUTES[route] is not Access.ANYBODY:
            sessions = (await _services(request)).people.sessions
            headers = request.headers if form is None else {**request.headers, **_csrf_of(form)}
            sessions.check_intended(caller_of(request), request.method, headers)
        if self.path != CALLBACK:  # providers add what they like
            _check_query(request, self._query)
        _check_key(route, request)
        if form is not None:
            check_transfer(request, await strict.body())
            strict.content = dict(form)
        elif self.body_field is not None:
            strict.content = await self._content(strict)
        try:
            if not self._is_live:
                return await handle(strict)
            watchers = (await _services(request)).watchers
            return await live.answer(
                watchers, strict, lambda: handle(strict), lambda: require(route, caller_of(strict))
            )
        except RequestValidationError as error:
            model = self.body_field.field_info.annotation if self.body_field is not None else None
            raise field_errors.refusal([{**each, "loc": each["loc"][1:]} for each in error.errors()], model) from None

    async def _content(self, request: Request) -> JsonValue:
        body = await request.body()
        check_transfer(request, body)
        assert self.body_field is not None
        if not body and not self.body_field.field_info.is_required():
            return None
        return strict_json.read(body, max_bytes=self._most_bytes(await _services(request)))

    def _most_bytes(self, services: Services) -> int:
        if self.path == "/api/events":
            return services.life.terms.max_payload + ENVELOPE_BYTES
        return MOST_CONFIGURATION_BYTES if self.path.startswith("/api/configuration") else MOST_BODY_BYTES


def _csrf_of(form: Mapping[str, str]) -> Mapping[str, str]:
    """In place of the header, as which it is checked."""
    return {CSRF_HEADER: form[CSRF_FIELD]} if CSRF_FIELD in form else {}


def _query_names(dependant: Dependant) -> set[str]:
    """The query parameters of a route and of what it depends on."""
    names = {each.alias for each in dependant.query_params}
    return names.union(*(_query_names(each) for each in dependant.dependencies))


def _check_query(request: Request, known: set[str]) -> None:
    """A misspelt filter must not look like one that found everything."""
    problems = [
        FieldError(name, f"is not a parameter here; allowed are {', '.join(sorted(known)) or 'none'}")
        for name in request.query_params
        if name not in known and name != _HOST_KEY
    ]
    if problems:
        raise Invalid("; ".join(f"{each.field} {each.message}" for each in problems[:3]), problems)


def _check_key(route: str, request: Request) -> None:
    """Who sends a key relies on it: where it would not hold it is refused, and not ignored."""
    if IDEMPOTENCY_KEY in request.headers and route in WITHOUT_KEY:
        what = f"is not taken here: {WITHOUT_KEY[route]}"
        raise Invalid(f"Idempotency-Key {what}", [FieldError(IDEMPOTENCY_KEY, what)])


def check_transfer(request: Request, body: bytes) -> None:
    """See that the body came, and as it is. Raises `LengthRequired`, `UnsupportedBody`."""
    if not body and "transfer-encoding" in request.headers:
        raise LengthRequired
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedBody("a body with a Content-Encoding is not taken: send it as it is")
