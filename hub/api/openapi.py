"""The OpenAPI document: what FastAPI makes of the routes, with what it cannot know.

That is how one signs in, and what may be answered beside success: from the table of roles, the table of problems, and
what a route takes. Documents that are read as JSON and checked by the hub itself get their schemas here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hub.api.examples import EXAMPLES
from hub.api.security import FORMS
from hub.api.views import SourceDocument
from hub.people.roles import ROUTES, Access
from hub.problems import CONTENT_TYPE

Node: TypeAlias = dict[str, Any]

_REF: Final = "#/components/schemas/"
_WRITTEN: Final[tuple[type[BaseModel], ...]] = (SourceDocument,)
"""Models of documents that are only ever written: the document would not have them by itself."""
_KINDS: Final = {
    "sink-types": "SinkType",
    "actions": "Action",
    "event-types": "EventType",
    "sources": "SourceDocument",
}
_SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "An access token, `nxt_…`"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-nexomatic-session"},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "With a session, for all but GET: what `GET /api/session` answers as `csrf_token`",
    },
}
_ERRORS: Final = {
    400: "The request is not valid: `errors` names the fields and says what is allowed",
    401: "No valid credential came with it",
    403: "This credential may not do that, or no page of the hub meant it",
    404: "There is nothing at this address",
    409: "The state of things does not allow it, or somebody else was first",
    411: "The body came without Content-Length",
    412: "It is not the version that was read",
    413: "The body or payload is larger than allowed",
    415: "The body is compressed",
    429: "Too much at once: `Retry-After`",
    507: "The disk is nearly full, nothing new is taken: `Retry-After`",
    503: "Storage, or the key vault, does not answer: `Retry-After`",
}
_DONE: Final = {
    "200": "What was asked for, or what it is now",
    "201": "It was made",
    "202": "It was begun",
    "204": "It was done, and there is nothing to say of it",
    "302": "The browser goes on from there",
    "303": "The browser goes on from there",
}
"""In place of FastAPI's own words, where a route has none."""
_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "How to prove who one is"},
    429: {"Retry-After": "Seconds"},
    503: {"Retry-After": "Seconds"},
    507: {"Retry-After": "Seconds"},
}
_LIMITED: Final = frozenset(
    {
        "POST /api/events",
        "POST /api/events/bulk",
        "POST /api/events/{id}/retry",
        "POST /api/session",
        "POST /api/session/invitation",
        "POST /api/session/nexo",
        "PUT /api/me/password",
    }
)
"""They answer 429 when there is too much."""
_FOR_BROWSERS: Final = frozenset({"/api/session/nexo"})
"""Who comes with a token, and who has no role, is refused there."""
_NEW: Final = frozenset(
    {"POST /api/events", "POST /api/events/{id}/retry", "POST /api/sources/{name}/receipts/{id}/replay"}
)
"""They make events: 507 when there is no room for any."""


def finished(document: Node) -> Node:
    """The document with all of that in it."""
    schemas: Node = document["components"]["schemas"]
    _, written = models_json_schema([(model, "validation") for model in _WRITTEN], ref_template=_REF + "{model}")
    schemas.update({name: each for name, each in written["$defs"].items() if name not in schemas})
    _add_written(schemas)
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    document["components"]["securitySchemes"] = dict(_SECURITY)
    document["components"]["responses"] = {f"Problem{status}": _problem(status) for status in _ERRORS}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _finish(f"{method.upper()} {path}", operation)
    return document


def _problem(status: int) -> Node:
    told: Node = {
        "description": _ERRORS[status],
        "content": {CONTENT_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}},
    }
    if status in _HEADERS:
        told["headers"] = {
            name: {"description": said, "schema": {"type": "string"}} for name, said in _HEADERS[status].items()
        }
    return told


def _finish(route: str, operation: Node) -> None:
    method, _, path = route.partition(" ")
    responses: Node = operation["responses"]
    responses.pop("default", None)
    for code, said in _DONE.items():
        if responses.get(code, {}).get("description") == "Successful Response":
            responses[code]["description"] = said
    for status in _errors(route, operation):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    if route in FORMS:
        content = operation["requestBody"]["content"]
        content["application/x-www-form-urlencoded"] = content.pop("application/json")
    operation["security"] = _security(ROUTES[route], method)
    kind = path.split("/")[2]
    if "requestBody" in operation and kind in (*_KINDS, "configuration"):
        _type_body(method, path, operation)
    _headers_of_success(method, path, operation)


