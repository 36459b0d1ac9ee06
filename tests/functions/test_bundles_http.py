"""`/api/modules`, actions that name a bundle, and the pieces of it to the sink that holds the event."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import pytest

from hub.life import fetch
from hub.rules.partitions import partition_of, row_key_of
from hub.storage import keys
from tests.functions.shell import POLL, SINK_TYPE, Reply, Shell, opened_shell

SIGNATURE = f"{'0123456789abcdef'}:{'A' * 86}=="
OTHER_SIGNATURE = f"{'0' * 16}:{'A' * 86}=="


def zipped(text: str = "def run(payload, params, context): pass") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as bundle:
        bundle.writestr(zipfile.ZipInfo("tool.py"), text)
    return made.getvalue()


CODE = zipped()
DIGEST = hashlib.sha256(CODE).hexdigest()


async def push(shell: Shell, name: str = "tools@1", data: bytes = CODE, **headers: Any) -> Reply:
    return await shell("PUT", f"/api/modules/{name}", data=data, **headers)


async def piece(shell: Shell, credential: str | None, lease: str, digest: str = DIGEST, first: int = 0) -> Reply:
    headers: Any = {"nexomatic_lease": lease, "range": f"bytes={first}-"}
    return await shell("GET", f"/agent/modules/{digest}", token=credential, **headers)


async def claimed(shell: Shell, sink: str = "box") -> tuple[Any, str, str]:
    """A task whose action runs tools@1, the credential of the sink that holds it, and its event's id."""
    await push(shell)
    await shell.configure()
    await shell.ok("PATCH", "/api/actions/go", {"bundle": "tools@1"})
    credential = await shell.enrol(sink)
    event_id = await shell.fire()
    return await shell.claim(credential), credential, event_id


async def blobs(shell: Shell) -> list[str]:
    engine: Any = shell.hub.storage.blobs
    query = "SELECT name FROM blobs WHERE container = ?"
    found: list[tuple[str]] = await engine._queries.run(lambda c: c.execute(query, (keys.BUNDLES,)).fetchall())
    return [name for (name,) in found]


