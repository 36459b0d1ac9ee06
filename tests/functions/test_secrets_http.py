"""`/api/secrets`, what may name a secret, and the release to the sink that holds the event."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import pytest
from nexomatic_agent.unsealing import Unsealer, public_key

from hub.secrets.port import MOST_VALUE_BYTES
from tests.functions.shell import POLL, SINK_TYPE, Reply, Shell, opened_shell

VALUE = "hunter2-and-more"
NAMES_TOKEN = [{"name": "token", "type": "SECRET", "value": "api-token"}]


async def put(shell: Shell, name: str = "api-token", value: str = VALUE, **headers: Any) -> Reply:
    return await shell("PUT", f"/api/secrets/{name}", {"value": value, "description": "for tests"}, **headers)


async def waiting(shell: Shell, seal_to: str | None = None, **options: Any) -> tuple[str, Any, str]:
    """An event whose action needs the secret, claimed: its id, its task, the sink's credential."""
    await put(shell)
    await shell.configure(**options)
    await shell.ok("PATCH", "/api/actions/go", {"parameters": NAMES_TOKEN})
    credential = await shell.enrol(seal_to=seal_to)
    event_id = await shell.fire()
    return event_id, await shell.claim(credential), credential


async def release(shell: Shell, event_id: str, token: str, credential: str | None) -> Reply:
    return await shell("POST", f"/agent/events/{event_id}/secrets", {"token": token}, token=credential)


