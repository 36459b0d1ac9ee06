"""What the API answers and takes about running an event again, and about what followed it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hub.api.views import Asked, Time, View
from hub.model.configuration import SourceKind
from hub.model.event import Event, State
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
