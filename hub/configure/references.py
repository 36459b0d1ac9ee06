"""Who names whom in the configuration. Pure: asked of a snapshot, before a change and of what it would lead to."""

from __future__ import annotations

from collections.abc import Iterator

from hub.model.configuration import Action, EventType, ParameterType, SinkType, Source, SourceKind, WebhookSource
from hub.model.sink import Sink
from hub.model.snapshot import Snapshot
from hub.storage.configuration import Configuration, RowKind

EDGES = ("on_success", "on_warning", "on_failure")


def who_names(kind: RowKind, name: str, configuration: Configuration) -> list[str]:
    """Everything that names this, as `event-types/DISK_CLEANUP`."""
    wanted = name.casefold()
    snapshot = configuration.snapshot
    match kind:
        case RowKind.SINK_TYPE:
            return [*_naming_sink_type(wanted, snapshot), *_enrolments(wanted, configuration)]
        case RowKind.ACTION:
            return _event_types(each for each in snapshot.event_types.values() if each.action.casefold() == wanted)
        case RowKind.EVENT_TYPE:
            return [*_actions_leading_to(wanted, snapshot), *_sources_firing(wanted, snapshot)]
        case RowKind.SINK:
            return _event_types(
                each for each in snapshot.event_types.values() if (each.sink or "").casefold() == wanted
            )
        case RowKind.MODULE:
            running = (each for each in snapshot.actions.values() if (each.bundle or "").casefold() == wanted)
            return [f"actions/{each.name}" for each in running]
        case RowKind.SECRET:
            return _naming_secret(wanted, configuration)
        case _:
            return []


def named_secrets(document: object) -> Iterator[tuple[str, str]]:
    """The secrets a document names: (field, name). Every kind of document that can name one is here."""
    if isinstance(document, Action | EventType):
        for index, parameter in enumerate(document.parameters):
            if parameter.type is ParameterType.SECRET and isinstance(parameter.value, str):  # else `checks` refuses it
                yield f"parameters[{index}].value", parameter.value
    if isinstance(document, WebhookSource):
        for field, name in zip(("secret", "previous_secret"), document.verify.secret_names, strict=False):
            yield f"verify.{field}", name


def missing_secrets(configuration: Configuration) -> dict[str, list[str]]:
    """Secrets that documents name and that are not there, each with who names it."""
    found: dict[str, list[str]] = {}
    for entry in configuration.entries.values():
        for name in dict.fromkeys(name for _, name in named_secrets(entry.model)):
            if configuration.snapshot.secret(name) is None:
                found.setdefault(name, []).append(f"{entry.kind}/{entry.name}")
    return found


def missing(document: SinkType | Action | EventType | Source, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What a document names that is not there, or is not to be named by it: (field, what is wrong)."""
    match document:
        case EventType():
            yield from _missing_of_event_type(document, snapshot)
        case Action():
            if document.bundle is not None and snapshot.bundle(document.bundle) is None:
                yield (
                    "bundle",
                    f"there is no bundle {document.bundle}: push it first, with nexo modules push",
                )
            for edge in EDGES:
                target = getattr(document, edge)
                if target is not None:
                    yield from _missing_target(edge, target, SourceKind.FOLLOW_ON, snapshot)
        case SinkType():
            return
        case _:
            for index, name in enumerate(document.event_types):
                yield from _missing_target(f"event_types[{index}]", name, document.kind, snapshot)


def _missing_of_event_type(document: EventType, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    if snapshot.sink_type(document.sink_type) is None:
        yield "sink_type", f"there is no sink type {document.sink_type}"
    if snapshot.action(document.action) is None:
        yield "action", f"there is no action {document.action}"
    if document.sink is None:
        return
    sink = snapshot.sink(document.sink)
    if sink is None:
        yield "sink", f"there is no sink {document.sink}"
    elif sink.sink_type.casefold() != document.sink_type.casefold():
        yield "sink", f"the sink {sink.name} is of the sink type {sink.sink_type}, not {document.sink_type}"


def _missing_target(field: str, name: str, kind: SourceKind, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    event_type = snapshot.event_type(name)
    if event_type is None:
        yield field, f"there is no event type {name}"
    elif kind not in event_type.sources:
        allowed = ", ".join(event_type.sources) or "none"
        yield field, f"the event type {event_type.name} may not be fired by {kind}; its sources are {allowed}"


def _naming_sink_type(wanted: str, snapshot: Snapshot) -> list[str]:
    types = _event_types(each for each in snapshot.event_types.values() if each.sink_type.casefold() == wanted)
    return types + _sinks(each for each in snapshot.sinks.values() if each.sink_type.casefold() == wanted)


def _enrolments(wanted: str, configuration: Configuration) -> list[str]:
    found = configuration.of(RowKind.ENROLMENT)
    return [f"enrolments/{each.name}" for each in found if getattr(each.model, "sink_type", "").casefold() == wanted]


def _naming_secret(wanted: str, configuration: Configuration) -> list[str]:
    return [
        f"{entry.kind}/{entry.name}"
        for _, entry in sorted(configuration.entries.items())
        if wanted in (name.casefold() for _, name in named_secrets(entry.model))
    ]


def _actions_leading_to(wanted: str, snapshot: Snapshot) -> list[str]:
    leading = (each for each in snapshot.actions.values() if _leads_to(each, wanted))
    return [f"actions/{each.name}" for each in leading]


def _leads_to(action: Action, wanted: str) -> bool:
    return any((getattr(action, edge) or "").casefold() == wanted for edge in EDGES)


def _sources_firing(wanted: str, snapshot: Snapshot) -> list[str]:
    return [
        f"sources/{source.name}"
        for source in snapshot.sources.values()
        if wanted in (name.casefold() for name in source.event_types)
    ]


def _event_types(found: Iterator[EventType]) -> list[str]:
    return [f"event-types/{each.name}" for each in found]


def _sinks(found: Iterator[Sink]) -> list[str]:
    return [f"sinks/{each.name}" for each in found]
