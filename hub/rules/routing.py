"""Which sinks could run an EventType, whether they are there or not. Pure.

A sink could run it when it is enrolled where the EventType's events go, and has not said that it lacks what they need.
One that has never introduced itself has said nothing. What a sink lists of its modules is what lies at the top of its
module folders: it tells for certain that a script is not there, but a Python module may also be installed with the
interpreter, and what lies deeper is not listed. What a bundle brings along no sink has to list: it has to fetch it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hub.model.configuration import Action, EventType, Runtime
from hub.model.event import Run
from hub.model.sink import Presence, Sink, SinkState
from hub.model.snapshot import Snapshot
from hub.rules.presence import state_of

MOST_LISTED: Final = 500
"""So many modules a sink lists at most (`wire.Capabilities`): of a full list what is missing may only be left out."""
_FETCHES: Final = "fetch"
_SIGNED_BY: Final = "signed-by:"
"""In what a sink says of bundles (`wire.Capabilities`)."""
_SCRIPTS: Final = (".sh", ".ps1")
"""What is listed whether it may be executed or not."""


class Lack(StrEnum):
    """Why no sink could run it."""

    NO_SINK_ENROLLED = "NO_SINK_ENROLLED"
    PINNED_SINK_GONE = "PINNED_SINK_GONE"
    RUNTIME_MISSING = "RUNTIME_MISSING"
    MODULE_NOT_INSTALLED = "MODULE_NOT_INSTALLED"
    MODULE_NOT_TAKEN = "MODULE_NOT_TAKEN"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a sink must have."""

    runtime: Runtime
    module: str
    bundle: str | None = None
    """What brings the module along; None: it is installed."""
    key_id: str | None = None
    """Whose signature the bundle carries."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Who could run an EventType."""

    enrolled: tuple[Sink, ...]
    """All that take its events."""
    could: tuple[Sink, ...]
    """Those of them that do not lack what it needs, there or not."""
    online: tuple[Sink, ...]
    """Those of `could` that are there and take work. One that drains takes none."""
    lack: Lack | None
    """Why none could; None: some could."""
    since: datetime | None
    """Since when none of `could` is online, as far as is known: when the last of them was seen. None: one is online
    or drains, or none could, or none of them was ever there."""


def needs_of(of: Action | Run | None, snapshot: Snapshot) -> Needs | None:
    """What an action, or an attempt as recorded, asks of a sink; None: it is gone."""
    if of is None:
        return None
    bundle = None
    if of.bundle is not None:
        digest = of.bundle_digest if isinstance(of, Run) else None
        bundle = snapshot.bundle_of(digest) if digest is not None else snapshot.bundle(of.bundle)
    return Needs(of.runtime, of.module, of.bundle, bundle.key_id if bundle is not None else None)


def takers(event_type: EventType, snapshot: Snapshot) -> tuple[Sink, ...]:
    """The enrolled sinks that take its events: those of its pool, or the one to which it is pinned."""
    if event_type.sink is not None:
        sink = snapshot.sink(event_type.sink)
        return () if sink is None else (sink,)
    return pool(event_type.sink_type, snapshot)


def pool(sink_type: str, snapshot: Snapshot) -> tuple[Sink, ...]:
    """The enrolled sinks of a SinkType."""
    wanted = sink_type.casefold()
    return tuple(each for each in snapshot.sinks.values() if each.sink_type.casefold() == wanted)


def routing(
    event_type: EventType, needs: Needs | None, snapshot: Snapshot, presences: Mapping[str, Presence], now: datetime
) -> Routing:
    """Who could run this EventType. `presences`: by name as enrolled, of its `takers` at least."""
    enrolled = takers(event_type, snapshot)
    could = tuple(each for each in enrolled if lacks(presences.get(each.name), needs) is None)
    states = [state_of(presences.get(each.name), now, each) for each in could]
    seen = [presences[each.name].seen_at for each in could if each.name in presences]
    return Routing(
        enrolled=enrolled,
        could=could,
        online=tuple(each for each, state in zip(could, states, strict=True) if state is SinkState.ONLINE),
        lack=None if could else _lack(event_type, needs, enrolled, presences),
        since=max(seen) if seen and set(states) == {SinkState.OFFLINE} else None,
    )


def lacks(presence: Presence | None, needs: Needs | None) -> Lack | None:
    """What a sink is known to lack."""
    if presence is None or needs is None or not presence.runtimes:
        return None  # it has never said what it has
    if needs.runtime not in presence.runtimes:
        return Lack.RUNTIME_MISSING
    if not takes(presence, needs):
        return Lack.MODULE_NOT_TAKEN
    if not lists(presence, needs) and _is_always_listed(needs):
        return Lack.MODULE_NOT_INSTALLED
    return None


def takes(presence: Presence, needs: Needs) -> bool:
    """Whether it would run such code: it fetches bundles, and trusts who signed it where it asks for that."""
    trusted = {each.removeprefix(_SIGNED_BY) for each in presence.bundles if each.startswith(_SIGNED_BY)}
    if needs.bundle is None:
        return not trusted
    return _FETCHES in presence.bundles and (not trusted or needs.key_id in trusted)


def not_taken(needs: Needs) -> str:
    """Why a sink may not take it, in words that end a sentence."""
    if needs.bundle is None:
        return f"the module {needs.module}, which is in no bundle: it runs signed bundles only"
    return f"the bundle {needs.bundle}: it fetches none, or trusts nobody who signed it"


def lists(presence: Presence, needs: Needs) -> bool:
    """Whether it names the module, or may have left it out of its list. Not for certain that it lacks it if not."""
    if needs.bundle is not None or len(presence.modules) >= MOST_LISTED:
        return True
    wanted = needs.module
    if needs.runtime is Runtime.PYTHON:
        wanted = needs.module.partition(":")[0].partition(".")[0]
    elif "/" in wanted:
        return True  # what lies deeper is not listed
    else:
        wanted = wanted.removesuffix(".py")  # which is listed as a Python module is
    if wanted.startswith(("_", ".")):
        return True
    # Without regard to case: on Windows files have none.
    return wanted.casefold() in {each.casefold() for each in presence.modules}


def doubt(needs: Needs) -> str:
    """How a sink may have a module nevertheless that it does not list and does not lack for certain."""
    if needs.runtime is Runtime.PYTHON:
        return "it may be installed with the interpreter"
    return "it may be there without leave to be executed, which a script does not need"


def _is_always_listed(needs: Needs) -> bool:
    """Whether a sink that does not list it cannot run it."""
    return needs.runtime is Runtime.EXEC or (needs.runtime is not Runtime.PYTHON and needs.module.endswith(_SCRIPTS))


def _lack(
    event_type: EventType, needs: Needs | None, enrolled: Sequence[Sink], presences: Mapping[str, Presence]
) -> Lack:
    if not enrolled:
        return Lack.PINNED_SINK_GONE if event_type.sink is not None else Lack.NO_SINK_ENROLLED
    found = {lacks(presences.get(each.name), needs) for each in enrolled}
    # Where some have the runtime, that is not what is missing.
    order = (Lack.MODULE_NOT_INSTALLED, Lack.MODULE_NOT_TAKEN)
    return next((each for each in order if each in found), Lack.RUNTIME_MISSING)
