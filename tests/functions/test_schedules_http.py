"""Schedules over HTTP: what is refused when one is put, how it reads back, what its preview says."""

from __future__ import annotations

from typing import Any

import pytest

from hub.life.terms import Terms
from tests.functions.shell import Shell, opened_shell

DAILY = {"kind": "SCHEDULE", "event_types": ["GO"], "cron": "30 2 * * *", "timezone": "Europe/Berlin"}


async def put(shell: Shell, **fields: Any) -> Any:
    return await shell.ok("PUT", "/api/sources/nightly", {**DAILY, **fields})


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"cron": "61 * * * *"}, {"cron": "minute: '61' is not allowed"}),
        ({"cron": "0 0 30 2 *"}, {"cron": "never fires"}),
        ({"cron": None}, {"cron": "is missing: say either cron"}),
        ({"at": "2030-01-01T00:00:00Z"}, {"at": "stands beside cron: say either cron"}),
        ({"cron": None, "at": "2030-01-01T00:00:00"}, {"at": "needs its offset from UTC"}),
        ({"timezone": "Europe/Berln"}, {"timezone": "is no time zone of the IANA database; did you mean Europe/Ber"}),
        ({"timezone": "Mars"}, {"timezone": "is no time zone of the IANA database, such as"}),
        ({"cron": "x", "timezone": "Mars"}, {"cron": "has 1 fields", "timezone": "is no time zone"}),
        ({"jitter_seconds": 3601}, {"jitter_seconds": "must be less than or equal to 3600"}),
        ({"catch_up_window_seconds": 59}, {"catch_up_window_seconds": "must be greater than or equal to 60"}),
        ({"catch_up": "some"}, {"catch_up": "must be 'none', 'last' or 'all'"}),
        ({"event_types": ["NONE"]}, {"event_types[0]": "there is no event type NONE"}),
        ({"event_types": ["GO", "go"]}, {"event_types[1]": "go is there already"}),
        ({"pause": {"until": "2030-01-01T00:00:00"}}, {"pause.until": "needs its offset from UTC"}),
    ],
)  # fmt: skip
async def test_what_is_refused_says_what_is_allowed(
    shell: Shell, fields: dict[str, Any], refused: dict[str, str]
) -> None:
    await shell.configure()
    said = (await shell("PUT", "/api/sources/nightly", {**DAILY, **fields})).errors()
    assert set(said) == set(refused)
    for field, words in refused.items():
        assert said[field].startswith(words)


async def test_an_event_type_that_no_schedule_may_fire_is_refused(shell: Shell) -> None:
    await shell.configure(sources=["MANUAL", "WEBHOOK"])
    said = (await shell("PUT", "/api/sources/nightly", DAILY)).errors()
    assert "SCHEDULE" in said["event_types[0]"]


async def test_a_payload_larger_than_the_setting_is_refused() -> None:
    async with opened_shell(terms=Terms(max_payload=1024)) as shell:
        await shell.configure()
        said = (await shell("PUT", "/api/sources/nightly", {**DAILY, "payload": {"long": "x" * 1024}})).errors()
        assert said == {"payload": "is 1035 bytes as JSON; a payload has at most 1024"}
        await put(shell, payload={"long": "x" * 1000})


async def test_it_reads_back_as_it_was_put_and_can_be_exported_and_imported(shell: Shell) -> None:
    await shell.configure()
    document = await put(shell)
    assert document.pop("warnings") == []
    assert document == {
        **DAILY,
        "name": "nightly",
        "at": None,
        "payload": {},
        "catch_up": "last",
        "catch_up_window_seconds": 3600,
        "overlap": "allow",
        "jitter_seconds": 0,
        "pause": None,
        "enabled": True,
    }
    exported = await shell.ok("GET", "/api/configuration")
    assert document in exported["sources"]
    applied = await shell.ok("PUT", "/api/configuration", exported)
    assert (applied["created"], applied["changed"]) == ([], [])


