"""Who may call what: the one table. A route that is not here is closed to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from hub.errors import NotAllowed, NotAuthenticated
from hub.model.people import Role
from hub.model.sink import Sink
from hub.people.identity import Anonymous, Caller, Person


class Access(StrEnum):
    """The least that a caller must be."""

    ANYBODY = "anybody"
    """Whoever has the address; the route itself asks for a key or a token where it needs one."""
    SINK = "sink"
    """An enrolled sink. No person, whatever their role, speaks for a sink."""
    SIGNED_IN = "signed in"
    """Any person the hub knows, even one without a role: about themselves alone."""
    VIEWER = "viewer"
    ADMIN = "admin"
    """Admins may do what viewers may."""


ROUTES: Final[Mapping[str, Access]] = {
    "POST /hooks/{key}": Access.ANYBODY,
    "PUT /hooks/{key}": Access.ANYBODY,
    "GET /hooks/status/{id}": Access.ANYBODY,
    "GET /agent/install.sh": Access.ANYBODY,
    "GET /agent/install.ps1": Access.ANYBODY,
    "GET /agent/package/{version}": Access.ANYBODY,
    "POST /agent/enroll": Access.ANYBODY,
    "POST /agent/credential": Access.SINK,
    "POST /agent/poll": Access.SINK,
    "GET /agent/modules/{digest}": Access.SINK,
    "POST /agent/events/{id}/secrets": Access.SINK,
    "POST /agent/events/{id}/renew": Access.SINK,
    "POST /agent/events/{id}/logs": Access.SINK,
    "POST /agent/events/{id}/result": Access.SINK,
    "GET /": Access.ANYBODY,
    "GET /api/health": Access.ANYBODY,
    "GET /api/health/live": Access.ANYBODY,
    "POST /api/reconcile": Access.ADMIN,
    "GET /api/formats": Access.VIEWER,
    "POST /api/formats/finalise": Access.ADMIN,
    "POST /api/session": Access.ANYBODY,
    "GET /api/session": Access.SIGNED_IN,
    "DELETE /api/session": Access.SIGNED_IN,
    "GET /api/session/methods": Access.ANYBODY,
    "GET /api/session/oidc": Access.ANYBODY,
    "GET /api/session/oidc/callback": Access.ANYBODY,
    "POST /api/session/invitation": Access.ANYBODY,
    "GET /api/session/nexo": Access.ANYBODY,
    "POST /api/session/nexo": Access.ANYBODY,
    "POST /api/session/nexo/answer": Access.VIEWER,
    "GET /api/me": Access.SIGNED_IN,
    "PUT /api/me/password": Access.SIGNED_IN,
    "GET /api/users": Access.ADMIN,
    "POST /api/users": Access.ADMIN,
    "GET /api/users/{name}": Access.ADMIN,
    "PATCH /api/users/{name}": Access.ADMIN,
    "DELETE /api/users/{name}": Access.ADMIN,
    "POST /api/users/{name}/invite": Access.ADMIN,
    "GET /api/stats": Access.VIEWER,
    "GET /api/metrics": Access.VIEWER,
    "GET /api/openapi.json": Access.VIEWER,
    "GET /api/docs": Access.ANYBODY,
    "GET /api/docs/page.js": Access.ANYBODY,
    "GET /api/docs/page.css": Access.ANYBODY,
    "GET /api/events": Access.VIEWER,
    "POST /api/events": Access.ADMIN,
    "GET /api/events/{id}": Access.VIEWER,
    "GET /api/events/{id}/logs": Access.VIEWER,
    "GET /api/events/{id}/tree": Access.VIEWER,
    "GET /api/events/{id}/explain": Access.VIEWER,
    "POST /api/events/{id}/cancel": Access.ADMIN,
    "POST /api/events/{id}/retry": Access.ADMIN,
    "POST /api/events/bulk": Access.ADMIN,
    "GET /api/operations": Access.VIEWER,
    "GET /api/operations/{id}": Access.VIEWER,
    "POST /api/operations/{id}/cancel": Access.ADMIN,
    "GET /api/configuration": Access.VIEWER,
    "PUT /api/configuration": Access.ADMIN,
    "POST /api/configuration/plan": Access.ADMIN,
    "GET /api/sink-types": Access.VIEWER,
    "GET /api/sink-types/{name}": Access.VIEWER,
    "PUT /api/sink-types/{name}": Access.ADMIN,
    "PATCH /api/sink-types/{name}": Access.ADMIN,
    "DELETE /api/sink-types/{name}": Access.ADMIN,
    "POST /api/sink-types/{name}/pause": Access.ADMIN,
    "POST /api/sink-types/{name}/resume": Access.ADMIN,
    "GET /api/actions": Access.VIEWER,
    "GET /api/actions/{name}": Access.VIEWER,
    "PUT /api/actions/{name}": Access.ADMIN,
    "PATCH /api/actions/{name}": Access.ADMIN,
    "DELETE /api/actions/{name}": Access.ADMIN,
    "GET /api/event-types": Access.VIEWER,
    "GET /api/event-types/{name}": Access.VIEWER,
    "PUT /api/event-types/{name}": Access.ADMIN,
    "PATCH /api/event-types/{name}": Access.ADMIN,
    "DELETE /api/event-types/{name}": Access.ADMIN,
    "POST /api/event-types/{name}/pause": Access.ADMIN,
    "POST /api/event-types/{name}/resume": Access.ADMIN,
    "GET /api/sources": Access.VIEWER,
    "GET /api/sources/{name}": Access.VIEWER,
    "PUT /api/sources/{name}": Access.ADMIN,
    "PATCH /api/sources/{name}": Access.ADMIN,
    "DELETE /api/sources/{name}": Access.ADMIN,
    "POST /api/sources/{name}/pause": Access.ADMIN,
    "POST /api/sources/{name}/resume": Access.ADMIN,
    "POST /api/sources/{name}/rotate-key": Access.ADMIN,
    "GET /api/sources/{name}/preview": Access.VIEWER,
    "GET /api/sources/{name}/receipts": Access.VIEWER,
    "GET /api/sources/{name}/receipts/{id}": Access.VIEWER,
    "POST /api/sources/{name}/receipts/{id}/replay": Access.ADMIN,
    "GET /api/modules": Access.VIEWER,
    "GET /api/modules/{name}": Access.VIEWER,
    "PUT /api/modules/{name}": Access.ADMIN,
    "DELETE /api/modules/{name}": Access.ADMIN,
    "GET /api/secrets": Access.ADMIN,
    "GET /api/secrets/{name}": Access.ADMIN,
    "PUT /api/secrets/{name}": Access.ADMIN,
    "DELETE /api/secrets/{name}": Access.ADMIN,
    "POST /api/secrets/{name}/restore": Access.ADMIN,
    "GET /api/sinks": Access.VIEWER,
    "GET /api/sinks/{name}": Access.VIEWER,
    "DELETE /api/sinks/{name}": Access.ADMIN,
    "POST /api/sinks/{name}/commands": Access.ADMIN,
    "DELETE /api/sinks/{name}/commands/{id}": Access.ADMIN,
    "GET /api/tokens": Access.VIEWER,
    "POST /api/tokens": Access.VIEWER,
    "DELETE /api/tokens/{name}": Access.VIEWER,
    "GET /api/enrolments": Access.ADMIN,
    "POST /api/enrolments": Access.ADMIN,
    "DELETE /api/enrolments/{id}": Access.ADMIN,
    "GET /api/audit": Access.ADMIN,
    "GET /api/audit/verify": Access.ADMIN,
}
"""Method and route template. Parameters are named here as they are in the code."""


def require(route: str, caller: Caller) -> None:
    """Raises `NotAuthenticated` for who has said nothing of themselves, `NotAllowed` for who is not enough."""
    access = ROUTES.get(route)
    if access is Access.ANYBODY:
        return
    if isinstance(caller, Anonymous):
        raise NotAuthenticated(caller.why)
    if access is None or not _enough(access, caller):
        notice = caller.notice if isinstance(caller, Person) else None
        raise NotAllowed(notice or f"this needs {_WORDS.get(access, 'what nobody has')}")


def template_of(method: str, path: str) -> str | None:
    """The route of the table that answers this address; None: none does."""
    parts = path.split("/")
    for route in ROUTES:
        theirs, _, template = route.partition(" ")
        names = template.split("/")
        if theirs == method and len(names) == len(parts) and all(map(_fits, names, parts)):
            return route
    return None


def methods_of(path: str) -> list[str]:
    """What this address takes."""
    return sorted({route.partition(" ")[0] for route in ROUTES if template_of(route.partition(" ")[0], path)})


def _fits(name: str, part: str) -> bool:
    return name == part or (name.startswith("{") and part != "")


def _enough(access: Access, caller: Caller) -> bool:
    if isinstance(caller, Sink):
        return access is Access.SINK
    if not isinstance(caller, Person):
        return False
    match access:
        case Access.SIGNED_IN:
            return True
        case Access.VIEWER:
            return caller.role is not None
        case Access.ADMIN:
            return caller.role is Role.ADMIN
        case _:
            return False


_WORDS: Final[Mapping[Access | None, str]] = {
    Access.SINK: "a sink's credential",
    Access.SIGNED_IN: "a person who is signed in, or their token",
    Access.VIEWER: "a viewer or an admin",
    Access.ADMIN: "an admin",
}
