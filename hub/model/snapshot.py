"""The whole configuration as it stood at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.model.bundle import Bundle
from hub.model.configuration import Action, EventType, RetryPolicy, SinkType, Source
from hub.model.secret import SecretInfo
from hub.model.sink import Sink
from hub.model.standing import Standing


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the configuration. Names are looked up without regard to case."""

    version: str
    sink_types: Mapping[str, SinkType] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    event_types: Mapping[str, EventType] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    secrets: Mapping[str, SecretInfo] = field(default_factory=dict)
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    """By `name@version`."""
    schedules: Mapping[str, Standing] = field(default_factory=dict)
    """How each source that is a schedule stands."""

    def sink_type(self, name: str) -> SinkType | None:
        return self.sink_types.get(name.casefold())

    def action(self, name: str) -> Action | None:
        return self.actions.get(name.casefold())

    def event_type(self, name: str) -> EventType | None:
        return self.event_types.get(name.casefold())

    def source(self, name: str) -> Source | None:
        return self.sources.get(name.casefold())

    def standing(self, source: str) -> Standing | None:
        return self.schedules.get(source.casefold())

    def sink(self, name: str) -> Sink | None:
        return self.sinks.get(name.casefold())

    def secret(self, name: str) -> SecretInfo | None:
        return self.secrets.get(name.casefold())

    def bundle(self, name: str) -> Bundle | None:
        return self.bundles.get(name.casefold())

    def bundle_of(self, digest: str) -> Bundle | None:
        """One with these bytes."""
        return next((each for each in self.bundles.values() if each.digest == digest), None)

    def retry_policy(self, event_type: str) -> RetryPolicy:
        """How today's configuration retries this EventType; the default when it is gone."""
        found = self.event_type(event_type)
        return found.retry if found else RetryPolicy()

    def pinned(self, sink: str) -> bool:
        """Whether any EventType names this one sink, so that its own queue is in use."""
        wanted = sink.casefold()
        return any(each.sink is not None and each.sink.casefold() == wanted for each in self.event_types.values())
