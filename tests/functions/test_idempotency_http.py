"""`Idempotency-Key`: asked again under the same key, the same comes of it."""

from __future__ import annotations

import pytest

from hub.api.security import WITHOUT_KEY
from hub.errors import Unavailable
from hub.life.create import NewEvent
from hub.model.event import Event
from hub.storage.counting import counting
from tests.functions.shell import Shell
from tests.functions.test_roles import DOES_NOT_EXIST
from tests.functions.test_sink_commands_http import enrolled, heard


async def test_one_event_however_often_it_is_asked_for(shell: Shell) -> None:
    await shell.configure()
    body = {"event_type": "GO", "payload": {"n": 1}}
    first = await shell("POST", "/api/events", body, idempotency_key="k-1")
    await shell.ok("POST", f"/api/events/{first.json['id']}/cancel")
    again = await shell("POST", "/api/events", {**body, "event_type": "go"}, idempotency_key="k-1")
    assert (again.status, again.headers["location"]) == (201, f"/api/events/{first.json['id']}")
    assert (again.json["id"], again.json["state"]) == (first.json["id"], "ERROR")
    other = await shell("POST", "/api/events", body, idempotency_key="k-2")
    assert other.json["id"] != first.json["id"]
    assert len((await shell.ok("GET", "/api/events"))["items"]) == 2


async def test_another_actor_has_keys_of_their_own(shell: Shell) -> None:
    await shell.configure()
    token = (await shell.ok("POST", "/api/tokens", {"name": "ci", "role": "ADMIN"}))["token"]
    made = {
        (await shell.ok("POST", "/api/events", {"event_type": "GO"}, idempotency_key="k", token=bearer))["id"]
        for bearer in ("", token)
    }
    assert len(made) == 2


async def test_something_else_under_the_same_key_is_refused(shell: Shell) -> None:
    await shell.configure()
    await shell.ok("POST", "/api/events", {"event_type": "GO", "payload": 1}, idempotency_key="k")
    reply = await shell("POST", "/api/events", {"event_type": "GO", "payload": 2}, idempotency_key="k")
    assert "something else was asked for" in reply.problem(409)["detail"]
    await shell.ok("POST", "/api/events/bulk", {"action": "cancel", "filter": {"sink": "x"}}, idempotency_key="k")


async def test_after_a_day_a_key_is_free_again(shell: Shell) -> None:
    await shell.configure()
    first = await shell.ok("POST", "/api/events", {"event_type": "GO"}, idempotency_key="k")
    shell.clock.seconds += 24 * 3600
    second = await shell.ok("POST", "/api/events", {"event_type": "GO", "payload": 2}, idempotency_key="k")
    assert second["id"] != first["id"]


async def test_a_try_that_died_before_the_event_was_there(shell: Shell) -> None:
    await shell.configure()
    create, shell.hub.creator.create = shell.hub.creator.create, _unavailable  # type: ignore[method-assign]
    reply = await shell("POST", "/api/events", {"event_type": "GO"}, idempotency_key="k")
    reply.problem(503)
    shell.hub.creator.create = create  # type: ignore[method-assign]
    made = await shell.ok("POST", "/api/events", {"event_type": "GO"}, idempotency_key="k")
    assert (await shell.ok("GET", f"/api/events/{made['id']}"))["state"] == "QUEUED"


async def test_what_it_costs(shell: Shell) -> None:
    await shell.configure()
    await shell.fire()
    with counting() as plain:
        await shell.ok("POST", "/api/events", {"event_type": "GO"})
    with counting() as first:
        await shell.ok("POST", "/api/events", {"event_type": "GO"}, idempotency_key="k")
    assert first.total() - plain.total() == 1
    with counting() as again:
        await shell.ok("POST", "/api/events", {"event_type": "GO"}, idempotency_key="k")
    assert again["table.insert"] <= first["table.insert"]
    assert again["queue.put"] == 0


async def test_one_operation(shell: Shell) -> None:
    body = {"action": "cancel", "filter": {"event_type": "GO"}}
    made = [await shell.ok("POST", "/api/events/bulk", body, idempotency_key="k") for _ in range(2)]
    await shell.hub.operations.idle()
    assert made[0]["id"] == made[1]["id"]
    assert len((await shell.ok("GET", "/api/operations"))["items"]) == 1


async def test_a_sink_is_told_once_and_not_after_another_command(shell: Shell) -> None:
    credential = await enrolled(shell)
    url = "/api/sinks/box/commands"
    with counting() as first_costs:
        restart = await shell.ok("POST", url, {"command": "restart"}, idempotency_key="k")
    ack = {"id": restart["id"], "command": "restart", "state": "TAKEN"}
    assert await heard(shell, credential, slots=0, draining=True, leaving=False, command=ack) == []
    next_one = {"instance": "instance-2", "replaces": "instance-1", "command": {**ack, "state": "DONE"}}
    assert await heard(shell, credential, **next_one) == []
    again = await shell.ok("POST", url, {"command": "restart"}, idempotency_key="k")
    assert again == {**restart, "state": "DONE"}
    assert await heard(shell, credential, **next_one) == [], "it would be restarted twice"

    shell.clock.seconds += 1
    with counting() as plain:
        await shell.ok("POST", url, {"command": "drain"})
    assert first_costs.total() - plain.total() == 1
    resume = await shell.ok("POST", url, {"command": "resume"})
    late = await shell("POST", url, {"command": "restart"}, idempotency_key="k")
    assert "was told to resume (by first-admin at 2026-" in late.problem(409)["detail"]
    assert (await shell.ok("GET", "/api/sinks/box"))["command"] == resume


async def test_commands_follow_each_other_whatever_the_clocks_say(shell: Shell) -> None:
    await enrolled(shell)
    url = "/api/sinks/box/commands"
    drain = await shell.ok("POST", url, {"command": "drain"}, idempotency_key="k")
    shell.clock.seconds -= 1
    behind = await shell("POST", url, {"command": "resume"}, idempotency_key="k-2")
    assert "use another key" in behind.problem(409)["detail"]
    resume = await shell.ok("POST", url, {"command": "resume"})
    assert resume["id"] > drain["id"]
    (await shell("POST", url, {"command": "drain"}, idempotency_key="k")).problem(409)


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é"])
async def test_keys_that_are_none(shell: Shell, key: str) -> None:
    await shell.configure()
    reply = await shell("POST", "/api/events", {"event_type": "GO"}, idempotency_key=key)
    assert "1 to 200 printable" in reply.errors()["idempotency-key"]


@pytest.mark.parametrize("route", sorted(WITHOUT_KEY))
async def test_where_none_is_taken_it_is_refused_in_words(shell: Shell, route: str) -> None:
    url = route.removeprefix("POST ").replace("{name}", "x").replace("{id}", DOES_NOT_EXIST)
    reply = await shell("POST", url, {}, idempotency_key="k")
    assert "is not taken here: " in reply.errors()["idempotency-key"]


async def test_what_may_be_repeated_anyhow_lets_it_pass(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    for _ in range(2):
        await shell.ok("POST", f"/api/events/{event_id}/cancel", idempotency_key="k")
        await shell.ok("POST", "/api/event-types/GO/pause", idempotency_key="k")


async def _unavailable(new: NewEvent) -> Event:
    raise Unavailable
