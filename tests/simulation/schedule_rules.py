"""What must be true of schedules in every run: each tick has made the one event that its id says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from hub.model.configuration import ScheduleSource, SourceKind
from hub.model.standing import Standing
from hub.rules import ids
from hub.rules.schedule import timetable
from hub.sources.schedules import event_id
from hub.storage.schedule_rows import Progress
from tests.simulation.record import Record
from tests.simulation.scenario import Scenario
from tests.simulation.virtual_loop import EPOCH


def standing_of(source: ScheduleSource) -> Standing:
    """It was put when the run began."""
    return Standing(ids.derived(EPOCH, source.name, shard="0"), EPOCH)


def ticks_of(scenario: Scenario) -> set[str]:
    """The ids of the events that the scenario's schedules must make."""
    until = EPOCH + timedelta(seconds=scenario.horizon)
    return {
        event_id(source.name, Progress(standing_of(source).definition, tick), event_type)
        for source in scenario.schedules
        for tick in timetable(source).ticks(EPOCH, until)
        for event_type in source.event_types
    }


class ScheduleRules:
    """Watches the events of schedules."""

    def __init__(self, scenario: Scenario, record: Record) -> None:
        self._record = record
        self._ticks = ticks_of(scenario)

    @property
    def awaited(self) -> bool:
        """Whether there are ticks whose events were not made yet."""
        return not self._record.history.keys() >= self._ticks

    def left_over(self) -> Iterator[tuple[str, str]]:
        """What is wrong at the end."""
        made = set()
        for each, history in self._record.history.items():
            first = history[0].after
            if first is not None and first.get("source_kind") == SourceKind.SCHEDULE:
                made.add(each)
        yield from ((each, "its tick was lost") for each in sorted(self._ticks - made))
        yield from ((each, "no tick asked for it") for each in sorted(made - self._ticks))