class TestTheDocuments:
    async def test_what_is_put_reads_back_without_its_value(self, shell: Shell) -> None:
        made = await put(shell)
        assert made.status == 201
        document = made.json
        assert set(document) == {"name", "description", "version", "changed_at", "changed_by", "keeper", "previous"}
        assert (document["keeper"], document["previous"]) == ("HUB", None)
        assert (document["name"], document["description"]) == ("api-token", "for tests")
        assert document["changed_by"] == "first-admin"
        assert made.headers["etag"] == f'"{document["version"]}"'
        read = await shell("GET", "/api/secrets/API-TOKEN")
        assert (read.json, read.headers["etag"]) == (document, made.headers["etag"])
        assert await shell.ok("GET", "/api/secrets") == {"items": [document], "cursor": None}

    async def test_replacing_needs_the_version_that_was_read(self, shell: Shell) -> None:
        first = await put(shell)
        (await put(shell, value="other")).problem(412)
        (await put(shell, value="other", if_match='"x"')).problem(412)
        (await put(shell, value="other", if_none_match="*")).problem(412)
        second = await put(shell, value="other", if_match=first.headers["etag"])
        assert second.status == 200
        assert second.headers["etag"] != first.headers["etag"]
        assert (await put(shell, value="third", if_match="*")).status == 200
        (await shell("DELETE", "/api/secrets/api-token", if_match=second.headers["etag"])).problem(412)

    async def test_putting_what_is_there_changes_nothing_so_that_a_put_may_be_repeated(self, shell: Shell) -> None:
        first = await put(shell)
        again = await put(shell)
        assert (again.status, again.json, again.headers["etag"]) == (200, first.json, first.headers["etag"])
        (await put(shell, if_none_match="*")).problem(412)

    async def test_a_new_description_alone_is_a_change(self, shell: Shell) -> None:
        first = await put(shell)
        body = {"value": VALUE, "description": "other"}
        (await shell("PUT", "/api/secrets/api-token", body)).problem(412)
        changed = await shell("PUT", "/api/secrets/api-token", body, if_match=first.headers["etag"])
        assert (changed.status, changed.json["description"]) == (200, "other")

    async def test_the_version_before_is_listed_and_can_be_restored(self, shell: Shell) -> None:
        first = (await put(shell)).json
        second = (await put(shell, value="other", if_match="*")).json
        assert second["previous"] == {key: first[key] for key in ("version", "changed_at", "changed_by", "keeper")}
        url, body = "/api/secrets/API-token/restore", {"version": first["version"]}
        (await shell("POST", url, body, if_match='"x"')).problem(412)
        assert "no such version" in (await shell("POST", url, {"version": "1"})).problem(409)["detail"]
        (await shell("POST", url.replace("token", "other"), body)).problem(404)
        assert set((await shell("POST", url, {})).errors()) == {"version"}
        for _ in range(2):
            restored = await shell("POST", url, body)
            assert (restored.status, restored.json["version"]) == (200, first["version"])
            assert restored.headers["etag"] == f'"{first["version"]}"'
            assert restored.json["previous"]["version"] == second["version"]
        assert (await shell.hub.secrets.get("api-token")).value == VALUE

    async def test_without_a_key_vault_there_is_no_secret_without_a_value(self, shell: Shell) -> None:
        body = {"value": None}
        assert "knows no key vault" in (await shell("PUT", "/api/secrets/x", body)).problem(409)["detail"]

    async def test_what_is_deleted_is_gone(self, shell: Shell) -> None:
        await put(shell)
        assert (await shell("DELETE", "/api/secrets/API-token")).status == 204
        for method in ("GET", "DELETE"):
            assert "api-token" in (await shell(method, "/api/secrets/api-token")).problem(404)["detail"]
        assert (await shell.ok("GET", "/api/secrets"))["items"] == []

    async def test_the_list_goes_on_by_cursor(self, shell: Shell) -> None:
        for name in ("c", "A", "b"):
            await put(shell, name)
        first = await shell.ok("GET", "/api/secrets?limit=2")
        rest = await shell.ok("GET", f"/api/secrets?limit=2&cursor={first['cursor']}")
        assert [each["name"] for each in first["items"] + rest["items"]] == ["A", "b", "c"]
        assert rest["cursor"] is None

    async def test_what_is_refused_is_not_repeated(self, shell: Shell) -> None:
        refused: list[tuple[dict[str, Any], str, str]] = [
            ({}, "value", "is required"),
            ({"value": ""}, "value", "empty"),
            ({"value": 1}, "value", "must be a string"),
            ({"value": "x" * (MOST_VALUE_BYTES + 1)}, "value", str(MOST_VALUE_BYTES)),
            ({"value": VALUE, "valeu": VALUE}, "valeu", "allowed are value, description"),
            ({"value": VALUE, "description": "x" * 501}, "description", "at most 500"),
        ]
        for body, field, words in refused:
            reply = await shell("PUT", "/api/secrets/api-token", body)
            assert words in reply.errors()[field]
            assert VALUE.encode() not in reply.body
            assert b"xxx" not in reply.body

    async def test_names_that_are_refused(self, shell: Shell) -> None:
        for name in ("a_b", "a.b", "%C3%A4", "x" * 128):
            assert "1 to 127 letters" in (await put(shell, name)).problem(400)["detail"]

    async def test_viewers_and_sinks_see_not_even_names(self, shell: Shell) -> None:
        await put(shell)
        await shell.configure()
        viewer = (await shell.ok("POST", "/api/tokens", {"name": "v", "role": "VIEWER"}))["token"]
        for token in (viewer, await shell.enrol()):
            for method, url in (
                ("GET", ""),
                ("GET", "/api-token"),
                ("PUT", "/api-token"),
                ("DELETE", "/api-token"),
                ("POST", "/api-token/restore"),
            ):
                body = {"value": "other"} if method == "PUT" else {"version": "1"} if method == "POST" else None
                reply = await shell(method, f"/api/secrets{url}", body, token=token, if_match="*")
                reply.problem(403)
                assert b"api-token" not in reply.body
        assert (await shell("GET", "/api/secrets/api-token")).status == 200

    async def test_the_openapi_document_marks_the_value_as_a_password_that_is_only_written(self, shell: Shell) -> None:
        schemas = (await shell.ok("GET", "/api/openapi.json"))["components"]["schemas"]
        assert schemas["PutSecret"]["properties"]["value"]["format"] == "password"
        assert schemas["PutSecret"]["properties"]["value"]["writeOnly"] is True
        assert "value" not in schemas["SecretView"]["properties"]


