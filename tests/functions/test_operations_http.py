"""Operations over HTTP: many events cancelled or run again by a filter."""

from __future__ import annotations

from typing import Any

import pytest

from hub.model.audit import AuditEntry
from tests.functions.audited import held_back
from tests.functions.shell import Shell


async def begun(shell: Shell, action: str = "cancel", **fields: Any) -> dict[str, Any]:
    """An operation, through."""
    body = {"action": action, "filter": {"event_type": "go"}, **fields}
    reply = await shell("POST", "/api/events/bulk", body)
    assert reply.status == 202, reply.body
    url = f"/api/operations/{reply.json['id']}"
    assert reply.headers["location"] == url
    await shell.hub.operations.idle()
    found: dict[str, Any] = await shell.ok("GET", url)
    return found


async def test_cancelling_by_filter(shell: Shell) -> None:
    await shell.configure()
    await shell.ok("PUT", "/api/event-types/OTHER", {"sink_type": "PYTHON:BASE", "action": "go"})
    meant = [await shell.fire() for _ in range(3)]
    other = (await shell.ok("POST", "/api/events", {"event_type": "OTHER"}))["id"]
    shell.clock.seconds += 1

    found = await begun(shell)

    assert {name: found[name] for name in ("state", "matched", "done", "failed", "failures", "as")} == {
        "state": "DONE", "matched": 3, "done": 3, "failed": 0, "failures": [], "as": None,
    }  # fmt: skip
    assert (found["created_by"], found["searched_to"], found["note"]) == ("first-admin", None, None)
    assert found["filter"]["state"] == ["QUEUED", "RUNNING"]
    assert found["filter"]["to"] == found["created_at"]
    for each in meant:
        event = await shell.ok("GET", f"/api/events/{each}")
        said = f"cancelled by operation {found['id']}"
        assert (event["result_code"], event["result_message"]) == ("CANCELLED", said)
    assert (await shell.ok("GET", f"/api/events/{other}"))["state"] == "QUEUED"
    assert [each["id"] for each in (await shell.ok("GET", "/api/operations"))["items"]] == [found["id"]]


async def test_running_again_by_filter(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire({"n": 1})
    await shell.ok("POST", f"/api/events/{event_id}/cancel")
    shell.clock.seconds += 1

    found = await begun(shell, "retry", **{"as": "today"})

    assert (found["done"], found["as"]) == (1, "today")
    (again,) = (await shell.ok("GET", "/api/events?state=QUEUED"))["items"]
    event = await shell.ok("GET", f"/api/events/{again['id']}")
    assert (event["rerun_of"], event["payload"]) == (event_id, {"n": 1})


async def test_an_operation_can_be_ended(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    shell.clock.seconds += 1
    with held_back(shell.hub.operations):
        made = await shell.ok("POST", "/api/events/bulk", {"action": "cancel", "filter": {"event_type": "GO"}})
    url = f"/api/operations/{made['id']}"
    for _ in range(2):
        assert (await shell.ok("POST", f"{url}/cancel"))["state"] == "CANCELLED"
    await shell.hub.operations.step()
    assert (await shell.ok("GET", f"/api/events/{event_id}"))["state"] == "QUEUED"

    over = await begun(shell)
    said = (await shell("POST", f"/api/operations/{over['id']}/cancel")).problem(409)["detail"]
    assert said == "too late: the operation has ended"


async def test_the_timer_carries_it_on(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    shell.clock.seconds += 1
    with held_back(shell.hub.operations):
        await shell.ok("POST", "/api/events/bulk", {"action": "cancel", "filter": {"event_type": "GO"}})
    await shell.hub.upkeep.tick()
    assert (await shell.ok("GET", f"/api/events/{event_id}"))["result_code"] == "CANCELLED"


async def test_lists_go_on_with_a_cursor(shell: Shell) -> None:
    await shell.configure()
    made = []
    for _ in range(3):
        shell.clock.seconds += 1
        made.append((await begun(shell))["id"])
    first = await shell.ok("GET", "/api/operations?limit=2")
    rest = await shell.ok("GET", f"/api/operations?limit=2&cursor={first['cursor']}")
    assert [each["id"] for each in first["items"] + rest["items"]] == made[::-1]
    assert rest["cursor"] is None


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"filter": {}}, "filter", "must name at least one of state, event_type, source, sink, from, to, search"),
        ({"filter": None}, "filter", "must be a JSON object"),
        ({"filter": {"typ": "GO"}}, "filter.typ", "allowed are state, event_type, source, sink, from, to, search"),
        ({"action": "delete"}, "action", "cancel"),
        ({"filter": {"state": ["SUCCESS"]}}, "filter.state", "must be of QUEUED, RUNNING for the action cancel"),
        ({"as": "today"}, "as", "is for the action retry"),
        ({"action": "retry", "filter": {"state": ["QUEUED"]}}, "filter.state", "must be of ERROR, WARNING, SUCCESS"),
        ({"filter": {"from": "2026-03-01T00:00:00"}}, "from", "with its offset"),
    ],
)
async def test_what_is_refused(shell: Shell, body: dict[str, Any], field: str, said: str) -> None:
    body = {"action": "cancel", "filter": {"event_type": "GO"}, **body}
    errors = (await shell("POST", "/api/events/bulk", body)).errors()
    assert said in errors[field]
    assert (await shell.ok("GET", "/api/operations"))["items"] == []


async def test_an_operation_that_is_not_there(shell: Shell) -> None:
    for method, rest in (("GET", ""), ("POST", "/cancel")):
        (await shell(method, f"/api/operations/01ARZ3NDEKTSV4RRFFQ69G5FAV{rest}")).problem(404)


async def test_the_audit_says_what_was_asked_and_the_events_are_no_entries(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shell.configure()
    await shell.fire()
    shell.clock.seconds += 1
    rows, begun_entries = shell.hub.audit.trail._rows, list[AuditEntry]()
    begin = rows.begin

    async def noted(entry: AuditEntry) -> None:
        begun_entries.append(entry)
        await begin(entry)

    monkeypatch.setattr(rows, "begin", noted)
    found = await begun(shell)
    entries = (await shell.ok("GET", "/api/audit"))["items"]
    assert entries[0]["resource"] == f"operations/{found['id']}"
    assert entries[0]["changes"][0]["after"] == {"action": "cancel", "filter": {"event_type": "go"}}
    assert not [each for each in entries if "cancel" in each["action"]]
    assert len(begun_entries) == 1  # and no event wrote into the attempt of the request, which is over
