"""Running an event again: what the rerun runs, and which reruns were asked for before. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from hub.errors import Rejected
from hub.model.configuration import ParameterType
from hub.model.event import Event, Recorded
from hub.rules import ids

KEY_VALID: Final = timedelta(hours=24)
"""Asked again under the same key within so long, it is the same rerun. Events are kept for longer than that."""
KEPT_KEYS: Final = 20


class RerunAs(StrEnum):
    """What a rerun runs."""

    TODAY = "today"
    """What is configured now."""
    RECORDED = "recorded"
    """What the event's last attempt ran."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """A rerun that was asked for under a key, whether or not it came to be."""

    key: str
    """The key's digest."""
    event_id: str
    how: RerunAs


def recorded_of(event: Event) -> bytes:
    """What the event's last attempt ran, as `Event.recorded`. Raises `Rejected` when that is not known."""
    if not event.attempts:
        if event.recorded is None:
            raise Rejected("it never ran, so there is no recorded attempt to repeat: rerun it as today")
        return event.recorded
    run = event.attempts[-1].run
    static: dict[str, Any] = json.loads(event.static) if event.static is not None else {}
    fixed = {name for name, origin in run.parameters.items() if origin == ParameterType.STATIC}
    if missing := sorted(fixed - static.keys()):
        what = f"the values of its fixed parameters ({', '.join(missing)}) were too large to keep: rerun it as today"
        raise Rejected(what)
    recorded = Recorded(
        run=run,
        static=static,
        on_success=event.on_success,
        on_warning=event.on_warning,
        on_failure=event.on_failure,
    )
    return recorded.model_dump_json(exclude_none=True).encode()


def asked_before(event: Event, key: str, now: datetime) -> Rerun | None:
    """The rerun that was asked for under this key."""
    for each in _reruns(event):
        if each.key == key and now - ids.time_of(each.event_id) < KEY_VALID:
            return each
    return None


def noted(event: Event, rerun: Rerun) -> str:
    """`Event.reruns` with one more, the newest first."""
    reruns = [rerun, *(each for each in _reruns(event) if each.key != rerun.key)][:KEPT_KEYS]
    return json.dumps([[each.key, each.event_id, each.how] for each in reruns], separators=(",", ":"))


def _reruns(event: Event) -> list[Rerun]:
    kept = json.loads(event.reruns or "[]")
    return [Rerun(key, event_id, RerunAs(how)) for key, event_id, how in kept]
