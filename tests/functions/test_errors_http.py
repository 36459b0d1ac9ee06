"""Every error is one problem document, whatever goes wrong behind it, and says nothing that it should not."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hub import process
from hub.errors import Unavailable
from hub.per_loop import PerLoop
from tests.functions.shell import FIRST_ADMIN, POLL, Shell

SECRET = "hunter2-hunter2"


@pytest.fixture
def broken(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes storage raise something at every read."""

    def make(error: Exception) -> None:
        async def fail(*_: object, **__: object) -> None:
            raise error

        for name in ("get", "query", "transact", "insert"):
            monkeypatch.setattr(shell.hub.storage.tables, name, fail)
        shell.hub.configuration.invalidate()

    return make


CALLS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/hooks/none", {}),
    ("POST", "/agent/enroll", {"token": "nxe_x", "name": "box", "version": "1"}),
    ("POST", "/agent/poll", POLL),
    ("GET", "/api/health", None),
    ("GET", "/api/events", None),
    ("GET", "/api/sinks", None),
    ("PUT", "/api/sink-types/A", {}),
    ("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"}),
)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_storage_that_does_not_answer_is_503_with_when_to_come_again(
    shell: Shell, broken: Any, method: str, path: str, body: Any
) -> None:
    await shell.configure()
    token = await shell.enrol() if path == "/agent/poll" else FIRST_ADMIN
    broken(Unavailable())
    reply = await shell(method, path, body, token=token)
    assert int(reply.headers["retry-after"]) > 0
    assert reply.problem(503)["type"].endswith(":not-ready" if path == "/api/health" else ":unavailable")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_a_bug_is_500_without_details_and_logged_once(
    shell: Shell, broken: Any, caplog: pytest.LogCaptureFixture, method: str, path: str, body: Any
) -> None:
    await shell.configure()
    token = await shell.enrol() if path == "/agent/poll" else FIRST_ADMIN
    broken(RuntimeError(SECRET))
    with caplog.at_level(logging.INFO):
        reply = await shell(method, path, body, token=token)
    problem = reply.problem(500)
    assert SECRET not in str(problem)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert "RuntimeError (at " in line
    assert SECRET not in line


async def test_a_hub_that_cannot_start_says_so_to_nobody_but_its_log(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "_hubs", PerLoop())
    monkeypatch.setenv("NEXOMATIC_EVENT_SHARDS", "99")
    for method, path in (("POST", "/hooks/none"), ("POST", "/agent/poll"), ("GET", "/api/health")):
        reply = await shell(method, path, {})
        reply.problem(503)
        assert b"SHARDS" not in reply.body
    assert "NEXOMATIC_EVENT_SHARDS" in caplog.text


class TestStrictJson:
    """The same reader everywhere."""

    @pytest.mark.parametrize(
        ("data", "place"),
        [
            (b"", "line 1, column 1"),
            (b"{", "line 1, column 2"),
            (b'{"description": "a", "description": "b"}', "/description"),
            (b'{"description": Infinity}', "/description"),
            (b'{"description": 1e999}', "/description"),
            (b'{"a": ' * 65 + b"1" + b"}" * 65, "line 1, column 385"),
        ],
    )
    @pytest.mark.parametrize("path", ["/api/sink-types/A", "/api/configuration"])
    async def test_of_the_api(self, shell: Shell, path: str, data: bytes, place: str) -> None:
        reply = await shell("PUT", path, data=data, content_type="application/json")
        assert list(reply.errors()) == [place]

    @pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
    async def test_the_content_type_of_the_api_does_not_matter(self, shell: Shell, content_type: str | None) -> None:
        headers = {} if content_type is None else {"content_type": content_type}
        reply = await shell("PUT", "/api/sink-types/A", data=b'{"description": "x"}', **headers)
        assert reply.json["description"] == "x"

    @pytest.mark.parametrize(("body", "said"), [([], "JSON object"), ("x", "JSON object"), (None, "JSON object")])
    async def test_a_document_is_an_object(self, shell: Shell, body: Any, said: str) -> None:
        data = b"null" if body is None else None
        reply = await shell("PUT", "/api/sink-types/A", body, data=data)
        assert said in reply.errors()[""]


class TestTransfer:
    async def test_a_chunked_body_is_411(self, shell: Shell) -> None:
        headers = {"authorization": f"Bearer {FIRST_ADMIN}", "transfer-encoding": "chunked"}
        (await shell.send("PUT", "/api/sink-types/A", headers, b"")).problem(411)
        (await shell.send("POST", "/agent/enroll", {"transfer-encoding": "chunked"}, b"")).problem(411)

    async def test_a_compressed_body_is_415(self, shell: Shell) -> None:
        reply = await shell("PUT", "/api/sink-types/A", data=b"\x1f\x8b", content_encoding="gzip")
        reply.problem(415)

    async def test_one_that_is_too_large_is_413(self, shell: Shell) -> None:
        body = {"description": "x" * 300_000}
        assert "at most 262144" in (await shell("PUT", "/api/sink-types/A", body)).problem(413)["detail"]
        body = {"token": "x" * 300_000, "name": "box", "version": "1"}
        (await shell("POST", "/agent/enroll", body, token=None)).problem(413)


class TestAddresses:
    async def test_an_unknown_one_is_404(self, shell: Shell) -> None:
        for path in ("/api", "/api/", "/api/nothing", "/api/events/x/y", "/api/redoc"):
            (await shell("GET", path)).problem(404)

    async def test_a_slash_at_the_end_is_no_redirect_to_a_host_that_the_caller_named(self, shell: Shell) -> None:
        reply = await shell("GET", "/api/events/")
        reply.problem(404)
        assert "location" not in reply.headers

    async def test_a_method_that_is_not_taken_is_405_with_those_that_are(self, shell: Shell) -> None:
        reply = await shell("POST", "/api/health")
        reply.problem(405)
        assert reply.headers["allow"] == "GET"

    async def test_head_and_options_are_405_too(self, shell: Shell) -> None:
        for method in ("HEAD", "OPTIONS", "TRACE"):
            assert (await shell(method, "/api/events")).status == 405


async def test_nothing_secret_reaches_the_log(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    """Tokens, keys, bodies and queries: whatever is asked for, the log holds none of it."""
    with caplog.at_level(logging.DEBUG):
        path = await shell.configure()
        credential = await shell.enrol()
        await shell("POST", f"{path}?zone={SECRET}", {"password": SECRET}, token=None)
        await shell("POST", "/api/events", {"event_type": SECRET, "payload": SECRET})
        await shell("GET", f"/api/events?search={SECRET}")
        await shell("POST", "/agent/poll", POLL, token=credential)
        await shell("GET", "/api/me", token=f"nxt_{SECRET}")
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (SECRET, FIRST_ADMIN, credential, path.removeprefix("/hooks/")):
        assert secret not in logged
