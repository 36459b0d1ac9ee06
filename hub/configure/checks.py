"""What a document must say beyond its shape, checked when it is saved. Pure; who names whom is in `references.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from hub.configure.schedule_checks import check_schedule
from hub.configure.webhook_checks import check_webhook
from hub.errors import FieldError, Invalid
from hub.model.configuration import (
    Action,
    EventGridSource,
    EventType,
    Parameter,
    ParameterType,
    Pause,
    Runtime,
    ScheduleSource,
    SinkType,
    Source,
    WebhookSource,
)
from hub.rules import alerts, expressions, names, redacting
from hub.rules.alerts import Alert

_FUNCTION: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]*(/[A-Za-z0-9_][A-Za-z0-9_. -]*)*")
MOST_SECRETS: Final = 32
"""Of one document: their values go to the sink in one answer."""
NEEDS_OFFSET: Final = "needs its offset from UTC, such as 2030-01-01T00:00:00Z"


def check(document: SinkType | Action | EventType | Source, *, front_end: bool = False) -> list[FieldError]:
    """Everything that is wrong with it, taken by itself. `front_end`: a setting names who tells callers' addresses."""
    match document:
        case SinkType():
            return list(_sink_type(document))
        case Action():
            return list(_action(document))
        case EventType():
            return list(_event_type(document))
        case _:
            return list(_source(document, front_end))


def _sink_type(document: SinkType) -> Iterator[FieldError]:
    yield from _pause(document.pause)


def _action(document: Action) -> Iterator[FieldError]:
    yield from _module(document)
    yield from _parameters(document.parameters)


def _event_type(document: EventType) -> Iterator[FieldError]:
    yield from _reserved(document.name)
    yield from _redact(document.redact)
    yield from _pause(document.pause)
    yield from _parameters(document.parameters)
    for field in ("filter", "payload"):
        expression = getattr(document, field)
        if expression is not None:
            yield from _expression(field, expression)
    yield from _no_repetition("sources", document.sources)


def _redact(paths: Sequence[str]) -> Iterator[FieldError]:
    if len(paths) > redacting.MOST_PATHS:
        yield FieldError("redact", f"are more than {redacting.MOST_PATHS} paths, which is the most")
    for index, path in enumerate(paths):
        try:
            redacting.path(path)
        except Invalid as error:
            yield FieldError(f"redact[{index}]", str(error))


def _reserved(name: str) -> Iterator[FieldError]:
    if alerts.is_reserved(name) and name.upper() not in set(Alert):
        what = f"begins with {alerts.PREFIX}, as only the hub's own alerts do: {', '.join(Alert)} are allowed"
        yield FieldError("name", what)


def _source(document: Source, front_end: bool) -> Iterator[FieldError]:
    yield from _pause(document.pause)
    yield from _no_repetition("event_types", document.event_types)
    match document:
        case WebhookSource():
            yield from _no_repetition("methods", document.methods)
            yield from check_webhook(document, front_end=front_end)
        case EventGridSource():
            yield from _no_repetition("types", document.types)
            if document.filter is not None:
                yield from _expression("filter", document.filter)
        case ScheduleSource():
            yield from check_schedule(document)


def _pause(pause: Pause | None) -> Iterator[FieldError]:
    if pause is not None and pause.until is not None and pause.until.tzinfo is None:
        yield FieldError("pause.until", NEEDS_OFFSET)


def _module(document: Action) -> Iterator[FieldError]:
    reference = document.module
    if document.runtime is Runtime.PYTHON:
        if not _FUNCTION.fullmatch(reference):
            yield FieldError("module", "for the runtime python it names a function: package.module:function")
    elif not _FILE.fullmatch(reference):
        where = "below the sink's module folder or in its bundle"
        what = f"is a path {where}: names of letters, digits, _ . - and spaces, joined by /"
        yield FieldError("module", what)
    elif document.runtime is Runtime.POWERSHELL and not reference.lower().endswith(".ps1"):
        yield FieldError("module", "for the runtime powershell it names a script that ends in .ps1")


def _parameters(parameters: Sequence[Parameter]) -> Iterator[FieldError]:
    yield from _no_repetition("parameters", [each.name for each in parameters], ".name")
    if sum(each.type is ParameterType.SECRET for each in parameters) > MOST_SECRETS:
        yield FieldError("parameters", f"are more than {MOST_SECRETS} of type SECRET, which is the most")
    for index, parameter in enumerate(parameters):
        field = f"parameters[{index}].value"
        if parameter.type is ParameterType.STATIC:
            continue
        if not isinstance(parameter.value, str):
            what = "a JMESPath into the payload" if parameter.type is ParameterType.DATA else "the name of a secret"
            yield FieldError(field, f"of a {parameter.type} parameter is {what}, as a string")
        elif parameter.type is ParameterType.DATA:
            yield from _expression(field, parameter.value)
        elif not names.is_secret_name(parameter.value):
            yield FieldError(field, "is not the name of a secret, which has 1 to 127 letters, digits and dashes")


def _expression(field: str, expression: str) -> Iterator[FieldError]:
    try:
        expressions.check(expression)
    except Invalid as error:
        yield FieldError(field, str(error))


def _no_repetition(field: str, listed: Sequence[str], suffix: str = "") -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, name in enumerate(listed):
        if name.casefold() in seen:
            yield FieldError(f"{field}[{index}]{suffix}", f"{name} is there already; upper and lower case are the same")
        seen.add(name.casefold())
