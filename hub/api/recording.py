"""What of a request goes into the audit: every call that changes something, and who was refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hub.audit.attempt import MOST_RESOURCE_CHARS, Who
from hub.errors import NotAllowed, NotAuthenticated
from hub.people.identity import Caller, actor_of
from hub.people.oidc import CALLBACK
from hub.people.roles import ROUTES, Access
from hub.rules.callers import FrontEnd, address_of

READS: Final = frozenset({"GET", "HEAD"})
PLANS: Final = "POST /api/configuration/plan"
"""A read by what it does: its question is too long for an address."""
SIGNS_IN: Final = f"GET {CALLBACK}"
"""A read by its method, because a provider sends a browser there; and somebody signs in by it."""
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def who(caller: Caller, front_end: FrontEnd | None, headers: Mapping[str, str]) -> Who:
    """Who calls, and from where."""
    address = address_of(front_end, headers)
    return Who(actor_of(caller), None if address is None else str(address))


def is_attempt(route: str) -> bool:
    """Whether every call of it is recorded, however it ends."""
    return (route.partition(" ")[0] not in READS and route != PLANS) or route == SIGNS_IN


def resource_of(template: str, parameters: Mapping[str, Any]) -> str:
    """What a route is about: `/api/actions/{name}` with its name, up to the last parameter; `tokens` without one."""
    path = template.removeprefix("/api/")
    last = path.rfind("}")
    if last >= 0:
        path = path[: last + 1]
    return _PARAMETER.sub(lambda found: str(parameters.get(found[1], "")), path)[:MOST_RESOURCE_CHARS]


def is_recorded(route: str, error: Exception) -> bool:
    """Whether a refused read is recorded: not of who has only not signed in yet, where viewers may read."""
    if isinstance(error, NotAllowed):
        return True
    return isinstance(error, NotAuthenticated) and ROUTES.get(route) is Access.ADMIN
