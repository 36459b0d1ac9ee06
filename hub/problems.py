"""Every error as the HTTP answer it is: one table, and problem documents (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hub.errors import (
    Changed,
    Cloned,
    Conflict,
    Gone,
    Invalid,
    LengthRequired,
    Missing,
    NoRoom,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReady,
    Paused,
    ProviderUnavailable,
    Rejected,
    SecretUnavailable,
    Superseded,
    TooLarge,
    TooMany,
    Unavailable,
    UnsupportedBody,
    Unverified,
    VaultUnavailable,
)

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of problem: its status, the last part of its type, its title."""

    status: int
    slug: str
    title: str


KINDS: Final[Mapping[type[BaseException], Kind]] = {
    LengthRequired: Kind(411, "length-required", "A Content-Length is needed"),
    UnsupportedBody: Kind(415, "unsupported-body", "This kind of body is not taken"),
    TooLarge: Kind(413, "too-large", "Too large"),
    Invalid: Kind(400, "invalid", "The request is not valid"),
    NotAuthenticated: Kind(401, "not-authenticated", "A valid credential is needed"),
    NotAllowed: Kind(403, "not-allowed", "This credential may not do that"),
    SecretUnavailable: Kind(404, "secret-unavailable", "A secret is not there"),
    NotFound: Kind(404, "not-found", "There is nothing at this address"),
    Missing: Kind(404, "not-found", "There is nothing at this address"),
    Gone: Kind(410, "gone", "This address has been switched off"),
    Cloned: Kind(409, "cloned", "This credential is in use by another process"),
    Superseded: Kind(409, "lease-over", "The lease is over"),
    Rejected: Kind(409, "rejected", "The state of things does not allow it"),
    Changed: Kind(412, "changed", "It was changed meanwhile"),
    Conflict: Kind(409, "conflict", "Somebody else was first"),
    NoRoom: Kind(507, "no-room", "The disk is nearly full"),
    TooMany: Kind(429, "too-many", "Too many requests"),
    Paused: Kind(503, "paused", "Paused"),
    VaultUnavailable: Kind(503, "unavailable", "The key vault does not answer"),
    NotReady: Kind(503, "not-ready", "The hub is not ready"),
    ProviderUnavailable: Kind(503, "provider-unavailable", "The sign-in provider does not answer as it should"),
    Unavailable: Kind(503, "unavailable", "Storage does not answer"),
}
"""Found by an error's class, or the nearest class above it."""
INTERNAL: Final = Kind(500, "internal", "Something went wrong in the hub")


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that says what is wrong."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def status_of(error: BaseException) -> int:
    """The status alone."""
    return _kind_of(error).status


def problem_of(error: BaseException) -> Problem:
    """What to answer. An error that is not in the table says nothing of itself: its words are for the log."""
    kind = _kind_of(error)
    document: dict[str, Any] = {
        "type": f"urn:nexomatic:problem:{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": str(error) if kind is not INTERNAL else "The hub's log says more.",
    }
    if isinstance(error, Invalid) and error.fields:
        document["errors"] = [{"field": each.field, "message": each.message} for each in error.fields]
    if isinstance(error, Superseded):
        document["reason"] = error.reason
    if isinstance(error, NotReady):
        document["reasons"] = [{"code": code, "words": words} for code, words in error.reasons.items()]
    return Problem(kind.status, document, _headers(error, kind.status))


def _kind_of(error: BaseException) -> Kind:
    return next((KINDS[each] for each in type(error).__mro__ if each in KINDS), INTERNAL)


def _headers(error: BaseException, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": error.challenge if isinstance(error, Unverified) else "Bearer"}
    if isinstance(error, TooMany | Paused | VaultUnavailable) and error.retry_after_seconds is not None:
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_seconds)))}
    if status == 503:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}
