"""Events, policies and claims with sensible defaults, for tests of rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.model.configuration import Runtime, SourceKind
from hub.model.event import Content, Event, Run
from hub.rules import ids, lifecycle
from hub.rules.lifecycle import Claim, Edges

NOW = datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC)
RUN = Run(
    action="clean", runtime=Runtime.PYTHON, module="clean:run", timeout_seconds=60, lease_seconds=30, configuration="v1"
)


def event(**fields: Any) -> Event:
    """A queued event."""
    event_id = fields.pop("id", None) or ids.new(NOW, 12345, 1)
    defaults: dict[str, Any] = {
        "id": event_id,
        "event_type": "CLEAN",
        "sink_type": "PYTHON:BASE",
        "queue": "nexomatic-t-1",
        "source_kind": SourceKind.MANUAL,
        "payload": Content(size=2, inline=b"{}"),
        "created_at": NOW,
        "root_id": event_id,
    }
    return Event(**{**defaults, **fields})


def claim(claim_id: str = "c1", at: datetime = NOW, **fields: Any) -> Claim:
    """A claim of 30 seconds by `sink-1`."""
    defaults: dict[str, Any] = {
        "claim_id": claim_id,
        "sink": "sink-1",
        "at": at,
        "lease_until": at + timedelta(seconds=30),
        "run_until": at + timedelta(seconds=90),
        "run": RUN,
        "edges": Edges(),
        "confirm": False,
    }
    return Claim(**{**defaults, **fields})


def running(**fields: Any) -> Event:
    """An event claimed once; `claim` fields go to the claim, others to the event."""
    claim_fields = fields.pop("claim", {})
    return lifecycle.claim(event(**fields), claim(**claim_fields))