class TestWhoNamesThem:
    async def test_a_secret_that_is_not_there_cannot_be_named(self, shell: Shell) -> None:
        await shell.configure()
        for url in ("/api/actions/go", "/api/event-types/GO"):
            reply = await shell("PATCH", url, {"parameters": NAMES_TOKEN})
            assert "there is no secret api-token: put it first" in reply.errors()["parameters[0].value"]
        await put(shell)
        for url in ("/api/actions/go", "/api/event-types/GO"):
            await shell.ok("PATCH", url, {"parameters": NAMES_TOKEN})

    async def test_what_is_no_name_is_refused_as_that_and_not_repeated(self, shell: Shell) -> None:
        await shell.configure()
        reply = await shell(
            "PATCH", "/api/actions/go", {"parameters": [{"name": "a", "type": "SECRET", "value": "p@ss_word"}]}
        )
        assert "is not the name of a secret" in reply.errors()["parameters[0].value"]
        assert b"p@ss" not in reply.body

    async def test_what_is_no_text_names_nothing(self, shell: Shell) -> None:
        await shell.configure()
        values: list[Any] = [None, 1, ["api-token"], {"name": "api-token"}]
        for value, url in itertools.product(values, ("/api/actions/go", "/api/event-types/GO")):
            reply = await shell("PATCH", url, {"parameters": [{**NAMES_TOKEN[0], "value": value}]})
            assert "as a string" in reply.errors()["parameters[0].value"]

    async def test_one_that_is_named_stays(self, shell: Shell) -> None:
        await put(shell)
        await shell.configure(parameters=NAMES_TOKEN)
        await shell.ok("PATCH", "/api/actions/go", {"parameters": [{**NAMES_TOKEN[0], "value": "API-Token"}]})
        refused = (await shell("DELETE", "/api/secrets/api-token")).problem(409)
        assert "actions/go, event-types/GO" in refused["detail"]
        assert (await shell("GET", "/api/secrets/api-token")).status == 200
        for url in ("/api/actions/go", "/api/event-types/GO"):
            await shell.ok("PATCH", url, {"parameters": []})
        assert (await shell("DELETE", "/api/secrets/api-token")).status == 204

    async def test_an_import_names_all_that_is_missing_or_takes_it_later_if_told_so(self, shell: Shell) -> None:
        await shell.configure()
        file = {
            "actions": [{"name": "go", "runtime": "python", "module": "m:f", "parameters": NAMES_TOKEN}],
            "event_types": [{"name": "GO", "sink_type": "PYTHON:BASE", "action": "go", "parameters": NAMES_TOKEN}],
        }
        refused = (await shell("PUT", "/api/configuration", file)).errors()
        assert set(refused) == {"actions/go.parameters[0].value", "event-types/GO.parameters[0].value"}
        (await shell("PUT", "/api/configuration?secrets=never", file)).problem(400)
        applied = await shell.ok("PUT", "/api/configuration?secrets=later", file)
        assert applied["missing_secrets"] == [{"name": "api-token", "named_by": ["actions/go", "event-types/GO"]}]
        # What is named already hinders no other change.
        await shell.ok("PATCH", "/api/event-types/GO", {"enabled": False})
        assert (await shell.ok("PUT", "/api/configuration", file))["missing_secrets"] == applied["missing_secrets"]
        await put(shell)
        assert (await shell.ok("PUT", "/api/configuration", file))["missing_secrets"] == []

    async def test_secrets_are_no_part_of_an_export(self, shell: Shell) -> None:
        await put(shell)
        assert set(await shell.ok("GET", "/api/configuration")) == {
            "sink_types",
            "actions",
            "event_types",
            "sources",
        }

    async def test_more_of_them_than_one_answer_should_carry_are_refused(self, shell: Shell) -> None:
        await put(shell)
        await shell.configure()
        many = [{**NAMES_TOKEN[0], "name": f"p{number}"} for number in range(33)]
        assert "more than 32" in (await shell("PATCH", "/api/actions/go", {"parameters": many})).errors()["parameters"]
        await shell.ok("PATCH", "/api/actions/go", {"parameters": many[:32]})


