"""What an attempt runs, from the configuration of the moment: action, parameters, time-outs, follow-ons. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub.errors import NexomaticError
from hub.model.bundle import Bundle
from hub.model.configuration import Action, EventType, OnLost, Parameter, ParameterType, RetryPolicy
from hub.model.event import Code, Event, Recorded, Run
from hub.model.snapshot import Snapshot
from hub.rules import strict_json
from hub.rules.lifecycle import Edges

MOST_STATIC_BYTES: Final = 32 * 1024
"""STATIC parameters up to this size are kept with the attempt, so that it can be repeated as it was."""


class Unresolvable(NexomaticError):
    """The event cannot run under today's configuration."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an attempt needs but the values that come from its payload."""

    event_type: EventType
    run: Run
    edges: Edges
    parameters: tuple[Parameter, ...]
    bundle: Bundle | None = None

    @property
    def retry(self) -> RetryPolicy:
        return self.event_type.retry

    @property
    def confirm(self) -> bool:
        """Work that must never start twice starts only once its claim is confirmed."""
        return self.retry.on_lost is OnLost.FAIL

    @property
    def static(self) -> bytes | None:
        """The values of the STATIC parameters, for the record of the attempt; None: none, or too large to keep."""
        values = {each.name: each.value for each in self.parameters if each.type is ParameterType.STATIC}
        text = strict_json.write(values) if values else b""
        return text if 0 < len(text) <= MOST_STATIC_BYTES else None


def plan(event: Event, snapshot: Snapshot, default_lease_seconds: int) -> Plan:
    """What this event runs today, or as it was recorded. Raises `Unresolvable` when what it needs is gone."""
    event_type = snapshot.event_type(event.event_type)
    if event_type is None:
        raise Unresolvable(Code.CONFIGURATION_MISSING, f"there is no event type {event.event_type} any more")
    if event.recorded is not None:
        recorded = Recorded.model_validate_json(event.recorded)
        bundle = _recorded_bundle(recorded.run, snapshot)
        return Plan(event_type, recorded.run, edges(recorded), _recorded_parameters(recorded), bundle)
    action = snapshot.action(event_type.action)
    if action is None:
        raise Unresolvable(Code.CONFIGURATION_MISSING, f"there is no action {event_type.action} any more")
    parameters = merged(action.parameters, event_type.parameters)
    bundle = snapshot.bundle(action.bundle) if action.bundle is not None else None
    if bundle is None and action.bundle is not None:
        raise Unresolvable(Code.CONFIGURATION_MISSING, f"there is no bundle {action.bundle} any more")
    run = Run(
        action=action.name,
        runtime=action.runtime,
        module=action.module,
        bundle=action.bundle,
        bundle_digest=bundle.digest if bundle is not None else None,
        bundle_size=bundle.size if bundle is not None else None,
        timeout_seconds=event_type.timeout_seconds or action.timeout_seconds,
        lease_seconds=event_type.lease_seconds or default_lease_seconds,
        configuration=snapshot.version,
        parameters={each.name: origin(each) for each in parameters},
        warning_codes=action.warning_codes,
    )
    return Plan(event_type, run, edges(action), parameters, bundle)


def edges(of: Action | Recorded) -> Edges:
    """Which EventTypes follow."""
    return Edges(of.on_success, of.on_warning, of.on_failure)


def edges_unclaimed(event: Event, snapshot: Snapshot) -> Edges:
    """Which EventTypes follow an event that nobody has claimed; none when its configuration is gone."""
    if event.recorded is not None:
        return edges(Recorded.model_validate_json(event.recorded))
    event_type = snapshot.event_type(event.event_type)
    action = snapshot.action(event_type.action) if event_type else None
    return edges(action) if action else Edges()


def merged(of_action: tuple[Parameter, ...], of_event_type: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """The action's parameters, those of the EventType in place of or beside them."""
    by_name = {each.name.casefold(): each for each in of_action}
    by_name.update({each.name.casefold(): each for each in of_event_type})
    return tuple(by_name.values())


def secrets_of(run: Run) -> dict[str, list[str]]:
    """The secrets an attempt was recorded to need, each with the parameters that name it."""
    found: dict[str, list[str]] = {}
    for parameter, source in run.parameters.items():
        kind, _, name = source.partition(" ")
        if kind == ParameterType.SECRET:
            found.setdefault(name, []).append(parameter)
    return found


def origin(parameter: Parameter) -> str:
    """Where a parameter's value comes from, for the record of the attempt: never the value itself."""
    if parameter.type is ParameterType.STATIC:
        return ParameterType.STATIC.value
    return f"{parameter.type.value} {parameter.value}"


def _recorded_bundle(run: Run, snapshot: Snapshot) -> Bundle | None:
    """The very bytes that it ran, whatever they are called by now."""
    if run.bundle is None:
        return None
    bundle = snapshot.bundle_of(run.bundle_digest or "")
    if bundle is None:
        raise Unresolvable(Code.CONFIGURATION_MISSING, f"there is no bundle {run.bundle} any more")
    return bundle


def _recorded_parameters(recorded: Recorded) -> tuple[Parameter, ...]:
    """The inverse of `origin`, for all of an attempt."""
    found = []
    for name, origin in recorded.run.parameters.items():
        kind, _, where = origin.partition(" ")
        value = recorded.static[name] if kind == ParameterType.STATIC else where
        found.append(Parameter(name=name, type=ParameterType(kind), value=value))
    return tuple(found)
