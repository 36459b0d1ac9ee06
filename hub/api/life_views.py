"""What the API answers and takes about running an event again, what followed it, and why it still waits."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from hub.api.views import Asked, Time, View
from hub.model.configuration import SourceKind
from hub.model.event import Event, State
from hub.rules.explanation import Condition, Effect, Explanation, Found, Reason
from hub.rules.rerunning import RerunAs


class Retry(Asked):
    """Run a final event again: as its last attempt was, or with what is configured today."""

    how: Annotated[RerunAs, Field(alias="as", strict=False)] = RerunAs.TODAY


class TreeNode(View):
    """An event of a tree, and where it led."""

    id: str
    parent_id: str | None
    depth: int
    event_type: str
    source_kind: SourceKind
    source: str | None
    state: State
    result_code: str | None
    result_message: str | None
    sink: str | None
    attempt: int
    follow_on: str | None
    follow_on_skipped: str | None
    alert: str | None
    rerun_of: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None

    @classmethod
    def of(cls, event: Event, state: State) -> TreeNode:
        return cls(state=state, **{name: getattr(event, name) for name in cls.model_fields if name != "state"})


class TreeView(View):
    """All events of one root, parents before their follow-ons.

    Not complete: retention has taken some of them, or a follow-on is owed and not made yet.
    """

    root_id: str
    events: list[TreeNode]
    complete: bool


class ConditionView(View):
    """One thing that was checked, and what was found; where nothing is in the way only the code."""

    code: Reason
    effect: Effect
    """What it does to the event."""
    detail: str | None
    change: str | None
    """What would change it."""
    numbers: dict[str, int | float]
    since: Time | None
    """Null where it is not known."""
    until: Time | None
    """When it ends by itself, where that is known."""

    @classmethod
    def of(cls, condition: Condition) -> ConditionView:
        return cls(code=condition.code, **_found(condition.found))


class ExplainView(ConditionView):
    """The first thing that is in the way of an event; all that was checked, in order."""

    event_id: str
    state: State
    gives_up_at: Time | None
    """It ends with QUEUE_TIMEOUT if it has not started by then."""
    conditions: list[ConditionView]

    @classmethod
    def explaining(cls, event: Event, state: State, said: Explanation) -> ExplainView:
        return cls(
            event_id=event.id,
            state=state,
            code=said.code,
            gives_up_at=said.gives_up_at,
            conditions=[ConditionView.of(each) for each in said.conditions],
            **_found(said.found),
        )


def _found(found: Found | None) -> dict[str, Any]:
    found = found or Found(Effect.NONE, "", "")
    return {
        "effect": found.effect,
        "detail": found.detail or None,
        "change": found.change or None,
        "numbers": dict(found.numbers),
        "since": found.since,
        "until": found.until,
    }
