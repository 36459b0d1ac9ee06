"""What is taken but will hardly be meant: EventTypes that no sink can run, webhooks that anybody may call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.configure.warnings import WarningCode, sinks_asked_about, warnings
from hub.model.configuration import Action, EventType, Kind, Runtime, SourceKind, WebhookSource
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot
from hub.model.verification import NoVerification, Shared, Verification
from hub.rules.routing import Lack
from tests.unit.factories import NOW

POOL = "PYTHON:BASE"
NAMED = [(Kind.EVENT_TYPE, "clean")]


def sink(name: str, sink_type: str = POOL) -> Sink:
    return Sink(name=name, sink_type=sink_type, enrolled_at=NOW)


def presence(name: str = "a", **fields: Any) -> Presence:
    base: dict[str, Any] = {
        "instance": "i", "version": "1", "slots": 1, "running": 0, "seen_at": NOW, "offline_after_seconds": 60,
        "runtimes": ("python", "shell"), "modules": ("clean", "clean.sh"),
    }  # fmt: skip
    return Presence(**{"sink": name, **base, **fields})


def snapshot(
    sinks: list[Sink], pinned: str | None = None, verify: Verification | None = None, **action: Any
) -> Snapshot:
    source = WebhookSource(
        name="Hook", kind=SourceKind.WEBHOOK, event_types=("CLEAN",), verify=verify or NoVerification()
    )
    return Snapshot(
        version="v",
        sinks={each.name: each for each in sinks},
        actions={"do": Action(**{"name": "DO", "runtime": Runtime.PYTHON, "module": "clean:run", **action})},
        event_types={"clean": EventType(name="CLEAN", sink_type=POOL, sink=pinned, action="do")},
        sources={"hook": source},
    )


@pytest.mark.parametrize(
    ("name", "sources", "warned"),
    [
        ("HUB.FAILED", (SourceKind.MANUAL,), True),
        ("hub.failed", (SourceKind.MANUAL, SourceKind.HUB), False),
        ("CLEAN", (SourceKind.MANUAL,), False),
    ],
)
def test_an_alert_that_the_hub_may_not_fire(name: str, sources: tuple[SourceKind, ...], warned: bool) -> None:
    event_type = EventType(name=name, sink_type=POOL, action="do", sources=sources)
    seen = snapshot([sink("a")])
    seen = replace(seen, event_types={name.casefold(): event_type})
    found = warnings([(Kind.EVENT_TYPE, name)], seen, {}, NOW)
    said = "sources leaves out HUB: the hub does not fire it"
    assert [(each.code, each.message) for each in found] == [(WarningCode.NEVER_FIRED, said)] * warned


SHELL = {"runtime": Runtime.SHELL, "module": "other.sh"}
AWAY = timedelta(days=9)


@pytest.mark.parametrize(
    ("sinks", "presences", "pinned", "action", "code", "said"),
    [
        pytest.param([sink("z", "OTHER")], [], None, {}, "NO_SINK_ENROLLED",
                     "no sink of the type PYTHON:BASE is enrolled", id="none enrolled"),
        pytest.param([sink("a")], [], "b", {}, "PINNED_SINK_GONE", "the sink b is not enrolled", id="pinned, gone"),
        pytest.param([sink("a")], [], None, {}, None, "", id="none has introduced itself"),
        pytest.param([sink("a")], [presence(seen_at=NOW - AWAY)], None, {}, None, "", id="away, and it has all"),
        pytest.param(
            [sink("a"), sink("b")], [presence(), presence("b", seen_at=NOW - AWAY)], None,
            {"runtime": Runtime.POWERSHELL, "module": "c.ps1"}, "RUNTIME_MISSING",
            "none of the 2 sinks of the type PYTHON:BASE that have introduced themselves has the runtime powershell",
            id="no runtime",
        ),
        pytest.param(
            [sink("a"), sink("b")], [presence(runtimes=("exec",))], None, {}, "RUNTIME_MISSING",
            "the sink a does not have the runtime python: its events fail there", id="the one that has said something",
        ),
        pytest.param([sink("a")], [presence()], None, SHELL, "MODULE_NOT_INSTALLED",
                     "the sink a does not list the module other.sh: its events fail there", id="no script"),
        pytest.param(
            [sink("a"), sink("b")], [presence(), presence("b", modules=("other.sh",))], None, SHELL, None, "",
            id="one has the script",
        ),
        pytest.param(
            [sink("a"), sink("b")], [presence(), presence("b", modules=("other.sh",))], "A", SHELL,
            "MODULE_NOT_INSTALLED", "the sink a does not list the module other.sh", id="pinned to the one that has not",
        ),
        pytest.param([sink("a")], [presence()], "a", {"runtime": Runtime.EXEC}, "RUNTIME_MISSING",
                     "the sink a does not have the runtime exec", id="pinned, no runtime"),
        pytest.param([sink("a")], [presence()], None, {"module": "other:run"}, "MODULE_NOT_INSTALLED",
                     "does not list the module other:run: its events fail there, but it may be installed", id="Python"),
        pytest.param([sink("a")], [presence()], None, {"runtime": Runtime.SHELL, "module": "other"},
                     "MODULE_NOT_INSTALLED", "but it may be there without leave to be executed", id="no suffix"),
        pytest.param([sink("a")], [presence(bundles=("fetch",))], None, {"bundle": "b@1", "module": "x:y"}, None, "",
                     id="brought along"),
        pytest.param([sink("a")], [presence()], None, {"bundle": "b@1", "module": "x:y"}, "MODULE_NOT_TAKEN",
                     "takes the bundle b@1: it fetches none", id="fetches none"),
        pytest.param([sink("a")], [presence(runtimes=("shell",), bundles=("fetch",))], None, {"bundle": "b@1"},
                     "RUNTIME_MISSING", "the runtime python", id="fetches it, and cannot start it"),
        pytest.param([sink("a")], [presence(bundles=("fetch", "signed-by:k"))], None, {}, "MODULE_NOT_TAKEN",
                     "it runs signed bundles only", id="runs signed bundles only"),
    ],
)  # fmt: skip
def test_an_event_type(
    sinks: list[Sink], presences: list[Presence], pinned: str | None, action: dict[str, Any], code: str | None,
    said: str,
) -> None:  # fmt: skip
    seen = snapshot(sinks, pinned, **action)
    told = {each.sink: each for each in presences}
    found = warnings(NAMED, seen, told, NOW)
    assert [each.code for each in found] == ([code] if code else [])
    assert all(said in each.message and each.document == "event-types/CLEAN" for each in found)
    assert warnings([(Kind.ACTION, "Do")], seen, told, NOW) == found, "an action is said of through who runs it"
    assert warnings([(Kind.SINK_TYPE, POOL), (Kind.ACTION, "other")], seen, told, NOW) == ()


def test_a_webhook_that_anybody_may_call() -> None:
    named = [(Kind.SOURCE, "Hook")]
    (found,) = warnings(named, snapshot([]), {}, NOW)
    assert (found.document, found.code) == ("sources/Hook", WarningCode.VERIFY_NONE)
    verified = snapshot([], verify=Shared(preset="shared", secret="s", header="x-key"))
    assert warnings(named, verified, {}, NOW) == ()


def test_which_sinks_are_asked_about() -> None:
    sinks = [sink("a"), sink("b"), sink("z", "OTHER")]
    assert [each.name for each in sinks_asked_about(NAMED, snapshot(sinks))] == ["a", "b"]
    assert [each.name for each in sinks_asked_about(NAMED, snapshot(sinks, "b"))] == ["b"]
    assert sinks_asked_about([(Kind.SOURCE, "hook"), (Kind.SINK_TYPE, POOL)], snapshot(sinks)) == ()


def test_the_codes_are_those_of_explain() -> None:
    assert {each.value for each in Lack} <= {each.value for each in WarningCode}
