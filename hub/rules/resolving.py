"""What an attempt runs, from the configuration of the moment: action, parameters, time-outs, follow-ons. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hub.errors import NexomaticError
from hub.model.configuration import Action, EventType, OnLost, Parameter, ParameterType, RetryPolicy
from hub.model.event import Code, Run
from hub.model.snapshot import Snapshot
from hub.rules.lifecycle import Edges


class Unresolvable(NexomaticError):
    """The event cannot run under today's configuration."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an attempt needs but the values that come from its payload."""

    event_type: EventType
    action: Action
    run: Run
    edges: Edges
    parameters: tuple[Parameter, ...]

    @property
    def retry(self) -> RetryPolicy:
        return self.event_type.retry

    @property
    def confirm(self) -> bool:
        """Work that must never start twice starts only once its claim is confirmed."""
        return self.retry.on_lost is OnLost.FAIL


def plan(event_type_name: str, snapshot: Snapshot, default_lease_seconds: int) -> Plan:
    """What this EventType runs today. Raises `Unresolvable` when it, or what it names, is gone."""
    event_type = snapshot.event_type(event_type_name)
    if event_type is None:
        raise Unresolvable(Code.CONFIGURATION_MISSING, f"there is no event type {event_type_name} any more")
    action = snapshot.action(event_type.action)
    if action is None:
        raise Unresolvable(Code.CONFIGURATION_MISSING, f"there is no action {event_type.action} any more")
    parameters = merged(action.parameters, event_type.parameters)
    run = Run(
        action=action.name,
        runtime=action.runtime,
        module=action.module,
        bundle=action.bundle,
        timeout_seconds=event_type.timeout_seconds or action.timeout_seconds,
        lease_seconds=event_type.lease_seconds or default_lease_seconds,
        configuration=snapshot.version,
        parameters={each.name: origin(each) for each in parameters},
    )
    return Plan(event_type, action, run, edges(action), parameters)


def edges(action: Action) -> Edges:
    """Which EventTypes follow this action."""
    return Edges(action.on_success, action.on_warning, action.on_failure)


def edges_today(event_type_name: str, snapshot: Snapshot) -> Edges:
    """Which EventTypes would follow an event that was never claimed; none when its configuration is gone."""
    event_type = snapshot.event_type(event_type_name)
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