def _errors(route: str, operation: Node) -> Iterator[int]:
    method, _, path = route.partition(" ")
    access = ROUTES[route]
    yield from (400, 401, 503)
    if access is not Access.ANYBODY or method != "GET" or path in _FOR_BROWSERS:
        yield 403
    if "{" in path or path.startswith(("/api/session/oidc", "/api/session/nexo")):
        yield 404
    if method != "GET" or path in _FOR_BROWSERS:
        yield 409
    if "requestBody" in operation:
        yield from (411, 413, 415)
    if "if-match" in _parameters(operation):
        yield 412
    if route in _LIMITED:
        yield 429
    if route in _NEW:
        yield 507


def _security(access: Access, method: str) -> list[Node]:
    if access is Access.ANYBODY:
        return []
    session: Node = {"session": []} if method == "GET" else {"session": [], "csrf": []}
    return [{"token": []}, session]


def _parameters(operation: Node) -> set[str]:
    return {each["name"].lower() for each in operation.get("parameters", ())}


def _type_body(method: str, path: str, operation: Node) -> None:
    """The body of a route that takes JSON as it is, and has it checked by what is behind it."""
    content = operation["requestBody"]["content"]["application/json"]
    kind = path.split("/")[2]
    if kind == "configuration":
        content["schema"] = {"$ref": f"{_REF}ConfigurationDocument"}
    elif path.endswith("{name}"):
        name = f"Put{_KINDS[kind]}" if method == "PUT" else f"Patch{_KINDS[kind]}"
        content["schema"] = {"$ref": _REF + name}


def _headers_of_success(method: str, path: str, operation: Node) -> None:
    responses = operation["responses"]
    parameters = _parameters(operation)
    kept = path.endswith("{name}") and path.split("/")[2] in (*_KINDS, "secrets")
    if method == "PUT" and kept:
        responses["201"] = {**responses["200"], "description": "It was not there before"}
    for status in ("200", "201", "304"):
        if status in responses and (kept or "wait" in parameters) and method != "DELETE":
            _header(responses[status], "ETag", "The version of this answer")
    for status in ("201", "202"):
        if status in responses and method == "POST" and path in _LOCATED:
            _header(responses[status], "Location", "Where it is")


_LOCATED: Final = frozenset(
    {
        "/api/events",
        "/api/events/bulk",
        "/api/events/{id}/retry",
        "/api/sources/{name}/receipts/{id}/replay",
        "/api/users",
    }
)
"""What they make has an address, which they name."""


def _header(response: Node, name: str, said: str) -> None:
    response["headers"] = {
        **response.get("headers", {}),
        name: {"description": said, "required": True, "schema": {"type": "string"}},
    }


def _add_written(schemas: Node) -> None:
    """What may be written: with the name left to the address, or some of the fields alone."""
    lists: Node = {}
    for kind, name in _KINDS.items():
        lists[kind.replace("-", "_")] = {"type": "array", "items": {"$ref": _REF + name}}
        choices = [_target(each) for each in schemas[name].get("oneOf", ())] or [name]
        schemas[f"Put{name}"] = _one_of([_put(schemas[each]) for each in choices])
        schemas[f"Patch{name}"] = _one_of([_patch(schemas[each]) for each in choices], merged=True)
    schemas["ConfigurationDocument"] = {
        "type": "object",
        "title": "ConfigurationDocument",
        "description": "Documents that may name each other, as `GET /api/configuration` answers them.",
        "properties": lists,
        "additionalProperties": False,
    }


def _target(choice: Node) -> str:
    name: str = choice["$ref"]
    return name.removeprefix(_REF)


def _put(schema: Node) -> Node:
    required = [each for each in schema.get("required", ()) if each != "name"]
    return {**schema, "required": required, "description": "Its name may be left to the address."}


def _patch(schema: Node) -> Node:
    null = {"type": "null"}
    fields = {
        name: each if null in each.get("anyOf", ()) else {"anyOf": [each, null]}
        for name, each in schema["properties"].items()
    }
    return {
        "type": "object",
        "description": "JSON merge patch (RFC 7396): null takes a field back to its default.",
        "properties": fields,
        "additionalProperties": False,
    }


def _one_of(choices: list[Node], *, merged: bool = False) -> Node:
    if len(choices) == 1:
        return choices[0]
    return {"anyOf": choices} if merged else {"oneOf": choices}
