"""What is taken but will hardly be meant: an EventType that no sink can run or nobody fires, an open webhook. Pure.

Warnings hinder nothing: a configuration may well be written before its sinks are enrolled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hub.model.configuration import EventType, Kind, SourceKind, WebhookSource
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot
from hub.model.verification import NoVerification
from hub.rules.alerts import is_reserved
from hub.rules.routing import Lack, Needs, doubt, lacks, lists, needs_of, not_taken, routing, takers, takes


class WarningCode(StrEnum):
    """What is warned of. Those about sinks are named as explain names them."""

    NO_SINK_ENROLLED = "NO_SINK_ENROLLED"
    PINNED_SINK_GONE = "PINNED_SINK_GONE"
    RUNTIME_MISSING = "RUNTIME_MISSING"
    MODULE_NOT_INSTALLED = "MODULE_NOT_INSTALLED"
    MODULE_NOT_TAKEN = "MODULE_NOT_TAKEN"
    VERIFY_NONE = "VERIFY_NONE"
    NEVER_FIRED = "NEVER_FIRED"


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning about one document."""

    document: str
    """`event-types/DISK_CLEANUP`."""
    code: WarningCode
    message: str


Named = Collection[tuple[Kind, str]]
"""Documents, by kind and name."""


def sinks_asked_about(named: Named, snapshot: Snapshot) -> tuple[Sink, ...]:
    """The sinks whose presences tell whether there is something to warn of."""
    found = {sink.name: sink for each in _event_types(named, snapshot) for sink in takers(each, snapshot)}
    return tuple(found.values())


def warnings(named: Named, snapshot: Snapshot, presences: Mapping[str, Presence], now: datetime) -> tuple[Warned, ...]:
    """What is to be said of documents that were saved: of these, and of the EventTypes that run an action of these.

    `presences`: by name as enrolled, of `sinks_asked_about`.
    """
    found = [_of_event_type(each, snapshot, presences, now) for each in _event_types(named, snapshot)]
    found += [_of_alert(each) for each in _event_types(named, snapshot)]
    found += [_of_source(snapshot.source(name)) for kind, name in named if kind is Kind.SOURCE]
    return tuple(each for each in found if each is not None)


def _event_types(named: Named, snapshot: Snapshot) -> Iterator[EventType]:
    """Those that are named, and those whose action is."""
    wanted = {(kind, name.casefold()) for kind, name in named}
    for name, each in snapshot.event_types.items():
        if (Kind.EVENT_TYPE, name) in wanted or (Kind.ACTION, each.action.casefold()) in wanted:
            yield each


def _of_event_type(
    event_type: EventType, snapshot: Snapshot, presences: Mapping[str, Presence], now: datetime
) -> Warned | None:
    needs = needs_of(snapshot.action(event_type.action), snapshot)
    found = routing(event_type, needs, snapshot, presences, now)
    told = [presences[each.name] for each in found.enrolled if each.name in presences]
    told = [each for each in told if each.runtimes]
    code = _lack(found.lack, needs, told)
    if code is None:
        return None
    where = f"the sink {event_type.sink}" if event_type.sink is not None else f"the type {event_type.sink_type}"
    message = _message(code, where, needs, told)
    return Warned(f"{Kind.EVENT_TYPE}/{event_type.name}", WarningCode(code), message)


def _lack(known: Lack | None, needs: Needs | None, told: list[Presence]) -> Lack | None:
    """What no sink has that has introduced itself: one that has not may have everything, but none is known to."""
    if known is not None or needs is None or not told:
        return known
    able = [each for each in told if needs.runtime in each.runtimes]
    if not able:
        return Lack.RUNTIME_MISSING
    if not any(takes(each, needs) for each in able):
        return Lack.MODULE_NOT_TAKEN
    return None if any(lists(each, needs) for each in able) else Lack.MODULE_NOT_INSTALLED


def _message(code: Lack, where: str, needs: Needs | None, told: Sequence[Presence]) -> str:
    if code is Lack.NO_SINK_ENROLLED:
        return f"no sink of {where} is enrolled: its events wait until one is"
    if code is Lack.PINNED_SINK_GONE:
        return f"{where} is not enrolled: its events wait until it is"
    assert needs is not None
    if code is Lack.MODULE_NOT_TAKEN:
        return f"no sink of {where} that has introduced itself takes {not_taken(needs)}: its events fail there"
    has = f"the runtime {needs.runtime}" if code is Lack.RUNTIME_MISSING else f"the module {needs.module}"
    verb, plural = _VERBS[code]
    who = f"the sink {told[0].sink} does not {verb}"
    if len(told) > 1:
        who = f"none of the {len(told)} sinks of {where} that have introduced themselves {plural}"
    if code is Lack.RUNTIME_MISSING or all(lacks(each, needs) for each in told):
        return f"{who} {has}: its events fail there"
    return f"{who} {has}: its events fail there, but {doubt(needs)}"


_VERBS: Final = {Lack.RUNTIME_MISSING: ("have", "has"), Lack.MODULE_NOT_INSTALLED: ("list", "lists")}


def _of_alert(event_type: EventType) -> Warned | None:
    if not is_reserved(event_type.name) or SourceKind.HUB in event_type.sources:
        return None
    what = "sources leaves out HUB: the hub does not fire it"
    return Warned(f"{Kind.EVENT_TYPE}/{event_type.name}", WarningCode.NEVER_FIRED, what)


def _of_source(source: object) -> Warned | None:
    if not isinstance(source, WebhookSource) or not isinstance(source.verify, NoVerification):
        return None
    what = "verify is none: whoever knows the address may fire it, and addresses are seen in logs"
    return Warned(f"{Kind.SOURCE}/{source.name}", WarningCode.VERIFY_NONE, what)