async def test_its_events_are_listed_ahead_of_their_time_and_show_where_they_come_from(shell: Shell) -> None:
    await shell.configure()
    await put(shell, cron="* * * * *", timezone="UTC", payload={"n": 1})
    await shell.hub.upkeep.tick()
    events = (await shell.ok("GET", "/api/events?source=NIGHTLY"))["items"]
    fires = (await shell.ok("GET", "/api/sources/nightly/preview?count=2"))["fires"]
    assert [each["not_before"] for each in reversed(events)] == [each["at"] for each in fires[:2]]
    assert {(each["source_kind"], each["source"], each["state"]) for each in events} == {
        ("SCHEDULE", "nightly", "QUEUED")
    }
    event = await shell.ok("GET", f"/api/events/{events[0]['id']}")
    assert event["payload"] == {"n": 1}


async def test_a_rerun_is_no_tick(shell: Shell) -> None:
    await shell.configure()
    await put(shell, cron="* * * * *", timezone="UTC")
    await shell.hub.upkeep.tick()
    (event, *_) = (await shell.ok("GET", "/api/events"))["items"]
    await shell.ok("PATCH", "/api/sources/nightly", {"enabled": False})
    await shell.hub.upkeep.reconcile()
    assert (await shell.ok("GET", f"/api/events/{event['id']}"))["result_code"] == "SCHEDULE_CHANGED"
    again = await shell.ok("POST", f"/api/events/{event['id']}/retry")
    credential = await shell.enrol()
    assert (await shell.claim(credential))["event_id"] == again["id"]


async def test_the_preview_shows_the_next_fires_and_those_around_clock_changes(shell: Shell) -> None:
    await shell.configure()
    await put(shell)
    fires = (await shell.ok("GET", "/api/sources/nightly/preview?count=2"))["fires"]
    assert [each["at"] for each in fires] == sorted(each["at"] for each in fires)
    noted = {each["local"]: each["note"] for each in fires if each["note"]}
    (forward,) = [local for local, note in noted.items() if "forward" in note]
    (back,) = [local for local, note in noted.items() if "back" in note]
    assert forward.endswith("T03:00:00+02:00")
    assert noted[forward] == "clocks go forward: 02:30 is skipped, fires at 03:00"
    assert back.endswith("T02:30:00+02:00")
    assert noted[back] == "clocks go back: 02:30 occurs twice, fires once, the first time"


async def test_the_preview_says_why_something_will_not_be_fired(shell: Shell) -> None:
    await shell.configure()
    await put(shell, timezone="UTC")
    await shell.ok("POST", "/api/sources/nightly/pause")
    fires = (await shell.ok("GET", "/api/sources/nightly/preview?count=1"))["fires"]
    assert [each["note"] for each in fires] == ["not fired: the source is paused"]
    await shell.ok("POST", "/api/sources/nightly/resume")
    await shell.ok("PATCH", "/api/sources/nightly", {"enabled": False})
    fires = (await shell.ok("GET", "/api/sources/nightly/preview?count=1"))["fires"]
    assert [each["note"] for each in fires] == ["not fired: the source is disabled"]


async def test_the_preview_of_one_time_and_of_what_is_over(shell: Shell) -> None:
    await shell.configure()
    await put(shell, cron=None, at="2091-01-01T00:00:00.5+01:00")
    preview = "/api/sources/nightly/preview"
    assert await shell.ok("GET", preview) == {"fires": []}, "more than five years ahead"
    soon = shell.clock.now().replace(microsecond=0)
    shell.clock.seconds -= 10
    await put_over(shell, cron=None, at=soon.isoformat())
    (fire,) = (await shell.ok("GET", preview))["fires"]
    assert fire["at"] == soon.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    shell.clock.seconds += 20
    assert await shell.ok("GET", preview) == {"fires": []}


async def put_over(shell: Shell, **fields: Any) -> Any:
    return await shell.ok("PUT", "/api/sources/nightly", {**DAILY, **fields}, if_match="*")


async def test_the_preview_is_of_schedules_and_has_bounds(shell: Shell) -> None:
    await shell.configure()
    await put(shell)
    assert (await shell("GET", "/api/sources/hook/preview")).problem(404)["detail"] == (
        "the source hook is no schedule: only those have a preview"
    )
    (await shell("GET", "/api/sources/none/preview")).problem(404)
    for count in (0, 101, "x"):
        assert "count" in (await shell("GET", f"/api/sources/nightly/preview?count={count}")).errors()
    assert len((await shell.ok("GET", "/api/sources/nightly/preview?count=100"))["fires"]) >= 100
