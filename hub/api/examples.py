"""Examples of what is sent, for the OpenAPI document. Each is taken as it stands once those before it have been."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ACTION: Final[Mapping[str, Any]] = {
    "name": "cleanup",
    "runtime": "python",
    "module": "disk_cleanup:run",
    "parameters": [
        {"name": "path", "type": "STATIC", "value": "/var/tmp"},  # noqa: S108 - somebody's, on a sink
        {"name": "host", "type": "DATA", "value": "host.name"},
    ],
    "timeout_seconds": 300,
}
_EVENT_TYPE: Final[Mapping[str, Any]] = {
    "name": "DISK_CLEANUP",
    "sink_type": "PYTHON:BASE",
    "action": "cleanup",
    "retry": {"max_attempts": 3, "backoff_seconds": 10},
}
_SOURCE: Final[Mapping[str, Any]] = {
    "name": "nightly",
    "kind": "SCHEDULE",
    "event_types": ["DISK_CLEANUP"],
    "cron": "0 2 * * *",
    "timezone": "Europe/Berlin",
}

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "PutSinkType": {"name": "PYTHON:BASE", "description": "Any Linux machine of the plant"},
    "PutAction": _ACTION,
    "PutEventType": _EVENT_TYPE,
    "PutSourceDocument": _SOURCE,
    "ConfigurationDocument": {
        "sink_types": [{"name": "PYTHON:BASE"}],
        "actions": [_ACTION],
        "event_types": [_EVENT_TYPE],
        "sources": [_SOURCE],
    },
    "Fire": {"event_type": "DISK_CLEANUP", "payload": {"host": {"name": "web-1"}}},
    "Bulk": {
        "action": "retry",
        "as": "today",
        "filter": {"state": ["ERROR"], "event_type": "DISK_CLEANUP", "from": "2026-11-23T22:00:00Z"},
    },
    "Retry": {"as": "today"},
    "AskPause": {"note": "maintenance until noon", "until": "2026-11-24T12:00:00Z"},
    "CreateToken": {"name": "ci", "role": "VIEWER"},
    "CreateEnrolment": {"sink_type": "PYTHON:BASE", "uses": 3, "expires_in": 3600},
    "CreateUser": {"name": "ann", "role": "ADMIN"},
    "PutSecret": {"value": "correct horse battery staple", "description": "of the repository"},
    "Problem": {
        "type": "urn:nexomatic:problem:invalid",
        "title": "The request is not valid",
        "status": 400,
        "detail": "the request was refused: retry.max_attempts must be greater than or equal to 1",
        "errors": [{"field": "retry.max_attempts", "message": "must be greater than or equal to 1"}],
    },
}
"""By schema."""
