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