class TestBundles:
    async def test_what_is_pushed_reads_back_without_its_bytes(self, shell: Shell) -> None:
        made = await push(shell, nexomatic_signature=SIGNATURE)
        assert made.status == 201
        document = made.json
        assert document == await shell.ok("GET", "/api/modules/TOOLS@1")
        assert await shell.ok("GET", "/api/modules") == {"items": [document], "cursor": None}
        told = {"name": "tools@1", "digest": DIGEST, "size": len(CODE), "files": 1, "unpacked": 39}
        by = {"key_id": "0123456789abcdef", "uploaded_at": document["uploaded_at"], "uploaded_by": "first-admin"}
        assert document == {**told, **by}
        (entry,) = (await shell.ok("GET", "/api/audit?action=PUT+/api/modules/{name}"))["items"]
        assert (entry["resource"], entry["actor"]) == ("modules/tools@1", "first-admin")
        assert entry["changes"][0]["after"]["digest"] == DIGEST

    async def test_a_version_never_changes(self, shell: Shell) -> None:
        await push(shell)
        other = await push(shell, data=zipped("other"))
        assert "what a version stands for never changes" in other.problem(409)["detail"]
        assert (await push(shell, "Tools@1", zipped("other"))).status == 409
        assert (await shell.ok("GET", "/api/modules/tools@1"))["digest"] == DIGEST
        assert (await push(shell, "tools@2", zipped("other"))).status == 201
        assert len(await blobs(shell)) == 2, "what was refused is not kept"

    async def test_the_same_bytes_again_change_nothing_but_the_signature(self, shell: Shell) -> None:
        made = (await push(shell)).json
        again = await push(shell)
        assert (again.status, again.json) == (200, made)
        signed = await push(shell, nexomatic_signature=SIGNATURE)
        assert (signed.status, signed.json["key_id"]) == (200, "0123456789abcdef")
        assert (await push(shell)).json["key_id"] == "0123456789abcdef", "a push without one takes none away"
        assert (await push(shell, nexomatic_signature=OTHER_SIGNATURE)).json["key_id"] == "0" * 16
        assert len(await blobs(shell)) == 1

    @pytest.mark.parametrize("name", ["tools", "tools@", "@1", "to ols@1", "tools@1@2", "t" * 64 + "@1", "tools@-1"])
    async def test_names_that_are_none(self, shell: Shell, name: str) -> None:
        assert "name@version" in (await push(shell, name)).errors()["name"]
        assert await blobs(shell) == []

    async def test_what_is_refused(self, shell: Shell) -> None:
        assert "16 hexadecimal digits" in (await push(shell, nexomatic_signature="x:y")).errors()["Nexomatic-Signature"]
        assert "not a zip" in (await push(shell, data=b"x")).problem(400)["detail"]
        assert "as it is" in (await push(shell, content_encoding="gzip")).problem(415)["detail"]
        assert (await push(shell, data=b"", transfer_encoding="chunked")).status == 411

    async def test_one_that_is_too_large(self) -> None:
        async with opened_shell(max_bundle=len(CODE) - 1) as shell:
            assert "NEXOMATIC_MAX_BUNDLE" in (await push(shell)).problem(413)["detail"]

    async def test_one_that_actions_name_stays(self, shell: Shell) -> None:
        await push(shell)
        await shell.configure()
        errors = (await shell("PATCH", "/api/actions/go", {"bundle": "tools@2"})).errors()
        assert "there is no bundle tools@2: push it first" in errors["bundle"]
        await shell.ok("PATCH", "/api/actions/go", {"bundle": "tools@1"})
        assert "named by actions/go" in (await shell("DELETE", "/api/modules/tools@1")).problem(409)["detail"]
        await shell.ok("PATCH", "/api/actions/go", {"bundle": None})
        await shell.ok("DELETE", "/api/modules/tools@1")
        (await shell("GET", "/api/modules/tools@1")).problem(404)
        (await shell("DELETE", "/api/modules/tools@1")).problem(404)
        assert await blobs(shell) == []

    async def test_deleting_one_takes_nothing_from_another_with_the_same_bytes(self, shell: Shell) -> None:
        await push(shell, "same@1")
        task, credential, _ = await claimed(shell)
        await shell.ok("DELETE", "/api/modules/same@1")
        assert (await piece(shell, credential, task["token"])).body == CODE

    async def test_an_export_names_it_and_an_import_needs_it(self, shell: Shell) -> None:
        await push(shell)
        await shell.configure()
        await shell.ok("PATCH", "/api/actions/go", {"bundle": "tools@1"})
        exported = await shell.ok("GET", "/api/configuration")
        assert exported["actions"][0]["bundle"] == "tools@1"
        await shell.ok("PATCH", "/api/actions/go", {"bundle": None})
        await shell.ok("DELETE", "/api/modules/tools@1")
        for method, route in (("PUT", "/api/configuration"), ("POST", "/api/configuration/plan")):
            refused = await shell(method, route, exported)
            assert "there is no bundle tools@1: push it first" in refused.errors()["bundle"]
        await push(shell)
        assert (await shell.ok("PUT", "/api/configuration", exported))["changed"] == ["actions/go"]


class TestAttempts:
    async def test_what_it_runs_is_resolved_at_the_claim(self, shell: Shell) -> None:
        await push(shell, nexomatic_signature=SIGNATURE)
        task, _, event_id = await claimed(shell)
        told = {name: task[f"bundle_{name}"] for name in ("digest", "size", "signature")}
        assert (task["bundle"], told) == (
            "tools@1",
            {"digest": DIGEST, "size": len(CODE), "signature": SIGNATURE},
        )
        run = (await shell.ok("GET", f"/api/events/{event_id}"))["attempts"][0]["run"]
        assert (run["bundle"], run["bundle_digest"], run["bundle_size"]) == ("tools@1", DIGEST, len(CODE))

    async def test_without_a_bundle_nothing_of_it_is_stored(self, shell: Shell) -> None:
        await shell.configure()
        event_id, credential = await shell.fire(), await shell.enrol()
        task = await shell.claim(credential)
        assert (task["bundle"], task["bundle_digest"]) == (None, None)
        stored = await shell.hub.context.events.get(event_id)
        row = await shell.hub.storage.tables.get(keys.EVENTS, partition_of(event_id).name, row_key_of(event_id))
        assert stored.event.attempts[0].run.bundle_digest is None
        assert "bundle_digest" not in str(row.values["begun_01"])

    async def test_a_rerun_as_it_was_runs_the_same_bytes_or_says_that_they_are_gone(self, shell: Shell) -> None:
        task, credential, event_id = await claimed(shell)
        result = {"token": task["token"], "state": "SUCCESS"}
        await shell.ok("POST", f"/agent/events/{event_id}/result", result, token=credential)
        await push(shell, "tools@2", zipped("other"))
        await shell.ok("PATCH", "/api/actions/go", {"bundle": "tools@2"})
        rerun = {"as": "recorded"}
        first = (await shell.ok("POST", f"/api/events/{event_id}/retry", rerun))["id"]
        assert (await shell.claim(credential))["bundle_digest"] == DIGEST
        await shell.ok("POST", f"/api/events/{first}/cancel")
        await shell.ok("DELETE", "/api/modules/tools@1")
        second = (await shell.ok("POST", f"/api/events/{event_id}/retry", rerun))["id"]
        while (ended := await shell.ok("GET", f"/api/events/{second}"))["state"] == "QUEUED":
            await shell("POST", "/agent/poll", POLL, token=credential)
        assert (ended["state"], ended["result_code"]) == ("ERROR", "CONFIGURATION_MISSING")
        assert "there is no bundle tools@1 any more" in ended["result_message"]


