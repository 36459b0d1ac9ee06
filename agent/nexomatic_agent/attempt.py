"""One attempt as the hub hands it out, read from a poll's answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

_ID = re.compile(r"[0-9A-Za-z]{1,64}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class BadAttempt(Exception):
    """The hub handed out something this agent cannot read."""


@dataclass(frozen=True)
class Attempt:
    """What to run and under which lease. Unknown fields are left aside: a newer hub may say more."""

    event_id: str
    attempt: int
    token: str = field(repr=False)
    lease_seconds: float
    confirm: bool
    event_type: str
    action: str
    runtime: str
    module: str
    bundle: Optional[str]
    bundle_digest: Optional[str]
    bundle_size: Optional[int]
    bundle_signature: Optional[str]
    payload: Any = field(repr=False)
    parameters: Mapping[str, Any] = field(repr=False)
    """Fixed values by name."""
    secrets: Mapping[str, str] = field(repr=False)
    """Names of secrets, by the parameter they are for."""
    timeout_seconds: float = 300.0
    warning_codes: frozenset[int] = frozenset()
    created_at: Optional[str] = None
    source: Optional[str] = None
    parent_id: Optional[str] = None
    root_id: Optional[str] = None
    traceparent: Optional[str] = None
    correlation_id: Optional[str] = None

    @property
    def key(self) -> str:
        """Names its files: the event and which attempt at it this is."""
        return attempt_key(self.event_id, self.attempt)


def attempt_key(event_id: str, attempt: int) -> str:
    return f"{event_id}-{attempt}"


def read_attempt(task: Any) -> Attempt:
    """A task of a poll's answer. Raises BadAttempt, naming the field."""
    fields = _Fields(task)
    event_id = fields.text("event_id")
    if not _ID.match(event_id):
        raise BadAttempt("event_id is not made of letters and digits")  # it names files
    given = fields.list("parameters")
    return Attempt(
        event_id=event_id,
        attempt=int(fields.number("attempt")),
        token=fields.text("token"),
        lease_seconds=fields.number("lease_seconds"),
        confirm=fields.get("confirm", bool),
        event_type=fields.text("event_type"),
        action=fields.text("action"),
        runtime=fields.text("runtime"),
        module=fields.text("module"),
        bundle=fields.optional("bundle"),
        bundle_digest=fields.digest("bundle_digest"),
        bundle_size=fields.size("bundle_size"),
        bundle_signature=fields.optional("bundle_signature"),
        payload=fields.task.get("payload"),
        parameters={str(one["name"]): one.get("value") for one in given if "secret" not in one},
        secrets={str(one["name"]): str(one["secret"]) for one in given if "secret" in one},
        timeout_seconds=fields.number("timeout_seconds"),
        warning_codes=frozenset(code for code in fields.list("warning_codes") if isinstance(code, int)),
        **{name: fields.optional(name) for name in _OPTIONAL},
    )


_OPTIONAL = ("created_at", "source", "parent_id", "root_id", "traceparent", "correlation_id")


class _Fields:
    """Reads the fields of a document from outside, one kind at a time."""

    def __init__(self, task: Any) -> None:
        if not isinstance(task, dict):
            raise BadAttempt("a task is not an object")
        self.task: dict[str, Any] = task

    def get(self, name: str, kind: Any) -> Any:
        value = self.task.get(name)
        if not isinstance(value, kind):
            raise BadAttempt(f"{name} is missing, or not what it must be")
        return value

    def text(self, name: str) -> str:
        return str(self.get(name, str))

    def number(self, name: str) -> float:
        value = self.get(name, (int, float))
        if isinstance(value, bool) or not 0 <= value < 1e9:
            raise BadAttempt(f"{name} is not a number from 0 to a thousand million")
        return float(value)

    def list(self, name: str) -> Any:
        values = self.get(name, list)
        if name == "parameters" and not all(
            isinstance(one, dict) and isinstance(one.get("name"), str) for one in values
        ):
            raise BadAttempt("parameters are not objects with a name")
        return values

    def digest(self, name: str) -> Optional[str]:
        """It names a folder."""
        value = self.optional(name)
        if value is not None and not _DIGEST.match(value):
            raise BadAttempt(f"{name} is not 64 hexadecimal digits")
        return value

    def size(self, name: str) -> Optional[int]:
        return None if self.task.get(name) is None else int(self.number(name))

    def optional(self, name: str) -> Optional[str]:
        value = self.task.get(name)
        return value if isinstance(value, str) else None
