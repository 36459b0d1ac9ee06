"""The audit over HTTP: every route that changes something leaves one entry, whoever calls it and however it ends."""

from __future__ import annotations

from typing import Any

import pytest

from hub.configure import copy
from hub.errors import Unavailable
from hub.model.audit import AuditEntry
from hub.people.roles import ROUTES, Access
from hub.storage.keys import AUDIT
from tests.functions.audited import CALLS, NOT_RECORDED, WRONG
from tests.functions.browsers import PASSWORD, Browser, invited
from tests.functions.shell import POLL, SINK_TYPE, Shell, opened_shell

WRITES = [route for route in ROUTES if " /api/" in route and not route.startswith("GET ")]


async def entries(shell: Shell, **wanted: Any) -> list[dict[str, Any]]:
    """The newest first."""
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    items: list[dict[str, Any]] = (await shell.ok("GET", f"/api/audit?limit=200&{query}"))["items"]
    return items


async def viewer(shell: Shell) -> str:
    token: str = (await shell.ok("POST", "/api/tokens", {"name": "looker", "role": "VIEWER"}))["token"]
    return token


def test_every_route_that_changes_something_is_tried_here() -> None:
    assert {*CALLS, *NOT_RECORDED} == set(WRITES)
    assert not {*CALLS} & {*NOT_RECORDED}


@pytest.mark.parametrize("route", NOT_RECORDED)
async def test_what_is_not_recorded_changes_nothing_and_is_recorded_when_it_is_refused(
    shell: Shell, route: str
) -> None:
    method, _, url = route.partition(" ")
    before = await entries(shell)
    await shell.ok(method, url, {})
    assert await entries(shell) == before
    (await shell(method, url, {}, token=None)).problem(401)
    (entry, *rest) = await entries(shell)
    assert (rest, entry["action"], entry["result"]) == (before, route, "REFUSED")


@pytest.mark.parametrize("route", CALLS)
async def test_a_success_leaves_exactly_one_entry(shell: Shell, route: str) -> None:
    await shell.configure()
    call = await CALLS[route](shell)
    before = await entries(shell)

    reply = await call.by(shell, route.partition(" ")[0])

    assert 200 <= reply.status < 400, reply.body
    (entry, *rest) = await entries(shell)
    assert rest == before
    assert (entry["actor"], entry["action"], entry["result"]) == (call.actor, route, "DONE")
    assert (entry["status"], entry["reason"], entry["address"]) == (reply.status, None, None)
    assert entry["resource"].startswith(call.resource)
    assert entry["at"] == "2026-03-01T12:00:00.000Z"


@pytest.mark.parametrize("caller", ["viewer", "nobody"])
async def test_a_refusal_leaves_exactly_one_entry_on_every_route(shell: Shell, caller: str) -> None:
    await shell.configure()
    token = await viewer(shell) if caller == "viewer" else None
    tried = 0
    for route, prepare in CALLS.items():
        if caller == "viewer" and ROUTES[route] is not Access.ADMIN:
            continue
        tried += 1
        shell.clock.seconds += 61  # so many of one minute have an entry each
        call = await prepare(shell)
        before = await entries(shell)
        reply = await call.by(shell, route.partition(" ")[0], token=token, **WRONG.get(route, {}))
        assert reply.status == (403 if token else 401), route
        (entry, *rest) = await entries(shell)
        assert rest == before, route
        assert (entry["actor"], entry["action"]) == ("tokens/looker" if token else None, route)
        assert (entry["result"], entry["status"], entry["changes"]) == ("REFUSED", reply.status, [])
        assert entry["reason"] == reply.json["detail"]
    assert tried > 25