class TestFetching:
    async def test_piece_by_piece(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        task, credential, _ = await claimed(shell)
        monkeypatch.setattr(fetch, "PIECE_BYTES", 50)
        found = b""
        while len(found) < len(CODE):
            some = await piece(shell, credential, task["token"], first=len(found))
            assert some.status == 206
            end = len(found) + len(some.body) - 1
            assert some.headers["content-range"] == f"bytes {len(found)}-{end}/{len(CODE)}"
            found += some.body
        assert found == CODE
        (await piece(shell, credential, task["token"], first=len(CODE))).problem(404)
        whole = await shell("GET", f"/agent/modules/{DIGEST}", token=credential, nexomatic_lease=task["token"])
        assert "Range: bytes=N-" in whole.problem(400)["detail"]

    async def test_nobody_but_the_sink_that_holds_the_attempt(self, shell: Shell) -> None:
        task, credential, _ = await claimed(shell)
        other = await shell.enrol("other")
        (await piece(shell, None, task["token"])).problem(401)
        (await piece(shell, "", task["token"])).problem(403)  # an admin is no sink
        assert "another sink" in (await piece(shell, other, task["token"])).problem(400)["detail"]
        (await piece(shell, credential, "")).problem(400)
        (await piece(shell, credential, task["token"][:-2])).problem(400)
        assert (await piece(shell, credential, task["token"])).status == 206

    async def test_no_other_bundle_than_the_attempt_runs(self, shell: Shell) -> None:
        other = zipped("other")
        await push(shell, "other@1", other)
        task, credential, _ = await claimed(shell)
        refused = await piece(shell, credential, task["token"], hashlib.sha256(other).hexdigest())
        assert "does not run that bundle" in refused.problem(403)["detail"]
        assert (await piece(shell, credential, task["token"], "0" * 64)).status == 403

    async def test_only_while_the_lease_lives(self, shell: Shell) -> None:
        task, credential, event_id = await claimed(shell)
        shell.clock.seconds += task["lease_seconds"] + 6
        assert "has run out" in (await piece(shell, credential, task["token"])).problem(409)["detail"]
        renewed = await shell.ok("POST", f"/agent/events/{event_id}/renew", {"token": task["token"]}, token=credential)
        assert (await piece(shell, credential, renewed["token"])).status == 206
        await shell.ok("POST", f"/api/events/{event_id}/cancel")
        assert (await piece(shell, credential, renewed["token"])).problem(409)["reason"] == "cancelled"

    async def test_one_that_was_deleted(self, shell: Shell) -> None:
        task, credential, _ = await claimed(shell)
        await shell.ok("PATCH", "/api/actions/go", {"bundle": None})
        await shell.ok("DELETE", "/api/modules/tools@1")
        assert "was deleted" in (await piece(shell, credential, task["token"])).problem(404)["detail"]

    async def test_explain_says_when_no_sink_takes_it(self, shell: Shell) -> None:
        await push(shell)
        await shell.configure()
        await shell.ok("PATCH", "/api/actions/go", {"bundle": "tools@1"})
        credential = await shell.enrol()
        said: dict[str, Any] = {"platform": "x", "runtimes": ["python"], "modules": []}
        await shell("POST", "/agent/poll", {**POLL, "capabilities": said}, token=credential)
        warned = await shell.ok("PATCH", "/api/event-types/GO", {"timeout_seconds": 9})
        assert [each["code"] for each in warned["warnings"]] == ["MODULE_NOT_TAKEN"]
        event_id = await shell.fire()
        found = await shell.ok("GET", f"/api/events/{event_id}/explain")
        assert (found["code"], found["effect"]) == ("MODULE_NOT_TAKEN", "FAILS")
        said["bundles"] = ["fetch"]
        await shell("POST", "/agent/poll", {**POLL, "slots": 0, "capabilities": said}, token=credential)
        assert (await shell.ok("GET", "/api/sinks/box"))["bundles"] == ["fetch"]
        assert (await shell.ok("GET", f"/api/events/{event_id}/explain"))["code"] != "MODULE_NOT_TAKEN"
        assert SINK_TYPE in found["detail"]
