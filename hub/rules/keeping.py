"""How long final events are kept, by their state. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.event import State


@dataclass(frozen=True, slots=True)
class Keeping:
    """In days since an event's end; None: for ever."""

    success: float | None = None
    warning: float | None = None
    error: float | None = None

    @classmethod
    def all_for(cls, days: float | None) -> Keeping:
        """Every state for as long."""
        return cls(days, days, days)

    @property
    def limited(self) -> Mapping[State, timedelta]:
        """The states that are not kept for ever."""
        days = {State.SUCCESS: self.success, State.WARNING: self.warning, State.ERROR: self.error}
        return {state: timedelta(days=each) for state, each in days.items() if each is not None}

    def until(self, state: State, since: datetime) -> datetime | None:
        """When what came to this state then may go; None: never."""
        keep = self.limited.get(state)
        return since + keep if keep is not None else None

    @property
    def text(self) -> str:
        """What tells these settings from others."""
        return "/".join("keep" if each is None else f"{each:g}" for each in (self.success, self.warning, self.error))
