"""Counts what happens to events in this process, in memory: a few additions to dictionaries, and never a wait.

Whoever writes the counts down (`upkeep/stats.py`) takes what belongs to minutes that are over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from hub.clock import Clock
from hub.model.event import Event
from hub.model.stats import BETWEEN, FIELDS, Stats
from hub.rules.histogram import bucket_of
from hub.rules.lifecycle import Changes

MINUTE_SECONDS: Final = 60


class Tally:
    """The counts of one process."""

    def __init__(self, clock: Clock, operations: Callable[[], Mapping[str, int]]) -> None:
        """`operations` answers how many storage operations there were so far, by kind."""
        self._clock = clock
        self._operations = operations
        self._counted: Counter[str] = Counter()
        self._open: dict[int, dict[str, Counter[Any]]] = {}
        self._taken = _nothing()
        self.seconds = {"waits": 0.0, "runs": 0.0}
        """All waiting and running times of this process so far, summed up."""
        self.renewals = 0
        """Leases that went on, so far."""
        self.begun: Callable[[], None] = lambda: None
        """Called when there is something to write down once the minute is over."""

    # --- what happens

    def fired(self, event: Event) -> None:
        """An event was created."""
        now = self._now()
        now["sources"][f"{event.source or ''}{BETWEEN}{event.source_kind}"] += 1
        now["types"][event.event_type] += 1

    def claimed(self, before: Event, at: datetime) -> None:
        """An event was claimed; `before`: as it was until then."""
        seconds = (at - ready_at(before)).total_seconds()
        self.seconds["waits"] += max(0.0, seconds)
        self._now()["waits"][bucket_of(seconds)] += 1

    def moved(self, event_type: str, sink: str | None, changes: Changes, claimed_at: datetime | None = None) -> None:
        """A move was written: an attempt may have ended with it, and the event too."""
        ending, state = changes.get("ending"), changes.get("state")
        if ending is not None:
            now = self._now()
            now["outcomes"][ending.outcome.value] += 1
            if claimed_at is not None:
                seconds = (ending.finished_at - claimed_at).total_seconds()
                self.seconds["runs"] += max(0.0, seconds)
                now["runs"][bucket_of(seconds)] += 1
        if state is not None and state.final:
            now = self._now()
            now["states"][state.value] += 1
            now["type_states"][f"{event_type}{BETWEEN}{state}"] += 1
            if sink is not None:
                now["sink_states"][f"{sink}{BETWEEN}{state}"] += 1
            if (code := changes.get("result_code")) is not None and state.value == "ERROR":
                now["codes"][code] += 1

    def event_moved(self, before: Event, changes: Changes) -> None:
        """The same of a move whose writer has read the row."""
        claimed_at = before.attempts[-1].started_at if before.attempts else None
        self.moved(before.event_type, before.sink, changes, claimed_at)

    def renewed(self) -> None:
        """A lease goes on."""
        self.renewals += 1

    # --- all of it so far

    def so_far(self) -> Stats:
        """What this process has counted since its start, storage operations included. Only ever grows."""
        counts = _nothing()
        for each in (self._taken, *self._open.values()):
            for name in FIELDS:
                counts[name].update(each[name])
        return Stats(**counts | {"operations": Counter(self._operations())})

    # --- writing it down

    @property
    def counting(self) -> bool:
        """Whether there is anything that has not been taken yet."""
        return bool(self._open)

    def take(self) -> dict[int, Stats]:
        """The counts of the minutes (since 1970) that are over; they are counted here no more."""
        current = self._minute()
        over = [minute for minute in self._open if minute < current]
        if over:
            self._open[max(over)]["operations"] += self._operations_since()
        taken = {minute: self._open.pop(minute) for minute in over}
        for counts in taken.values():
            for name in FIELDS:
                self._taken[name].update(counts[name])
        return {minute: Stats(**counts) for minute, counts in taken.items()}

    def give_back(self, taken: Mapping[int, Stats]) -> None:
        """They could not be written down: count them again, for the next try."""
        for minute, stats in taken.items():
            counts = self._open.setdefault(minute, _nothing())
            for name in FIELDS:
                counts[name].update(getattr(stats, name))
                self._taken[name].subtract(getattr(stats, name))

    def _now(self) -> dict[str, Counter[Any]]:
        minute = self._minute()
        counts = self._open.get(minute)
        if counts is None:
            counts = self._open[minute] = _nothing()
            self.begun()
        return counts

    def _minute(self) -> int:
        return int(self._clock.now().timestamp()) // MINUTE_SECONDS

    def _operations_since(self) -> Counter[str]:
        """Operations not counted yet. Those of idle minutes come with the next that is not."""
        so_far = Counter(self._operations())
        since = so_far - self._counted
        self._counted = so_far
        return since


def ready_at(event: Event) -> datetime:
    """From when an event that is queued could have run."""
    ended = event.attempts[-1].finished_at if event.attempts else None
    return max(each for each in (event.created_at, event.not_before, ended) if each is not None)


def _nothing() -> dict[str, Counter[Any]]:
    return {name: Counter() for name in FIELDS}
