"""Alerts: reserved EventTypes that the hub itself fires when something needs somebody's eye. Pure.

An alert is an event like any other, so that whatever may run on a sink may tell people. Its id is derived from what it
tells of, so that whoever notices it, however often, makes one event.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hub.model.configuration import EventType, SourceKind
from hub.model.snapshot import Snapshot
from hub.rules import ids

PREFIX: Final = "HUB."
SHARD: Final = ids.ALPHABET[0]
"""Of every alert: the shards of a hub are a setting, and what is derived must not follow a setting."""


class Alert(StrEnum):
    """The names of EventTypes that the hub fires."""

    UNROUTABLE = "HUB.UNROUTABLE"
    """Events wait, and no sink that could run them is there."""
    SINK_LOST = "HUB.SINK_LOST"
    """A sink stays away and had not said that it would."""
    SCHEDULE_LATE = "HUB.SCHEDULE_LATE"
    """What a schedule should have fired came late, or did not come."""
    FAILED = "HUB.FAILED"
    """An event ended as ERROR, and nothing follows that handles it."""


@dataclass(frozen=True, slots=True)
class FailureAlert:
    """The alert that tells of an ERROR which nothing handles."""

    event_id: str
    """One for all failures of an EventType that ended within one minute."""
    event_type: str
    owed: bool = True
    """False: it is known to be there, made for another failure of that minute."""


def is_reserved(name: str) -> bool:
    """Whether the hub keeps this name for its own use."""
    return name.casefold().startswith(PREFIX.casefold())


def receiver(alert: Alert, snapshot: Snapshot) -> EventType | None:
    """The EventType that an alert fires today; None: nobody wants to be told."""
    found = snapshot.event_type(alert)
    if found is None or not found.enabled or SourceKind.HUB not in found.sources:
        return None
    return found


def derived_id(alert: Alert, at: datetime, *parts: str) -> str:
    """The id of the alert of this name about this. `at` belongs to what it tells of, the same for all who notice it."""
    return ids.derived(at, alert, *(part.casefold() for part in parts), shard=SHARD)


def of_failure(
    event_type: str, at: datetime, snapshot: Snapshot, *, silent: bool, made: Container[str] = ()
) -> FailureAlert | None:
    """What is owed when an event of this type ends as ERROR at this time; None: nobody is told.

    `silent`: it is an alert itself, or was led to by one: alerts do not trigger each other. `made`: alerts known to be
    there.
    """
    told = receiver(Alert.FAILED, snapshot)
    if silent or told is None:
        return None
    event_id = derived_id(Alert.FAILED, minute_of(at), event_type)
    return FailureAlert(event_id, told.name, owed=event_id not in made)


def hour_of(at: datetime) -> datetime:
    """When its hour began."""
    return at.replace(minute=0, second=0, microsecond=0)


def minute_of(at: datetime) -> datetime:
    """When its minute began."""
    return at.replace(second=0, microsecond=0)