class TestRelease:
    async def test_the_holder_is_given_what_the_attempt_names(
        self, shell: Shell, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        await put(shell, "other", "not for this event")
        event_id, task, credential = await waiting(shell)
        reply = await release(shell, event_id, task["token"], credential)
        version = (await shell.ok("GET", "/api/secrets/api-token"))["version"]
        assert reply.json == {"secrets": [{"name": "api-token", "version": version, "value": VALUE}], "sealed": None}
        assert reply.headers["cache-control"] == "no-store"
        assert f"event {event_id}: secrets api-token (version {version}) released to the sink box" in caplog.text
        assert VALUE not in caplog.text

    async def test_an_event_that_names_none_is_given_none(self, shell: Shell) -> None:
        await put(shell)
        await shell.configure()
        credential = await shell.enrol()
        event_id = await shell.fire()
        task = await shell.claim(credential)
        assert (await release(shell, event_id, task["token"], credential)).json == {"secrets": [], "sealed": None}

    async def test_what_the_attempt_names_was_settled_at_its_claim(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        await put(shell, "other", "named too late")
        await shell.ok("PATCH", "/api/actions/go", {"parameters": [{**NAMES_TOKEN[0], "value": "other"}]})
        reply = await release(shell, event_id, task["token"], credential)
        assert [(each["name"], each["value"]) for each in reply.json["secrets"]] == [("api-token", VALUE)]

    async def test_the_value_is_the_newest(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        await put(shell, value="rotated", if_match="*")
        reply = await release(shell, event_id, task["token"], credential)
        assert reply.json["secrets"][0]["value"] == "rotated"

    async def test_a_parameter_of_the_event_type_stands_in_for_the_actions(self, shell: Shell) -> None:
        await put(shell, "stronger", "the event type's")
        event_id, task, credential = await waiting(
            shell, parameters=[{"name": "TOKEN", "type": "SECRET", "value": "stronger"}]
        )
        reply = await release(shell, event_id, task["token"], credential)
        assert [(each["name"], each["value"]) for each in reply.json["secrets"]] == [("stronger", "the event type's")]

    async def test_one_that_is_gone_is_named(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        await shell.ok("PATCH", "/api/actions/go", {"parameters": []})
        await shell("DELETE", "/api/secrets/api-token")
        refused = (await release(shell, event_id, task["token"], credential)).problem(404)
        assert refused["type"].endswith(":secret-unavailable")
        assert refused["detail"] == "there is no secret api-token (for the parameter token)"

    async def test_of_a_cancelled_event_nothing_is_given(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        await shell.ok("POST", f"/api/events/{event_id}/cancel")
        reply = await release(shell, event_id, task["token"], credential)
        assert reply.problem(409)["reason"] == "cancelled"
        assert VALUE.encode() not in reply.body

    async def test_of_an_event_that_has_ended_nothing_is_given(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        body = {"token": task["token"], "state": "SUCCESS"}
        await shell.ok("POST", f"/agent/events/{event_id}/result", body, token=credential)
        assert (await release(shell, event_id, task["token"], credential)).problem(409)["reason"] == "superseded"

    async def test_a_superseded_attempt_is_refused_though_its_token_is_signed(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        other = await shell.enrol("other")
        answer = None
        while answer is None or not answer.body:
            shell.clock.seconds += 60
            answer = await shell("POST", "/agent/poll", POLL, token=other)
        (taken,) = answer.json["tasks"]
        assert (await release(shell, event_id, task["token"], credential)).problem(409)["reason"] == "superseded"
        assert (await release(shell, event_id, taken["token"], other)).json["secrets"][0]["value"] == VALUE

    async def test_a_lease_that_has_run_out_is_to_be_renewed_first(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        shell.clock.seconds += 34  # the lease and, almost, the margin between two hubs' clocks
        assert (await release(shell, event_id, task["token"], credential)).status == 200
        shell.clock.seconds += 2
        refused = (await release(shell, event_id, task["token"], credential)).problem(409)
        assert "reason" not in refused
        assert "Renew it" in refused["detail"]
        body = {"token": task["token"]}
        renewed = await shell.ok("POST", f"/agent/events/{event_id}/renew", body, token=credential)
        assert (await release(shell, event_id, renewed["token"], credential)).status == 200

    async def test_past_the_run_time_out_nothing_is_given(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell, timeout_seconds=1, lease_seconds=3600)
        shell.clock.seconds += 120
        (await release(shell, event_id, task["token"], credential)).problem(409)

    async def test_another_sink_another_event_an_altered_token(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell)
        token = task["token"]
        other = await shell.enrol("other")
        assert "another sink" in (await release(shell, event_id, token, other)).problem(400)["detail"]
        another_event = await shell.fire()
        assert "another event" in (await release(shell, another_event, token, credential)).problem(400)["detail"]
        altered = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
        assert "not made by this hub" in (await release(shell, event_id, altered, credential)).problem(400)["detail"]
        (await release(shell, event_id, token, None)).problem(401)
        (await release(shell, event_id, token, shell.token)).problem(403)

    async def test_what_it_costs(self, shell: Shell) -> None:
        await put(shell, "other")
        event_id, task, credential = await waiting(
            shell, parameters=[{"name": "b", "type": "SECRET", "value": "other"}, {**NAMES_TOKEN[0], "name": "c"}]
        )
        await release(shell, event_id, task["token"], credential)  # the first one of the hour
        before = shell.hub.storage.operations.by_kind()
        assert len((await release(shell, event_id, task["token"], credential)).json["secrets"]) == 2
        assert shell.hub.storage.operations.by_kind() - before == {"table.get": 1 + 2, "table.insert": 1}


async def test_the_hub_keeps_a_value_for_a_minute_for_who_asks_often_and_drops_it_when_it_is_put(shell: Shell) -> None:
    await put(shell)
    assert (await shell.hub.secrets.get("api-token")).value == VALUE
    before = shell.hub.storage.operations.by_kind()
    for _ in range(10):
        await shell.hub.secrets.get("api-token")
    assert not shell.hub.storage.operations.by_kind() - before
    await put(shell, value="rotated", if_match="*")
    assert (await shell.hub.secrets.get("api-token")).value == "rotated"


class TestSealing:
    async def test_a_sink_that_gave_a_key_is_given_secrets_for_its_eyes_alone(
        self, shell: Shell, tmp_path: Path
    ) -> None:
        key = public_key(tmp_path)
        event_id, task, credential = await waiting(shell, seal_to=key)
        reply = await release(shell, event_id, task["token"], credential)
        assert VALUE.encode() not in reply.body
        assert [each["value"] for each in reply.json["secrets"]] == [None]
        values = Unsealer(tmp_path, "box").values(event_id, task["attempt"], reply.json)
        assert values == {"api-token": VALUE}
        assert (await shell.ok("GET", "/api/sinks/box"))["seal_to"] == key

    async def test_what_is_no_key_is_refused_at_the_enrolment(self, shell: Shell) -> None:
        await shell.configure()
        token = (await shell.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE}))["token"]
        for key in ("", "AAAA", "A" * 44, 1):
            said = {"token": token, "name": "box", "version": "1", "seal_to": key}
            assert "seal_to" in (await shell("POST", "/agent/enroll", said, token=None)).errors()

    async def test_a_key_of_the_right_length_that_is_none_is_found_at_the_release(self, shell: Shell) -> None:
        event_id, task, credential = await waiting(shell, seal_to="A" * 43 + "=")
        refused = (await release(shell, event_id, task["token"], credential)).problem(404)
        assert "the key of the sink box is none" in refused["detail"]

    async def test_a_hub_that_only_seals_gives_nothing_to_a_sink_without_a_key(self, tmp_path: Path) -> None:
        async with opened_shell(sealed_secrets=True) as shell:
            event_id, task, credential = await waiting(shell)
            reply = await release(shell, event_id, task["token"], credential)
            assert VALUE.encode() not in reply.body
            refused = reply.problem(404)
            assert refused["type"].endswith(":secret-unavailable")
            assert "the sink box has no key: install the package cryptography" in refused["detail"]

    async def test_a_hub_that_only_seals_still_gives_to_who_has_a_key_and_runs_what_needs_no_secret(
        self, tmp_path: Path
    ) -> None:
        async with opened_shell(sealed_secrets=True) as shell:
            event_id, task, credential = await waiting(shell, seal_to=public_key(tmp_path))
            assert (await release(shell, event_id, task["token"], credential)).json["sealed"]
            await shell.ok("PATCH", "/api/actions/go", {"parameters": []})
            other = await shell.enrol("other")
            event_id = await shell.fire()
            task = await shell.claim(other)
            assert (await release(shell, event_id, task["token"], other)).json == {"secrets": [], "sealed": None}
