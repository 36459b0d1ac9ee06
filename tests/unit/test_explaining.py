"""Why an event waits: every condition, its numbers, since when, its words, and which of several is the first."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.configuration import Action, EventType, Runtime, SinkType
from hub.model.event import Code, Event, Outcome, State
from hub.model.secret import SecretInfo
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot
from hub.rules import lifecycle
from hub.rules.explaining import ENDINGS, explain
from hub.rules.explanation import MEANINGS, Effect, Explanation, Facts, Place, Reason
from hub.rules.lifecycle import Report
from hub.rules.resolving import Plan, Unresolvable, plan
from hub.rules.waiting_reasons import CHECKS
from tests.unit.factories import NOW, event, running

POOL = "PYTHON:BASE"


def after(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def sink(name: str, sink_type: str = POOL) -> Sink:
    return Sink(name=name, sink_type=sink_type, enrolled_at=NOW)


def presence(name: str = "a", **fields: Any) -> Presence:
    base: dict[str, Any] = {
        "instance": "i", "version": "1", "slots": 2, "running": 1, "seen_at": after(100), "offline_after_seconds": 60,
        "runtimes": ("python", "shell"), "modules": ("clean", "clean.sh"),
    }  # fmt: skip
    return Presence(**{"sink": name, **base, **fields})


@dataclass
class Case:
    """Facts of an event that nothing is in the way of, and what is different about them."""

    event: Event = field(default_factory=event)
    event_type: dict[str, Any] | None = field(default_factory=dict)
    sink_type: dict[str, Any] = field(default_factory=dict)
    action: dict[str, Any] = field(default_factory=dict)
    sinks: tuple[Sink, ...] = (sink("a"),)
    presences: tuple[Presence, ...] = (presence(),)
    secrets: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def made(self) -> Facts:
        known = {} if self.event_type is None else {"clean": self.event_type}
        types = {
            key: EventType(**{"name": "CLEAN", "sink_type": POOL, "action": "clean", **each})
            for key, each in known.items()
        }
        action = Action(**{"name": "clean", "runtime": Runtime.PYTHON, "module": "clean:run", **self.action})
        snapshot = Snapshot(
            version="v1",
            sink_types={POOL.casefold(): SinkType(name=POOL, **self.sink_type)},
            actions={"clean": action},
            event_types=types,
            sinks={each.name: each for each in self.sinks},
            secrets={name: SecretInfo(name=name, version="1", changed_at=NOW, changed_by="x") for name in self.secrets},
        )
        found = _planned(self.event, snapshot)
        defaults: dict[str, Any] = {
            "plan": found if isinstance(found, Plan) else None,
            "unresolvable": found if isinstance(found, Unresolvable) else None,
        }
        told = {each.sink: each for each in self.presences}
        facts = {"depth": 2, **defaults, **self.facts}  # its own message, and that of what sink a runs
        margin = timedelta(seconds=5)
        return Facts(event=self.event, now=after(100), margin=margin, snapshot=snapshot, presences=told, **facts)


def _planned(waiting: Event, snapshot: Snapshot) -> Plan | Unresolvable:
    try:
        return plan(waiting, snapshot, 30)
    except Unresolvable as why:
        return why


def explained(**fields: Any) -> Explanation:
    return explain(Case(**fields).made())


def failed(**fields: Any) -> Event:
    """Failed once, and put off."""
    held = lifecycle.holding(running())
    report = Report(State.ERROR, Outcome.ERROR, "E", "no")
    return lifecycle.apply(running(), lifecycle.retry(held, report, after(20), fields["until"]))


GONE = presence(seen_at=after(0))
COUNTS: dict[str, float] = {"enrolled": 1, "online": 1, "draining": 0, "running": 1, "slots": 3, "free": 2}
SHELL = {"runtime": Runtime.SHELL, "module": "other.sh"}
SECRET = {"parameters": ({"name": "t", "type": "SECRET", "value": "api-token"},)}
OTHER = Place("the sinks of the type OTHER", (sink("o", "OTHER"),))

# fmt: off
CASES: dict[str, tuple[dict[str, Any], Reason, Effect, dict[str, float], Any, Any, str, str]] = {
    # name: facts, code, effect, numbers, since, until, said of it, what would change it
    "chain": ({"event": event(depth=33)}, Reason.CHAIN_TOO_DEEP, Effect.ENDS, {"depth": 33, "most": 32}, None, None,
              "has led on 32 times", "Nothing"),
    "queue time-out": ({"event_type": {"queue_timeout_seconds": 60}}, Reason.QUEUE_TIMEOUT, Effect.ENDS,
                       {"queue_timeout_seconds": 60}, after(60), None, "did not start by 2026-11-23T12:01:00Z",
                       "PATCH /api/event-types/CLEAN"),
    "back-off": ({"event": failed(until=after(160)), "event_type": {"retry": {"max_attempts": 3}}}, Reason.BACKING_OFF,
                 Effect.WAITS, {"failures": 1, "max_attempts": 3, "seconds": 60}, after(20), after(160),
                 "1 of 3 attempts failed; the next one begins at 2026-11-23T12:02:40Z", "The time"),
    "not before": ({"event": event(not_before=after(130))}, Reason.NOT_BEFORE, Effect.WAITS, {"seconds": 30}, NOW,
                   after(130), "not to run before 2026-11-23T12:02:10Z", "The time"),
    "disabled": ({"event_type": {"enabled": False}}, Reason.EVENT_TYPE_DISABLED, Effect.WAITS, {}, None, None,
                 "event type CLEAN is disabled", 'PATCH /api/event-types/CLEAN {"enabled": true}'),
    "paused": ({"event_type": {"pause": {"note": "move"}}}, Reason.EVENT_TYPE_PAUSED, Effect.WAITS, {}, None, None,
               "event type CLEAN is paused until it is resumed: move", "POST /api/event-types/CLEAN/resume."),
    "pool paused": ({"sink_type": {"pause": {"until": after(200)}}}, Reason.SINK_TYPE_PAUSED, Effect.WAITS, {}, None,
                    after(200), "sink type PYTHON:BASE is paused until 2026-11-23T12:03:20Z.",
                    "POST /api/sink-types/PYTHON:BASE/resume, or its end"),
    "schedule changed": ({"facts": {"schedule": Unresolvable(Code.SCHEDULE_CHANGED, "the schedule s is gone")}},
                         Reason.SCHEDULE_CHANGED, Effect.ENDS, {}, None, None,
                         "It ends at the next look, within 2 minutes: the schedule s is gone.", "Nothing"),
    "schedule paused": ({"facts": {"schedule": Unresolvable(Code.SCHEDULE_PAUSED, "s was paused")}},
                        Reason.SCHEDULE_PAUSED, Effect.ENDS, {}, None, None, "s was paused.", "Nothing"),
    "overlapped": ({"facts": {"schedule": Unresolvable(Code.OVERLAPPED, "X had not ended")}}, Reason.OVERLAPPED,
                   Effect.ENDS, {}, None, None, "next looks into its queue: X had not ended.", "it is skipped"),
    "behind": ({"event": event(source="s"), "facts": {"behind": "X"}}, Reason.PREVIOUS_RUNNING, Effect.WAITS, {}, None,
               None, "The schedule s runs one event after the other, and X, or one before it, has not ended",
               "POST /api/events/X/cancel; or overlap allow: PATCH /api/sources/s"),
    "event type gone": ({"event_type": None}, Reason.CONFIGURATION_MISSING, Effect.ENDS, {}, None, None,
                        "there is no event type CLEAN any more", "Create what is missing"),
    "action gone": ({"event_type": {"action": "x"}}, Reason.CONFIGURATION_MISSING, Effect.ENDS, {}, None, None,
                    "there is no action x any more", "Create what is missing"),
    "message gone": ({"facts": {"depth": 0}}, Reason.MESSAGE_MISSING, Effect.WAITS, {"messages": 0}, None, after(3600),
                     "puts a new one at 2026-11-23T13:00:00Z", "The time"),
    "abandoned": ({"facts": {"elsewhere": OTHER}}, Reason.QUEUE_ABANDONED, Effect.WAITS,
                  {"enrolled": 1, "online": 0, "draining": 0, "running": 0, "slots": 0, "free": 0}, None, after(3600),
                  "The timer puts one where it belongs at 2026-11-23T13:00:00Z", "a sink that looks into that queue"),
    "abandoned by full": ({"facts": {"elsewhere": OTHER}, "presences": (presence(), presence("o", slots=0))},
                          Reason.QUEUE_ABANDONED, Effect.WAITS,
                          {"enrolled": 1, "online": 1, "draining": 0, "running": 1, "slots": 1, "free": 0}, after(100),
                          after(3600), "no sink with a free slot looks now", "run it again"),
    "payload gone": ({"facts": {"unresolvable": Unresolvable(Code.PAYLOAD_MISSING, "no payload"), "plan": None}},
                     Reason.PAYLOAD_MISSING, Effect.ENDS, {}, None, None, "no payload", "fire it anew"),
    "parameter": ({"facts": {"unresolvable": Unresolvable(Code.PARAMETER_FAILED, "x: bad"), "plan": None}},
                  Reason.PARAMETER_FAILED, Effect.ENDS, {}, None, None, "x: bad", "Correct the parameter"),
    "none enrolled": ({"sinks": (sink("z", "OTHER"),)}, Reason.NO_SINK_ENROLLED, Effect.WAITS, {"enrolled": 0}, None,
                      None, "No sink of the type PYTHON:BASE is enrolled", "POST /api/enrolments"),
    "pinned, gone": ({"event_type": {"sink": "z"}}, Reason.PINNED_SINK_GONE, Effect.WAITS, {"enrolled": 0}, None, None,
                     "names the sink z, which is not enrolled", "Enrol a sink of that name"),
    "none came": ({"presences": ()}, Reason.NO_SINK_ONLINE, Effect.WAITS,
                  {"enrolled": 1, "online": 0, "draining": 0, "running": 0, "slots": 0, "free": 0}, None, None,
                  "none ever came", "Start the agent"),
    "none online": ({"sinks": (sink("a"), sink("b")), "presences": (GONE, presence("b", seen_at=after(9)))},
                    Reason.NO_SINK_ONLINE, Effect.WAITS,
                    {"enrolled": 2, "online": 0, "draining": 0, "running": 0, "slots": 0, "free": 0}, after(9), None,
                    "No sink of the type PYTHON:BASE is online, of 2 enrolled; the last was seen at "
                    "2026-11-23T12:00:09Z", "Start the agent"),
    "pinned, away": ({"event_type": {"sink": "A"}, "presences": (GONE,)}, Reason.NO_SINK_ONLINE, Effect.WAITS,
                     {"enrolled": 1, "online": 0, "draining": 0, "running": 0, "slots": 0, "free": 0}, after(0), None,
                     "No sink of the name A is online, of 1 enrolled", "Start the agent"),
    "draining": ({"presences": (presence(draining=True, slots=0),)}, Reason.SINKS_DRAINING, Effect.WAITS,
                 {"enrolled": 1, "online": 0, "draining": 1, "running": 0, "slots": 0, "free": 0}, None, None,
                 "1 of 1 sinks of the type PYTHON:BASE drain", "A sink that stays"),
    "busy": ({"sinks": (sink("a"), sink("b")), "presences": (presence(slots=0, running=4), presence("b", slots=0))},
             Reason.SINKS_BUSY, Effect.WAITS,
             {"enrolled": 2, "online": 2, "draining": 0, "running": 5, "slots": 5, "free": 0}, None, None,
             "Slots of the type PYTHON:BASE in use: 5 of 5", "A task that ends"),
    "no slot": ({"presences": (presence(slots=0, running=0),)}, Reason.SINKS_BUSY, Effect.WAITS,
                {"enrolled": 1, "online": 1, "draining": 0, "running": 0, "slots": 0, "free": 0}, None, None,
                "No sink of the type PYTHON:BASE that is online offers a slot", "A task that ends"),
    "clock": ({"facts": {"clock_is_right": False}}, Reason.HUB_CLOCK_WRONG, Effect.WAITS, {}, None, None,
              "more than 2 s from storage's", "Set the clock right"),
    "crowded": ({"facts": {"crowd": (75, 75)}}, Reason.HUB_CROWDED, Effect.WAITS, {"held": 75, "most": 75}, None, None,
                "holds 75 of 75 requests", "NEXOMATIC_MAX_HELD_POLLS"),
    "max_running": ({"event_type": {"max_running": 3}, "facts": {"running": 3}}, Reason.MAX_RUNNING, Effect.WAITS,
                    {"running": 3, "max_running": 3}, None, None, "3 of 3 attempts of CLEAN", "a higher max_running"),
    "rate": ({"event_type": {"rate_per_minute": 2}, "facts": {"starts_in": 30.0}}, Reason.RATE, Effect.WAITS,
             {"rate_per_minute": 2, "seconds": 30}, None, after(130),
             "2 attempts of CLEAN may start in a minute, and the next one at 2026-11-23T12:02:10Z", "a higher rate"),
    "queue": ({"facts": {"depth": 9}}, Reason.QUEUE_AHEAD, Effect.WAITS, {"waiting": 7, **COUNTS}, None, None,
              "About 7 other events wait in the same queue for 2 free slots", "more slots"),
    "runtime": ({"action": {"runtime": Runtime.POWERSHELL, "module": "clean.ps1"}}, Reason.RUNTIME_MISSING,
                Effect.FAILS, {"sinks": 1, "having_it": 0}, None, None,
                "No sink of the type PYTHON:BASE has the runtime powershell, of 1 that were asked", "Install it"),
    "not taken": ({"presences": (presence(bundles=("signed-by:k",)),)}, Reason.MODULE_NOT_TAKEN, Effect.FAILS,
                  {"sinks": 1, "taking_it": 0}, None, None, "takes the module clean:run, which is in no bundle",
                  "a signature that it trusts"),
    "module": ({"action": SHELL}, Reason.MODULE_NOT_INSTALLED, Effect.FAILS, {"sinks": 1, "listing_it": 0}, None, None,
               "lists the module other.sh, of 1 that were asked. The event will fail there.", "Put it into the module"),
    "secret": ({"action": SECRET}, Reason.SECRET_MISSING, Effect.FAILS, {"missing": 1}, None, None,
               "There is no secret api-token", "PUT /api/secrets/api-token"),
    "moving": ({"facts": {"elsewhere": OTHER}, "presences": (presence(), presence("o"))}, Reason.MOVING, Effect.NONE,
               COUNTS, None, None, "goes to its new queue when one of them next asks", "Nothing needs to"),
    "free": ({}, Reason.ABOUT_TO_RUN, Effect.NONE, COUNTS, None, None, "2 of 3 slots are free on 1 sink",
             "Nothing needs to"),
    "running": ({"event": running(claim={"at": after(80)}), "presences": (presence("sink-1"),)}, Reason.RUNNING,
                Effect.NONE, {"attempt": 1, "failures": 0, "lost": 0, "run_seconds": 70}, after(80), after(110),
                "The sink sink-1 has attempt 1 since 2026-11-23T12:01:20Z. Its lease lasts until 2026-11-23T12:01:50Z",
                "its time-out at 2026-11-23T12:02:50Z, or POST"),
    "in the margin": ({"event": running(claim={"at": after(67)})}, Reason.RUNNING, Effect.NONE,
                      {"attempt": 1, "failures": 0, "lost": 0, "run_seconds": 57}, after(67), after(97),
                      "at 2026-11-23T12:01:42Z it waits again", "its time-out"),
    "past its time": ({"event": running(claim={"at": after(80), "run_until": after(99)})}, Reason.RUNNING, Effect.NONE,
                      {"attempt": 1, "failures": 0, "lost": 0, "run_seconds": -1}, after(80), after(110),
                      "past its time-out: the hub ends it at the sink's next call", "Its end"),
    "unconfirmed": ({"event": running(claim={"at": after(80), "confirm": True})}, Reason.RUNNING, Effect.NONE,
                    {"attempt": 1, "failures": 0, "lost": 0, "run_seconds": 70}, after(80), after(110),
                    "It starts once its first renewal has confirmed the claim", "Its end"),
    "silent holder": ({"event": running(claim={"at": after(80)}), "presences": (presence("sink-1", seen_at=after(5)),)},
                      Reason.RUNNING, Effect.NONE, {"attempt": 1, "failures": 0, "lost": 0, "run_seconds": 70},
                      after(80), after(110), "the sink was last seen at 2026-11-23T12:00:05Z", "Its end"),
    "lost": ({"event": running(claim={"at": after(20)})}, Reason.TAKEOVER, Effect.NONE, {"attempt": 1, "lost": 0},
             after(50), None, "sink-1 has not renewed its lease since 2026-11-23T12:00:50Z. Another sink takes it over "
             "at the second look, 10 s after the first", "The sink's next call"),
    "lost, none there": ({"event": running(claim={"at": after(20)}), "presences": ()}, Reason.NO_SINK_ONLINE,
                         Effect.WAITS, {"enrolled": 1, "online": 0, "draining": 0, "running": 0, "slots": 0, "free": 0},
                         None, None, "none ever came", "Start the agent"),
    "lost for good": ({"event": running(claim={"at": after(20)}), "event_type": {"retry": {"on_lost": "fail"}}},
                      Reason.LOST, Effect.ENDS, {"attempt": 1, "lost": 0}, after(50), None,
                      "It ends at the next look, within 2 minutes: the sink stopped renewing its lease; it may have "
                      "run and must not start twice", "The sink's next call"),
}
# fmt: on


@pytest.mark.parametrize("name", CASES)
def test_every_condition(name: str) -> None:
    fields, code, effect, numbers, since, until, said, change = CASES[name]
    found = explained(**fields)
    assert (found.code, found.found.effect, found.found.since, found.found.until) == (code, effect, since, until)
    assert found.found.numbers == numbers
    assert MEANINGS[code][0] is effect
    assert said in found.found.detail
    assert change in found.found.change
    blocking = [each.code for each in found.conditions if each.found and each.found.effect is not Effect.MAY_FAIL]
    assert blocking == ([code] if code in CHECKS else []), "nothing else is so"


def test_the_table_has_every_code() -> None:
    assert {each[1] for each in CASES.values()} | {Reason.ENDED} == set(Reason)
    assert list(MEANINGS) == list(Reason)
    assert set(ENDINGS) == {*Code}


FIRST = [
    "schedule changed", "chain", "not before", "disabled", "paused", "pool paused", "behind",
    "message gone", "none enrolled", "clock", "crowded",
    "max_running", "rate", "secret",
]  # fmt: skip
"""Conditions of the table that do not exclude one another, in the order in which they are decided."""


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(FIRST, 2)))
def test_of_two_the_one_that_is_decided_first_is_said(first: str, second: str) -> None:
    both = _merged(CASES[first][0], CASES[second][0])
    found = explained(**both)
    assert found.code is CASES[first][1]
    codes = [each.code for each in found.conditions if each.found]
    assert codes == [CASES[first][1], CASES[second][1]]


def _merged(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for name, value in two.items():
        if name == "event" and name in one:
            update = {"not_before": one[name].not_before or value.not_before, "source": value.source}
            merged[name] = one[name].model_copy(update=update)
        else:
            merged[name] = {**one.get(name, {}), **value} if isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"facts": {"depth": 3}}, Reason.ABOUT_TO_RUN, id="one other, two slots"),
        pytest.param({"facts": {"depth": 4}}, Reason.QUEUE_AHEAD, id="two others, two slots"),
        pytest.param(
            {"facts": {"depth": 4}, "presences": (presence(), presence("b", draining=True)),
             "sinks": (sink("a"), sink("b"))},
            Reason.ABOUT_TO_RUN, id="one of the two runs on a sink that drains",
        ),
        pytest.param({"event_type": {"max_running": 3}, "facts": {"running": 2}}, Reason.ABOUT_TO_RUN, id="2 of 3"),
        pytest.param(
            {"event_type": {"rate_per_minute": 2}, "facts": {"starts_in": 0.0}}, Reason.ABOUT_TO_RUN, id="a token"
        ),
        pytest.param({"event": event(not_before=after(100))}, Reason.ABOUT_TO_RUN, id="due this moment"),
        pytest.param({"event_type": {"pause": {"until": after(100)}}}, Reason.ABOUT_TO_RUN, id="a pause that is over"),
        pytest.param({"event_type": {"queue_timeout_seconds": 100}}, Reason.ABOUT_TO_RUN, id="in time"),
        pytest.param({"action": SECRET, "secrets": ("api-token",)}, Reason.ABOUT_TO_RUN, id="the secret is there"),
        pytest.param({"action": {"module": "other:run"}}, Reason.ABOUT_TO_RUN, id="the module may be installed"),
        pytest.param(
            {"action": SHELL, "sinks": (sink("a"), sink("b")), "presences": (presence(), presence("b", runtimes=()))},
            Reason.ABOUT_TO_RUN, id="one sink has said nothing of itself",
        ),
        pytest.param(
            {"action": SHELL, "sinks": (sink("a"), sink("b")),
             "presences": (presence(), presence("b", modules=("other.sh",)))},
            Reason.ABOUT_TO_RUN, id="one sink has it",
        ),
        pytest.param(
            {"action": SHELL, "sinks": (sink("a"), sink("b")),
             "presences": (presence(), presence("b", modules=("other.sh",), seen_at=NOW))},
            Reason.MODULE_NOT_INSTALLED, id="who has it is away",
        ),
        pytest.param({"event": running(claim={"at": after(65.001)})}, Reason.RUNNING, id="a millisecond of margin"),
        pytest.param({"event": running(claim={"at": after(65)})}, Reason.TAKEOVER, id="the margin is over"),
        pytest.param(
            {"event": running(claim={"at": after(20), "confirm": True}), "event_type": {"retry": {"on_lost": "fail"}}},
            Reason.TAKEOVER, id="lost before it was confirmed",
        ),
    ],
)  # fmt: skip
def test_where_each_begins(fields: dict[str, Any], code: Reason) -> None:
    assert explained(**fields).code is code


def test_a_module_that_may_be_installed_is_said_beside() -> None:
    found = explained(action={"module": "other:run"})
    (beside,) = [each for each in found.conditions if each.found]
    assert beside.code is Reason.MODULE_NOT_INSTALLED
    assert beside.found is not None
    assert beside.found.effect is Effect.MAY_FAIL
    assert "may be installed with the interpreter" in beside.found.detail


def test_until_when_it_may_wait() -> None:
    assert explained(event_type={"queue_timeout_seconds": 600}).gives_up_at == after(600)
    assert explained().gives_up_at is None
    assert explained(event=failed(until=after(9)), event_type={"queue_timeout_seconds": 600}).gives_up_at is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "It ended as ERROR at 2026-11-23T12:00:20Z with E: no."),
        ({"result_code": Code.RUN_TIMEOUT, "result_message": None}, "with RUN_TIMEOUT: it ran past its time-out"),
        ({"state": State.SUCCESS, "result_code": None, "result_message": None}, "as SUCCESS at 2026-11-23T12:00:20Z."),
        ({"owes": None, "owes_event_type": None}, "The event F followed."),
        ({"owes": None, "follow_on": None, "follow_on_skipped": "B was not fired: it is disabled"},
         "Nothing followed: B was not fired: it is disabled."),
        ({"owes": "F", "owes_event_type": "B"},
         "with E: no. It owes B, the event F, which is made within 2 minutes."),
        ({"alert": "A"}, "with E: no. The alert A tells of it."),
        ({"owes": "A", "owes_event_type": "HUB.FAILED", "alert": "A", "follow_on": None},
         "with E: no. It owes HUB.FAILED, the event A, which is made within 2 minutes."),
    ],
)  # fmt: skip
def test_how_it_ended(fields: dict[str, Any], said: str) -> None:
    held = lifecycle.holding(running())
    done = lifecycle.apply(running(), lifecycle.finish(held, Report(State.ERROR, Outcome.ERROR, "E", "no"), after(20)))
    if "owes" in fields:
        fields = {"follow_on": "F", **fields}
    found = explained(event=done.model_copy(update=fields))
    assert (found.code, found.found.since, found.conditions) == (Reason.ENDED, after(20), ())
    assert said in found.found.detail
    assert found.found.numbers == {"attempts": 1, "failures": 1, "lost": 0}
    assert found.found.change == f"Run it again: POST /api/events/{done.id}/retry."


@given(
    st.booleans(), st.sampled_from([-60, 0, 60, None]), st.sampled_from([None, 5, 500]),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans(), st.booleans()), max_size=3),
    st.integers(0, 8), st.booleans(),
)  # fmt: skip
def test_whatever_is_so_there_is_one_answer_and_it_is_the_first(
    enabled: bool, early: int | None, timeout: int | None, fleet: list[tuple[int, int, bool, bool]], depth: int,
    known: bool,
) -> None:  # fmt: skip
    names = [f"s{number}" for number in range(len(fleet))]
    found = explained(
        event=event(not_before=None if early is None else after(100 + early)),
        event_type={"enabled": enabled, "queue_timeout_seconds": timeout} if known else None,
        sinks=tuple(map(sink, names)),
        presences=tuple(
            presence(name, slots=slots, running=tasks, draining=draining, seen_at=after(0 if away else 100))
            for name, (slots, tasks, draining, away) in zip(names, fleet, strict=True)
        ),
        facts={"depth": depth},
    )
    assert [each.code for each in found.conditions] == list(CHECKS)
    stopping = [each for each in found.conditions if each.found and each.found.effect is not Effect.MAY_FAIL]
    if stopping:
        assert (found.code, found.found) == (stopping[0].code, stopping[0].found)
    else:
        assert found.code is Reason.ABOUT_TO_RUN
        assert found.found.numbers["free"] > 0
    said = [found.found, *(each.found for each in found.conditions if each.found)]
    assert all(each.detail.endswith(".") and each.change.endswith(".") for each in said)