@pytest.mark.parametrize("route", CALLS)
async def test_nothing_is_changed_whose_record_cannot_be_begun(
    shell: Shell, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shell.configure()
    call = await CALLS[route](shell)
    if call.url.endswith("/resume"):
        await shell.ok("POST", call.url.replace("/resume", "/pause"))  # else there is nothing to resume
    written: list[str] = []
    tables = shell.hub.storage.tables

    async def no_begin(entry: AuditEntry) -> None:
        raise Unavailable

    def noting(name: str) -> None:
        carry_out = getattr(tables, name)

        async def noted(table: str, *rest: Any, **options: Any) -> Any:
            if table != AUDIT:
                written.append(f"{name} {table}")
            return await carry_out(table, *rest, **options)

        monkeypatch.setattr(tables, name, noted)

    monkeypatch.setattr(shell.hub.audit.trail._rows, "begin", no_begin)
    for name in ("insert", "put", "replace", "merge", "delete", "transact"):
        noting(name)
    kinds = ("queue.put", "blob.put", "blob.delete")
    before = shell.hub.storage.operations.by_kind()

    reply = await call.by(shell, route.partition(" ")[0])

    reply.problem(503)
    assert written == []
    after = shell.hub.storage.operations.by_kind()
    assert [after.get(kind, 0) for kind in kinds] == [before.get(kind, 0) for kind in kinds]
    (entry, *_) = await entries(shell)
    assert (entry["action"], entry["result"], entry["status"]) == (route, "FAILED", 503)


class TestWhatAnEntrySays:
    async def test_before_and_after_of_what_differs(self, shell: Shell) -> None:
        await shell.configure()
        await shell.ok("PATCH", "/api/actions/go", {"timeout_seconds": 7})
        assert (await entries(shell))[0]["changes"] == [
            {"resource": "actions/go", "before": {"timeout_seconds": 300}, "after": {"timeout_seconds": 7}}
        ]

    async def test_what_is_made_and_what_is_removed_are_told_whole(self, shell: Shell) -> None:
        await shell.ok("PUT", "/api/sink-types/A", {"description": "x"})
        await shell.ok("DELETE", "/api/sink-types/A")
        removed, made = await entries(shell)
        (change,) = made["changes"]
        assert change["before"] is None
        assert (change["after"]["name"], change["after"]["description"]) == ("A", "x")
        assert removed["changes"] == [{"resource": "sink-types/A", "before": change["after"], "after": None}]

    async def test_an_import_names_everything_it_changed(self, shell: Shell) -> None:
        await shell.configure()
        (entry,) = await entries(shell, resource="event-types/go")
        assert (entry["action"], entry["resource"]) == ("PUT /api/configuration", "configuration")
        assert [each["resource"] for each in entry["changes"]] == [
            f"sink-types/{SINK_TYPE}",
            "actions/go",
            "event-types/GO",
            "sources/hook",
        ]

    async def test_putting_what_is_there_is_recorded_and_changes_nothing(self, shell: Shell) -> None:
        await shell.ok("PUT", "/api/sink-types/A", {})
        await shell.ok("PUT", "/api/sink-types/A", {})
        again, first = await entries(shell)
        assert (again["result"], again["changes"]) == ("DONE", [])
        assert first["changes"]

    async def test_a_rotation_says_that_the_address_has_changed_and_not_what_it_is(self, shell: Shell) -> None:
        await shell.configure()
        await shell.ok("POST", "/api/sources/hook/rotate-key")
        (change,) = (await entries(shell))[0]["changes"]
        assert change == {"resource": "sources/hook", "before": {}, "after": {"url": "changed", "old_url": "changed"}}

    async def test_a_cancel_says_from_what_to_what(self, shell: Shell) -> None:
        await shell.configure()
        event_id = await shell.fire()
        await shell.ok("POST", f"/api/events/{event_id}/cancel")
        assert (await entries(shell))[0]["changes"] == [
            {
                "resource": f"events/{event_id}",
                "before": {"state": "QUEUED"},
                "after": {"state": "ERROR", "result_code": "CANCELLED"},
            }
        ]

    async def test_events_that_are_fired_run_again_or_replayed_are_named(self, shell: Shell) -> None:
        url = await shell.configure()
        fired = await shell.ok("POST", "/api/events", {"event_type": "GO"})
        await shell.ok("POST", f"/api/events/{fired['id']}/cancel")
        rerun = await shell.ok("POST", f"/api/events/{fired['id']}/retry")
        receipt_id = (await shell.ok("POST", url, {}, token=None))["event_id"]
        replayed = await shell.ok("POST", f"/api/sources/hook/receipts/{receipt_id}/replay")
        replay, retry, _, fire = (await entries(shell))[:4]
        assert fire["resource"] == f"events/{fired['id']}"
        assert retry["changes"][0]["resource"] == f"events/{rerun['id']}"
        assert replay["changes"][0]["after"] == {"replay_of": receipt_id, "events": [replayed["event_id"]]}

    async def test_what_is_not_valid_or_not_possible_is_recorded_with_its_reason(self, shell: Shell) -> None:
        await shell.configure()
        (await shell("PUT", "/api/sink-types/A", {"colour": "red"})).problem(400)
        (await shell("DELETE", "/api/actions/go")).problem(409)
        (await shell("PATCH", "/api/actions/go", {"timeout_seconds": 9}, if_match='"x"')).problem(412)
        (await shell("POST", "/api/tokens", {"name": 3})).problem(400)
        (await shell("PUT", "/api/sink-types/A?colour=red", {})).problem(400)
        (await shell("DELETE", "/api/actions/nothing")).problem(404)
        found = (await entries(shell))[:6]
        assert [each["status"] for each in found] == [404, 400, 400, 412, 409, 400]
        assert {each["result"] for each in found} == {"REFUSED"}
        assert "is named by event-types/GO" in found[4]["reason"]
        assert [each["changes"] for each in found] == [[]] * 6

    async def test_a_copied_agent_is_there_once_with_both_addresses(self) -> None:
        from hub.rules.callers import FrontEnd

        async with opened_shell(front_end=FrontEnd("x-forwarded-for")) as shell:
            await shell.configure()
            credential = await shell.enrol("box")
            await shell.ok("POST", "/agent/poll", POLL, token=credential, x_forwarded_for="192.0.2.7")
            for _ in range(2):
                copy = {**POLL, "instance": "instance-2"}
                reply = await shell("POST", "/agent/poll", copy, token=credential, x_forwarded_for="198.51.100.7")
                assert "in use by another process" in reply.problem(409)["detail"]
                assert "192.0.2.7" not in reply.body.decode()
            told = [each for each in await entries(shell) if each["action"] == "POST /agent/poll"]
            assert [(each["actor"], each["result"], each["status"]) for each in told] == [("sinks/box", "REFUSED", 409)]
            for said in ("instance-1 at 192.0.2.7", "instance-2 at 198.51.100.7"):
                assert said in told[0]["reason"]

    async def test_the_address_is_what_a_trusted_front_end_says(self) -> None:
        from hub.rules.callers import FrontEnd

        async with opened_shell(front_end=FrontEnd("x-forwarded-for")) as shell:
            await shell.ok("PUT", "/api/sink-types/A", {}, x_forwarded_for="6.6.6.6, 10.1.2.3")
            (await shell("GET", "/api/me", token="nxt_" + "x" * 43, x_forwarded_for="10.9.9.9")).problem(401)
            wrong, put = await entries(shell)
            assert (wrong["address"], put["address"]) == ("10.9.9.9", "10.1.2.3")


class TestWhoIsRefused:
    async def test_a_credential_that_is_not_valid(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(copy, "NEWS_SECONDS", 0)
        (await shell("GET", "/api/events/01ARZ3NDEKTSV4RRFFQ69G5FAV", token="nxt_wrong")).problem(401)
        (await shell("GET", "/api/nowhere", token="nxt_wrong")).problem(401)
        nowhere, entry = await entries(shell)
        assert (entry["actor"], entry["action"]) == (None, "GET /api/events/{id}")
        assert entry["resource"] == "events/01ARZ3NDEKTSV4RRFFQ69G5FAV"
        assert (entry["result"], entry["status"]) == ("REFUSED", 401)
        assert nowhere["action"] == "GET (no such route)"

    async def test_reads_are_recorded_only_when_they_are_refused(self, shell: Shell) -> None:
        token = await viewer(shell)
        await shell.ok("GET", "/api/tokens")
        (await shell("GET", "/api/events", token=None)).problem(401)  # has only not signed in yet
        (await shell("GET", "/api/secrets", token=token)).problem(403)
        (await shell("GET", "/api/secrets", token=None)).problem(401)
        found = await entries(shell)
        assert [(each["actor"], each["action"]) for each in found[:-1]] == [
            (None, "GET /api/secrets"),
            ("tokens/looker", "GET /api/secrets"),
        ]

    async def test_a_flood_has_a_bounded_number_of_entries_and_is_counted(self, shell: Shell) -> None:
        for _ in range(50):
            (await shell("PUT", "/api/sink-types/A", {}, token=None)).problem(401)
        for _ in range(5):
            (await shell("GET", "/api/secrets", token=None)).problem(401)
        await shell.hub.audit.trail.flush()
        counted, *singles = await entries(shell)
        assert len(singles) == 20
        assert (counted["action"], counted["count"], counted["counts"]) == ("TOO MANY REFUSED", 35, {"401": 35})
        await shell.ok("PUT", "/api/sink-types/A", {})
        assert (await entries(shell))[0]["action"] == "PUT /api/sink-types/{name}"  # whoever may is not bounded


class TestSigningIn:
    async def test_a_wrong_password_says_which_user(self, shell: Shell) -> None:
        await invited(shell, "ann")
        assert (await Browser(shell).sign_in("ANN", "not the password")).status == 401
        entry = (await entries(shell))[0]
        assert (entry["actor"], entry["resource"], entry["result"]) == (None, "users/ann", "REFUSED")

    async def test_what_is_typed_as_a_name_is_not_recorded_unless_it_is_one(self, shell: Shell) -> None:
        assert (await Browser(shell).sign_in("my-password-by-mistake", "x" * 20)).status == 401
        answer = await shell("GET", "/api/audit")
        assert b"by-mistake" not in answer.body
        assert answer.json["items"][0]["resource"] == "users/(no such user)"

    async def test_a_user_acts_under_their_name_by_session_and_by_token(self, shell: Shell) -> None:
        browser = await invited(shell, "ann", "ADMIN")
        made = (await browser("POST", "/api/tokens", {"name": "mine", "role": "ADMIN"})).json
        await shell.ok("PUT", "/api/sink-types/A", {}, token=made["token"])
        by_token, by_session = (await entries(shell))[:2]
        assert (by_session["actor"], by_session["resource"]) == ("users/ann", "tokens/mine")
        assert by_token["actor"] == "users/ann"

    async def test_another_password_is_told_as_changed(self, shell: Shell) -> None:
        browser = await invited(shell, "ann")
        body = {"password": PASSWORD, "new_password": "four other words and"}
        assert (await browser("PUT", "/api/me/password", body)).status == 200
        (change,) = (await entries(shell))[0]["changes"]
        assert change["after"]["password"] == "changed"

    async def test_a_request_that_another_page_forged(self, shell: Shell) -> None:
        browser = await invited(shell, "ann", "ADMIN")
        assert (await browser("PUT", "/api/sink-types/A", {}, x_csrf_token=None)).status == 403
        entry = (await entries(shell))[0]
        assert (entry["actor"], entry["status"]) == ("users/ann", 403)


class TestEnrolment:
    async def test_a_sink_that_is_let_in(self, shell: Shell) -> None:
        await shell.configure()
        await shell.enrol("box")
        entry, made = (await entries(shell))[:2]
        assert (entry["actor"], entry["action"]) == ("sinks/box", "POST /agent/enroll")
        assert (entry["resource"], entry["result"], entry["status"]) == ("sinks/box", "DONE", 201)
        enrolment = made["changes"][0]["resource"]
        assert [each["resource"] for each in entry["changes"]] == ["sinks/box", enrolment]

    async def test_one_that_is_not(self, shell: Shell) -> None:
        await shell.configure()
        body = {"token": "nxe_" + "x" * 43, "name": "box", "version": "1"}
        (await shell("POST", "/agent/enroll", body, token=None)).problem(401)
        entry = (await entries(shell))[0]
        assert (entry["actor"], entry["resource"], entry["result"]) == (None, "sinks/box", "REFUSED")


class TestTheList:
    async def test_filters(self, shell: Shell) -> None:
        await shell.configure()
        shell.clock.seconds += 3600
        await shell.ok("PUT", "/api/secrets/one", {"value": "v"})
        token = await viewer(shell)
        (await shell("DELETE", "/api/secrets/one", token=token)).problem(403)
        shell.clock.seconds += 3600

        async def seen(**wanted: Any) -> list[tuple[str, str]]:
            return [(each["action"].split()[0], each["resource"]) for each in await entries(shell, **wanted)]

        assert await seen(resource="secrets") == [("DELETE", "secrets/one"), ("PUT", "secrets/one")]
        assert await seen(resource="secret") == []
        assert await seen(actor="TOKENS/looker") == [("DELETE", "secrets/one")]
        assert await seen(result="REFUSED") == [("DELETE", "secrets/one")]
        assert await seen(action="POST /api/tokens") == [("POST", "tokens/looker")]
        assert await seen(to="2026-03-01T12:30:00Z") == [("PUT", "configuration")]
        assert len(await seen(**{"from": "2026-03-01T12:30:00Z"})) == 3

    async def test_it_goes_on_by_cursor(self, shell: Shell) -> None:
        for name in "ABCDE":
            await shell.ok("PUT", f"/api/sink-types/{name}", {})
        seen: list[str] = []
        cursor = ""
        while True:
            page = await shell.ok("GET", f"/api/audit?limit=2{cursor}")
            seen += [each["resource"][-1] for each in page["items"]]
            if page["cursor"] is None:
                break
            assert page["searched_to"] == "2026-03-01T12:00:00.000Z"
            cursor = f"&cursor={page['cursor']}"
        assert seen == list("EDCBA")

    async def test_it_is_for_admins(self, shell: Shell) -> None:
        (await shell("GET", "/api/audit", token=await viewer(shell))).problem(403)


@pytest.mark.parametrize("route", CALLS)
async def test_no_secret_is_in_any_row(shell: Shell, route: str) -> None:
    """Values, tokens, credentials, webhook keys: none of them, however it was given or made."""
    hidden = ["hunter2-and-more", await shell.configure(), await shell.enrol("last"), shell.token]
    call = await CALLS[route](shell)
    reply = await call.by(shell, route.partition(" ")[0])
    hidden += [
        reply.json[name] for name in ("token", "invitation", "csrf_token") if reply.body and reply.json.get(name)
    ]
    hidden += [each.partition("=")[2].partition(";")[0] for each in reply.cookies if "=;" not in each]
    hidden += [PASSWORD, "four other words and"]
    if reply.body and isinstance(reply.json.get("url"), str):
        hidden.append(reply.json["url"])
    tables = shell.hub.storage.tables
    rows = [*await tables.query(AUDIT, "people-00000000"), *await tables.query(AUDIT, "pending")]
    text = "".join(repr(dict(row.values)) for row in rows)
    assert "sinks/last" in text
    assert call.resource in text
    assert [each for each in hidden if each.rpartition("/")[2] in text] == []


class TestVerifying:
    async def test_a_whole_audit(self, shell: Shell) -> None:
        await shell.configure()
        await shell.hub.upkeep.tick()
        reply = await shell.ok("GET", "/api/audit/verify")
        newest = (await entries(shell))[0]
        assert reply == {
            "complete": True,
            "cursor": None,
            "breaks": [],
            "heads": [{"chain": "people", "seq": newest["seq"], "hash": newest["hash"]}],
            "entries": newest["seq"],
            "anchors": 1,
            "anchors_met": 1,
            "anchors_unreadable": 0,
        }

    async def test_in_several_calls(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hub.audit.verifying.MOST_ROWS", 1)
        await shell.configure()
        await shell.hub.upkeep.tick()
        calls, cursor = 0, ""
        while True:
            reply = await shell.ok("GET", f"/api/audit/verify{cursor}")
            calls += 1
            if reply["complete"]:
                break
            cursor = f"?cursor={reply['cursor']}"
        assert (reply["entries"], reply["anchors"]) == (1, 1)
        assert calls > 1
        other = (await shell.ok("GET", "/api/audit?limit=1"))["cursor"]
        assert "cursor" in (await shell("GET", f"/api/audit/verify?cursor={other}")).errors()

    async def test_a_break_is_told(self, shell: Shell) -> None:
        await shell.configure()
        row = (await shell.hub.storage.tables.query(AUDIT, "people-00000000"))[0]
        await shell.hub.storage.tables.put(AUDIT, "people-00000000", row.key, {**row.values, "entry": b"{}"})
        (broken,) = (await shell.ok("GET", "/api/audit/verify"))["breaks"]
        assert broken == {"chain": "people", "seq": 1, "what": "the entry does not match its hash: it was altered"}
        (shown,) = await entries(shell)
        assert (shown["action"], shown["result"]) == ("(unreadable)", "UNKNOWN")


@pytest.mark.parametrize(
    "data",
    [
        b'{"value": hunter2-and-more}',
        b'{"value": {"a": "hunter2-and-more"}}',
        b'{"value": ["hunter2-and-more"]}',
        b'{"value": "hunter2-and-more}',
        b'{"value": "hunter2-and-more", "value": "hunter2-and-more"}',
        b'{"value": "hunter2-and-more\xff"}',
        b'"hunter2-and-more"',
        b'{"value": "hunter2-and-more\\ud800"}',
        b'{"description": 3, "value": "hunter2-and-more"}',
    ],
)
async def test_what_a_secret_was_refused_for_does_not_tell_it(shell: Shell, data: bytes) -> None:
    (await shell("PUT", "/api/secrets/a", data=data)).problem(400)
    (row, _) = await shell.hub.storage.tables.query(AUDIT, "people-00000000")
    assert b"hunter2" not in row.values["entry"]  # type: ignore[operator]  # bytes
    assert b'"REFUSED"' in row.values["entry"]  # type: ignore[operator]
