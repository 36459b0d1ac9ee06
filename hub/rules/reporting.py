"""What is said of an event to those who ask. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.model.event import State


def shown_state(state: State, lease_until: datetime | None, now: datetime, margin: timedelta) -> State:
    """The state as it is in truth: a running event whose lease has passed by the clock margin waits for a sink again.

    Nobody writes that down before the next sink takes it, so a list or a page that showed the row alone would say
    RUNNING of what a dead sink holds.
    """
    if state is State.RUNNING and lease_until is not None and now >= lease_until + margin:
        return State.QUEUED
    return state
