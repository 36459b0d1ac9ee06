"""Configuring over HTTP: ETags, merge patches, references, import and export, webhook addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.shell import POLL, PUBLIC_URL, SINK_TYPE, Shell

KINDS = ("sink-types/PYTHON:BASE", "actions/go", "event-types/GO", "sources/hook")


class TestETags:
    async def test_a_document_carries_its_version(self, shell: Shell) -> None:
        created = await shell("PUT", "/api/sink-types/A", {})
        assert created.status == 201
        read = await shell("GET", "/api/sink-types/a")
        assert read.headers["etag"] == created.headers["etag"]
        replaced = await shell("PUT", "/api/sink-types/A", {"description": "x"}, if_match=created.headers["etag"])
        assert replaced.status == 200
        assert replaced.headers["etag"] != created.headers["etag"]

    async def test_an_old_version_is_412_and_none_is_too(self, shell: Shell) -> None:
        created = await shell("PUT", "/api/sink-types/A", {})
        await shell.ok("PUT", "/api/sink-types/A", {"description": "x"}, if_match="*")
        stale = await shell("PUT", "/api/sink-types/A", {"description": "y"}, if_match=created.headers["etag"])
        assert "read it again" in stale.problem(412)["detail"]
        assert "send the ETag" in (await shell("PUT", "/api/sink-types/A", {"description": "y"})).problem(412)["detail"]
        assert (await shell.ok("GET", "/api/sink-types/A"))["description"] == "x"

    @pytest.mark.parametrize("value", ["abc", '"abc', "W/abc", '"a" "b"', ""])
    async def test_what_is_no_etag_is_refused(self, shell: Shell, value: str) -> None:
        reply = await shell("PUT", "/api/sink-types/A", {}, if_match=value)
        assert "ETags in double quotes" in reply.errors()["If-Match"]

    async def test_several_and_weak_ones(self, shell: Shell) -> None:
        etag = (await shell("PUT", "/api/sink-types/A", {})).headers["etag"]
        await shell.ok("PATCH", "/api/sink-types/A", {"description": "x"}, if_match=f'"old", {etag}')
        etag = (await shell("GET", "/api/sink-types/A")).headers["etag"]
        (await shell("PATCH", "/api/sink-types/A", {"description": "y"}, if_match=f"W/{etag}")).problem(412)

    async def test_if_none_match_creates_only(self, shell: Shell) -> None:
        assert (await shell("PUT", "/api/sink-types/A", {}, if_none_match="*")).status == 201
        (await shell("PUT", "/api/sink-types/A", {}, if_none_match="*")).problem(412)
        reply = await shell("PUT", "/api/sink-types/A", {}, if_none_match='"x"')
        assert reply.errors() == {"If-None-Match": "the only value that is allowed is *"}


class TestDocuments:
    @pytest.mark.parametrize("path", KINDS)
    async def test_every_kind_is_read_listed_patched_and_deleted(self, shell: Shell, path: str) -> None:
        await shell.configure()
        kind = path.partition("/")[0]
        document = await shell.ok("GET", f"/api/{path}")
        assert (await shell.ok("GET", f"/api/{kind}"))["items"] == [document]
        await shell.ok("PATCH", f"/api/{path}", {})
        for each in reversed(KINDS[KINDS.index(path) :]):
            await shell.ok("DELETE", f"/api/{each}")
        (await shell("GET", f"/api/{path}")).problem(404)
        (await shell("PATCH", f"/api/{path}", {})).problem(404)
        (await shell("DELETE", f"/api/{path}")).problem(404)

    async def test_what_was_read_can_be_put(self, shell: Shell) -> None:
        await shell.configure()
        for path in KINDS:
            read = await shell("GET", f"/api/{path}")
            put = await shell("PUT", f"/api/{path}", read.json, if_match=read.headers["etag"])
            answered = put.json
            assert (put.status, {**read.json, "warnings": answered["warnings"]}) == (200, answered)
            again = await shell("PUT", f"/api/{path}", answered)
            assert (again.status, again.headers["etag"]) == (200, read.headers["etag"]), "what was answered can be put"

    async def test_names_in_the_address_are_decoded(self, shell: Shell) -> None:
        await shell.ok("PUT", "/api/sink-types/PWSH%3ABERLIN", {})
        assert (await shell.ok("GET", "/api/sink-types/pwsh:berlin"))["name"] == "PWSH:BERLIN"

    async def test_deleting_what_others_name_is_409_with_the_list(self, shell: Shell) -> None:
        await shell.configure()
        await shell.enrol()
        problem = (await shell("DELETE", f"/api/sink-types/{SINK_TYPE}")).problem(409)
        assert "event-types/GO, sinks/box" in problem["detail"]

    async def test_refused_fields_are_named(self, shell: Shell) -> None:
        await shell.configure()
        reply = await shell("PATCH", "/api/event-types/GO", {"retry": {"max_attempts": 0, "often": True}})
        errors = reply.errors()
        assert errors["retry.max_attempts"] == "must be greater than or equal to 1"
        assert "allowed are max_attempts, backoff_seconds" in errors["retry.often"]

    async def test_lists_go_on_by_cursor(self, shell: Shell) -> None:
        for name in "cab":
            await shell.ok("PUT", f"/api/sink-types/{name}", {})
        first = await shell.ok("GET", "/api/sink-types?limit=2")
        rest = await shell.ok("GET", f"/api/sink-types?limit=2&cursor={first['cursor']}")
        assert [each["name"] for each in first["items"] + rest["items"]] == ["a", "b", "c"]
        assert rest["cursor"] is None


class TestImport:
    async def test_export_can_be_imported_and_then_changes_nothing(self, shell: Shell) -> None:
        await shell.configure()
        exported = await shell.ok("GET", "/api/configuration")
        assert "key" not in str(exported["sources"])
        applied = await shell.ok("PUT", "/api/configuration", exported)
        assert [(each["document"], each["code"]) for each in applied.pop("warnings")] == [
            ("event-types/GO", "NO_SINK_ENROLLED"),
            ("sources/hook", "VERIFY_NONE"),
        ]
        assert applied == {
            "created": [],
            "changed": [],
            "unchanged": ["sink-types/PYTHON:BASE", "actions/go", "event-types/GO", "sources/hook"],
            "missing_secrets": [],
        }

    async def test_all_or_nothing(self, shell: Shell) -> None:
        documents = {
            "sink_types": [{"name": "A"}],
            "actions": [{"name": "go", "runtime": "python", "module": "m:f", "on_failure": "NONE"}],
        }
        reply = await shell("PUT", "/api/configuration", documents)
        assert reply.errors() == {"actions/go.on_failure": "there is no event type NONE"}
        assert (await shell.ok("GET", "/api/sink-types"))["items"] == []

    @pytest.mark.parametrize(
        ("document", "field", "said"),
        [
            ([], "", "an object with the lists sink_types, actions, event_types, sources"),
            ({"secrets": []}, "", "an object with the lists"),
            ({"actions": {}}, "actions", "a JSON array"),
            ({"actions": [{"name": "a b"}]}, "actions[0].name", "must be 1 to 63 letters"),
        ],
    )
    async def test_shapes_are_refused(self, shell: Shell, document: Any, field: str, said: str) -> None:
        assert said in (await shell("PUT", "/api/configuration", document)).errors()[field]

    async def test_a_plan_says_what_an_import_would_do_and_does_nothing(self, shell: Shell) -> None:
        await shell.configure()
        before = await shell("GET", "/api/configuration")
        documents: dict[str, Any] = {
            "actions": [{"name": "go", "runtime": "python", "module": "m:f", "timeout_seconds": 7}],
            "event_types": [{"name": "NEW", "sink_type": SINK_TYPE, "action": "go"}],
        }
        entries = (await shell.ok("GET", "/api/audit"))["items"]
        plan = await shell.ok("POST", "/api/configuration/plan", documents)

        assert (plan["created"], plan["changed"], plan["unchanged"]) == (["event-types/NEW"], ["actions/go"], [])
        assert {(each["document"], each["code"]) for each in plan["warnings"]} == {
            ("event-types/GO", "NO_SINK_ENROLLED"),
            ("event-types/NEW", "NO_SINK_ENROLLED"),
        }
        assert (plan["before"]["event_types"], plan["before"]["sources"], plan["after"]["sources"]) == ([], [], [])
        assert [each["timeout_seconds"] for each in plan["before"]["actions"] + plan["after"]["actions"]] == [300, 7]
        assert f'"{plan["version"]}"' == before.headers["etag"]
        after = await shell("GET", "/api/configuration")
        assert (after.body, after.headers["etag"]) == (before.body, before.headers["etag"])
        assert (await shell.ok("GET", "/api/audit"))["items"] == entries
        refused = await shell(
            "POST", "/api/configuration/plan", {"event_types": [{**documents["event_types"][0], "action": "none"}]}
        )
        assert refused.errors() == {"action": "there is no action none"}
        many = {"sink_types": [{"name": f"T{number}"} for number in range(100)]}
        assert "at most 99" in (await shell("POST", "/api/configuration/plan", many)).problem(400)["detail"]

        applied = await shell.ok("PUT", "/api/configuration", documents, if_match=before.headers["etag"])
        assert (applied["created"], applied["changed"]) == (plan["created"], plan["changed"])
        assert (await shell.ok("GET", "/api/actions/go")) == plan["after"]["actions"][0]
        again = await shell.ok("PUT", "/api/configuration", documents, if_match=before.headers["etag"])
        assert again["unchanged"] == ["actions/go", "event-types/NEW"], "asked again, as after an answer that was lost"
        documents["actions"][0]["timeout_seconds"] = 8
        (await shell("PUT", "/api/configuration", documents, if_match=before.headers["etag"])).problem(412)
        assert (await shell.ok("GET", "/api/actions/go"))["timeout_seconds"] == 7

    async def test_more_than_a_transaction_holds(self, shell: Shell) -> None:
        documents = {"sink_types": [{"name": f"T{number}"} for number in range(100)]}
        assert "at most 99" in (await shell("PUT", "/api/configuration", documents)).problem(400)["detail"]


class TestWarnings:
    async def test_an_event_type_that_no_enrolled_sink_can_run_is_saved_and_said(self, shell: Shell) -> None:
        await shell.configure()
        event_type = await shell.ok("GET", "/api/event-types/GO")
        saved = await shell.ok("PATCH", "/api/event-types/GO", {"timeout_seconds": 5})
        (warning,) = saved.pop("warnings")
        assert saved == {**event_type, "timeout_seconds": 5}
        assert (warning["document"], warning["code"]) == ("event-types/GO", "NO_SINK_ENROLLED")
        assert f"no sink of the type {SINK_TYPE} is enrolled" in warning["message"]
        credential = await shell.enrol()
        assert (await shell.ok("PUT", "/api/event-types/GO", event_type, if_match="*"))["warnings"] == []
        has = {"platform": "test", "runtimes": ["python"], "modules": ["m"]}
        await shell("POST", "/agent/poll", {**POLL, "slots": 0, "capabilities": has}, token=credential)
        shell.clock.seconds += 86_400  # it is away, and what it has is known
        assert (await shell.ok("PUT", "/api/event-types/GO", event_type, if_match="*"))["warnings"] == []
        saved = await shell.ok("PATCH", "/api/actions/go", {"runtime": "shell", "module": "go.sh"})
        assert [(each["document"], each["code"]) for each in saved["warnings"]] == [
            ("event-types/GO", "RUNTIME_MISSING")
        ]
        saved = await shell.ok("PATCH", "/api/actions/go", {"runtime": "python", "module": "other:f"})
        assert [each["code"] for each in saved["warnings"]] == ["MODULE_NOT_INSTALLED"]
        saved = await shell("PUT", "/api/event-types/OTHER", {"sink_type": SINK_TYPE, "sink": "box", "action": "go"})
        assert saved.status == 201
        assert "the sink box does not list the module other:f" in saved.json["warnings"][0]["message"]

    async def test_a_webhook_that_anybody_may_call_is_flagged(self, shell: Shell) -> None:
        await shell.configure()
        saved = await shell.ok("PATCH", "/api/sources/hook", {})
        assert [(each["document"], each["code"]) for each in saved["warnings"]] == [("sources/hook", "VERIFY_NONE")]
        assert "warnings" not in await shell.ok("GET", "/api/sources/hook")
        await shell.ok("PUT", "/api/secrets/s", {"value": "x" * 20})
        verify = {"preset": "github", "secret": "s"}
        assert (await shell.ok("PATCH", "/api/sources/hook", {"verify": verify}))["warnings"] == []
        assert (await shell.ok("PUT", "/api/sink-types/A", {}))["warnings"] == []


class TestWebhookAddress:
    async def test_begins_with_the_setting_and_never_with_the_requests_host(self, shell: Shell) -> None:
        await shell.configure()
        url = (await shell.ok("GET", "/api/sources/hook"))["url"]
        assert url.startswith(f"{PUBLIC_URL}/hooks/")
        assert len(url.rpartition("/")[2]) == 43

    async def test_rotation(self, shell: Shell) -> None:
        old = await shell.configure()
        rotated = await shell.ok("POST", "/api/sources/hook/rotate-key")
        new = rotated["url"].removeprefix(PUBLIC_URL)
        assert rotated["old_url_until"] == "2026-03-02T12:00:00.000Z"
        for path in (old, new):
            assert (await shell("POST", path, {}, token=None)).status == 202
        assert "valid until" in (await shell("POST", "/api/sources/hook/rotate-key")).problem(409)["detail"]
        shell.clock.seconds += 86_400
        (await shell("POST", old, {}, token=None)).problem(404)
        assert (await shell("POST", new, {}, token=None)).status == 202
        assert (await shell.ok("GET", "/api/sources/hook"))["old_url_until"] is None

    async def test_rotation_without_overlap_ends_every_older_key(self, shell: Shell) -> None:
        first = await shell.configure()
        second = (await shell.ok("POST", "/api/sources/hook/rotate-key"))["url"].removeprefix(PUBLIC_URL)
        await shell.ok("POST", "/api/sources/hook/rotate-key", {"overlap_hours": 0})
        for path in (first, second):
            (await shell("POST", path, {}, token=None)).problem(404)
        reply = await shell("POST", "/api/sources/hook/rotate-key", {"overlap_hours": 169})
        assert "overlap_hours" in reply.errors()
        (await shell("POST", "/api/sources/none/rotate-key")).problem(404)
