"""Receipts over HTTP: every request to a known webhook leaves one, and what was let in can be replayed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.errors import Unavailable
from hub.rules.callers import front_end_of
from hub.sources import refusal_count
from hub.storage.embedded import values
from tests.functions.shell import Shell, opened_shell
from tests.functions.signing import SIGNING


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    """A hub behind one proxy, which writes callers' addresses."""
    async with opened_shell(front_end=front_end_of("x-forwarded-for")) as opened:
        yield opened


async def post(shell: Shell, path: str, body: bytes = b"{}", *, caller: str = "192.0.2.7:1234", **headers: str) -> Any:
    """The answer's document; the clock moves on, so that receipts have an order."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"host": "hub", "x-forwarded-for": f"6.6.6.6, {caller}", "content-type": "application/json", **named}
    reply = await shell.send("POST", path, sent, body)
    shell.clock.seconds += 1
    return {"status": reply.status, **reply.json}


async def receipts(shell: Shell, query: str = "") -> list[Any]:
    items: list[Any] = (await shell.ok("GET", f"/api/sources/hook/receipts{query}"))["items"]
    return items


async def test_an_accepted_request_has_its_receipt_on_its_event(shell: Shell) -> None:
    path = await shell.configure()
    at = shell.clock.now()
    before = shell.hub.storage.operations.by_kind()
    answer = await post(shell, f"{path}?code=k&zone=b", b'{"n": 1}', x_github_event="push", x_api_key="s3cret")
    spent = shell.hub.storage.operations.by_kind() - before
    assert spent == {"table.insert": 2, "queue.put": 1}  # the event, and its hour's partition for the first time
    (receipt,) = await receipts(shell)
    assert receipt == {
        "id": answer["event_id"],
        "source": "hook",
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "verdict": "accepted",
        "status": 202,
        "reason": None,
        "method": "POST",
        "caller": "192.0.2.7",
        "size": 8,
        "sha256": hashlib.sha256(b'{"n": 1}').hexdigest(),
        "headers": {"content-type": "application/json", "x-github-event": "push"},
        "event_types": [{"event_type": "GO", "fate": "fired", "event_id": answer["event_id"], "reason": None}],
        "event_ids": [answer["event_id"]],
        "replayable": True,
        "replay_of": None,
        "duplicate_of": None,
        "count": 1,
        "counts": {},
    }
    assert answer["receipt_id"] == receipt["id"]
    assert await shell.ok("GET", f"/api/sources/hook/receipts/{receipt['id']}") == receipt
    assert (await shell.ok("GET", f"/api/events/{answer['event_id']}"))["receipt_id"] == receipt["id"]


async def test_it_survives_the_events_whole_life(shell: Shell) -> None:
    path = await shell.configure(payload="body.deep")
    answer = await post(shell, path, b'{"deep": {"n": 1}}')
    credential = await shell.enrol()
    task = await shell.claim(credential)
    result = {"token": task["token"], "state": "SUCCESS"}
    await shell.ok("POST", f"/agent/events/{task['event_id']}/result", result, token=credential)
    (receipt,) = await receipts(shell)
    assert receipt["event_ids"] == [answer["event_id"]]
    replayed = await shell.ok("POST", f"/api/sources/hook/receipts/{receipt['id']}/replay")
    assert (await shell.ok("GET", f"/api/events/{replayed['event_id']}"))["payload"] == {"n": 1}


async def test_several_events_share_one_receipt(shell: Shell) -> None:
    path = await shell.configure(payload="body.a")
    other = {"sink_type": "PYTHON:BASE", "action": "go"}
    await shell.ok("PUT", "/api/event-types/ALL", other)
    await shell.ok("PUT", "/api/event-types/NEVER", {**other, "filter": "`false`"})
    await shell.ok("PUT", "/api/event-types/WRONG", {**other, "filter": "length(body.a)"})
    await shell.ok("PUT", "/api/event-types/OFF", {**other, "enabled": False})
    await shell.ok("PATCH", "/api/sources/hook", {"event_types": ["NEVER", "GO", "OFF", "ALL", "WRONG"]})
    answer = await post(shell, path, b'{"a": 1}')
    (receipt,) = await receipts(shell)
    fates = {each["event_type"]: each["fate"] for each in receipt["event_types"]}
    assert fates == {"NEVER": "filtered", "GO": "fired", "OFF": "disabled", "ALL": "fired", "WRONG": "failed"}
    reasons = {each["event_type"]: each["reason"] for each in receipt["event_types"]}
    assert reasons["GO"] is None
    assert "length" in reasons["WRONG"]
    go, everything = receipt["event_ids"]
    assert answer["event_id"] == go
    assert receipt["id"] == everything  # its payload is the body, which so is stored once
    for event_id in (go, everything):
        event = await shell.hub.context.events.get(event_id)
        assert event.event.receipt_id == receipt["id"]
        assert event.event.receipt_body is None
    await shell.ok("GET", f"/api/sources/hook/receipts/{everything}")
    (await shell("GET", f"/api/sources/hook/receipts/{go}")).problem(404)


async def test_a_request_that_nobody_wants_has_a_receipt_and_can_be_replayed_once_somebody_does(shell: Shell) -> None:
    path = await shell.configure(filter="query.zone == 'b' && headers.\"x-github-event\" == 'pull'")
    answer = await post(shell, f"{path}?zone=b", b'{"n": 1}', x_github_event="push")
    assert (answer["status"], answer["event_id"]) == (202, None)
    (receipt,) = await receipts(shell)
    assert (receipt["id"], receipt["verdict"]) == (answer["receipt_id"], "unfired")
    assert receipt["event_types"][0]["fate"] == "filtered"
    url = f"/api/sources/hook/receipts/{receipt['id']}/replay"
    assert (await shell.ok("POST", url))["event_id"] is None
    await shell.ok(
        "PATCH", "/api/event-types/GO", {"filter": "query.zone == 'b' && headers.\"x-github-event\" == 'push'"}
    )
    shell.clock.seconds += 1
    replayed = await shell("POST", url)
    assert replayed.status == 201
    event = await shell.ok("GET", f"/api/events/{replayed.json['event_id']}")
    assert (event["payload"], event["replay_of"], event["source"]) == ({"n": 1}, receipt["id"], "hook")
    newest, refused_replay, first = await receipts(shell)
    assert replayed.headers["location"].endswith(f"/receipts/{newest['id']}")
    assert (newest["replay_of"], refused_replay["replay_of"], first["replay_of"]) == (
        receipt["id"],
        receipt["id"],
        None,
    )
    assert newest["event_ids"] == [event["id"]]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=1&b=2", "application/x-www-form-urlencoded"),
        ("grün".encode("latin-1"), "text/plain; charset=latin-1"),
        (bytes(range(256)) * 400, "application/octet-stream"),
        (b'\xef\xbb\xbf{"a": 1}', "application/json"),
        (b'{"large": "' + b"x" * 100_000 + b'"}', "application/json"),
    ],
)
async def test_a_replay_is_given_the_body_as_it_came(shell: Shell, body: bytes, content_type: str) -> None:
    path = await shell.configure()
    answer = await post(shell, path, body, content_type=content_type)
    first = await shell.ok("GET", f"/api/events/{answer['event_id']}")
    (receipt,) = await receipts(shell)
    assert (receipt["size"], receipt["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    replayed = await shell.ok("POST", f"/api/sources/hook/receipts/{receipt['id']}/replay")
    second = await shell.ok("GET", f"/api/events/{replayed['event_id']}")
    assert second["payload"] == first["payload"]
    assert second["id"] != first["id"]


class TestRefusals:
    async def test_each_leaves_a_receipt(self, shell: Shell) -> None:
        path = await shell.configure({"max_body": 100})
        cases: list[tuple[int, str, dict[str, str], bytes]] = [
            (400, "line 1", {}, b"{"),
            (400, "wait is a number", {}, b"{}"),
            (413, "at most 100", {}, b'"' + b"x" * 100 + b'"'),
            (415, "gzip", {"content_encoding": "gzip"}, b"{}"),
            (415, "multipart", {"content_type": "multipart/form-data; boundary=x"}, b"--x--"),
            (413, "headers and query", {"user_agent": "x" * 30_000}, b"{}"),
        ]
        for status, reason, headers, body in cases:
            query = "?wait=soon&token=s3cret" if "wait" in reason else "?token=s3cret"
            answer = await post(shell, path + query, body, **headers)
            (receipt,) = await receipts(shell, "?limit=1")
            assert (answer["status"], receipt["status"], receipt["verdict"]) == (status, status, "refused")
            assert reason in receipt["reason"]
            assert (receipt["size"], receipt["event_types"], receipt["replayable"]) == (len(body), [], False)
            assert "s3cret" not in json.dumps(receipt)
            refusal = await shell("POST", f"/api/sources/hook/receipts/{receipt['id']}/replay")
            assert "not kept" in refusal.problem(409)["detail"]
        for change, status in (({"methods": ["PUT"]}, 404), ({"pause": {}}, 503), ({"enabled": False}, 410)):
            await shell.ok("PATCH", "/api/sources/hook", {"methods": ["POST"], **change})
            await post(shell, path)
            assert (await receipts(shell, "?limit=1"))[0]["status"] == status

    async def test_an_unknown_address_leaves_none(self, shell: Shell) -> None:
        await shell.configure()
        before = shell.hub.storage.operations.by_kind()["table.insert"]
        (await shell("POST", "/hooks/unknown", {}, token=None)).problem(404)
        assert shell.hub.storage.operations.by_kind()["table.insert"] == before

    @pytest.mark.parametrize("how", ["fails", "hangs"])
    async def test_the_answer_does_not_hang_on_the_receipt(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        async def add(*_: Any) -> None:
            if how == "hangs":
                await asyncio.Event().wait()
            raise Unavailable

        monkeypatch.setattr("hub.sources.receipts._MOST_SECONDS", 0.01)
        path = await shell.configure()
        monkeypatch.setattr(shell.hub.sources.receipts._rows, "add", add)
        assert (await post(shell, path, b"{"))["status"] == 400

    async def test_past_a_hundred_a_minute_one_row_counts_them(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refusal_count, "WRITE_EVERY_SECONDS", 0.01)
        path = await shell.configure()
        shell.clock.seconds += 10
        for number in range(160):
            sent = {"host": "hub", "x-forwarded-for": f"192.0.2.{number}", "content-type": "application/json"}
            reply = await shell.send("POST", path, sent, b"{" if number < 130 else b"{}" + b" " * (5 << 20))
            assert reply.status in (400, 413)
        await shell.hub.sources.receipts.counted.flush()
        listed = await receipts(shell, "?limit=200")
        assert len(listed) == 101
        counted = next(each for each in listed if each["verdict"] == "counted")
        assert (counted["count"], counted["counts"]) == (60, {"400": 30, "413": 30})
        assert listed[-1] == counted  # it begins with its minute
        shell.clock.seconds += 60
        await post(shell, path, b"{")
        assert (await receipts(shell, "?limit=1"))[0]["verdict"] == "refused"

    async def test_what_is_being_counted_while_a_count_is_written_is_written_after_it(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refusal_count, "WRITE_EVERY_SECONDS", 0)
        monkeypatch.setattr(refusal_count, "MOST_A_MINUTE", 0)
        counted, told = shell.hub.sources.receipts.counted, []

        async def put(receipt: Any) -> None:
            told.append(receipt.count)
            if len(told) == 1:
                counted.count("hook", 401, shell.clock.now())
            await asyncio.sleep(0)

        monkeypatch.setattr(counted, "_put", put)
        counted.count("hook", 401, shell.clock.now())
        await counted.flush()
        assert told == [1, 2]


class TestGuessing:
    async def test_an_address_that_is_refused_too_often_is_not_listened_to_for_a_while(self, shell: Shell) -> None:
        await shell.hub.secrets.put("hook-secret", "right")
        path = await shell.configure({"verify": {"preset": "bearer", "secret": "hook-secret"}})
        statuses = [(await self.guess(shell, path, f"wrong{number}"))[0] for number in range(70)]
        assert statuses == [401] * 60 + [429] * 10
        status, retry_after = await self.guess(shell, path, "right")  # a right guess looks like a wrong one
        assert (status, retry_after) == (429, "1")
        assert (await self.guess(shell, path, "right", caller="192.0.2.8"))[0] == 202
        assert (await self.guess(shell, path, "wrong", caller="2001:db8::1"))[0] == 401
        shell.clock.seconds += 1
        assert (await self.guess(shell, path, "right"))[0] == 202
        assert (await self.guess(shell, path, "right"))[0] == 202  # who is let in spends nothing
        assert (await self.guess(shell, path, "wrong"))[0] == 401
        assert (await self.guess(shell, path, "wrong"))[0] == 429
        assert {each["status"] for each in await receipts(shell, "?limit=200")} == {202, 401, 429}

    async def test_guesses_made_at_once_are_bounded_too(self, shell: Shell) -> None:
        await shell.hub.secrets.put("hook-secret", "right")
        path = await shell.configure({"verify": {"preset": "bearer", "secret": "hook-secret"}})
        tried = await asyncio.gather(*(self.guess(shell, path, f"wrong{number}") for number in range(90)))
        assert sorted(status for status, _ in tried) == [401] * 60 + [429] * 30

    async def guess(self, shell: Shell, path: str, secret: str, caller: str = "192.0.2.7") -> tuple[int, str | None]:
        sent = {"host": "hub", "x-forwarded-for": caller, "authorization": f"Bearer {secret}"}
        reply = await shell.send("POST", path, sent, b"")
        return reply.status, reply.headers.get("retry-after")


class TestNetworks:
    async def test_only_callers_from_the_networks_are_heard(self, shell: Shell) -> None:
        path = await shell.configure({"networks": ["192.0.2.0/24", "2001:db8::/32"]})
        assert (await post(shell, path, caller="192.0.2.200:80"))["status"] == 202
        assert (await post(shell, path, caller="[2001:db8::7]:80"))["status"] == 202
        for other in ("198.51.100.7:80", "192.0.2.9, 198.51.100.7", "nonsense", ""):
            assert (await post(shell, path, caller=other))["status"] == 403, other
        (receipt,) = await receipts(shell, "?limit=1")
        assert (receipt["status"], receipt["caller"]) == (403, None)

    async def test_networks_come_before_verification(self, shell: Shell) -> None:
        await shell.hub.secrets.put("hook-secret", "x")
        verify = {"preset": "gitlab", "secret": "hook-secret"}
        path = await shell.configure({"networks": ["192.0.2.0/24"], "verify": verify})
        assert (await post(shell, path, caller="198.51.100.7"))["status"] == 403
        assert (await post(shell, path))["status"] == 401

    async def test_without_a_front_end_they_are_refused_when_saved_and_nobody_is_heard(self) -> None:
        async with opened_shell() as shell:
            path = await shell.configure()
            refused = (await shell("PATCH", "/api/sources/hook", {"networks": ["192.0.2.0/24"]})).errors()
            assert "NEXOMATIC_FRONT_END" in refused["networks"]
            assert (await post(shell, path))["status"] == 202
            assert (await receipts(shell))[0]["caller"] is None

    async def test_networks_that_a_setting_has_lost_its_front_end_for_let_nobody_in(self, shell: Shell) -> None:
        path = await shell.configure({"networks": ["192.0.2.0/24"]})
        object.__setattr__(shell.hub.sources.webhooks._stages, "front_end", None)
        assert (await post(shell, path))["status"] == 403


class TestReading:
    async def test_pages_run_from_the_newest_to_the_oldest_through_events_and_rows(self, shell: Shell) -> None:
        path = await shell.configure(filter="body.ok")
        bodies = [b'{"ok": true}', b"{}", b"{", b'{"ok": true}']
        for number in range(40):
            await post(shell, path, bodies[number % 4])
            shell.clock.seconds += 600  # over hours and days
        every = await receipts(shell, "?limit=200")
        assert [each["at"] for each in every] == sorted((each["at"] for each in every), reverse=True)
        assert len({each["id"] for each in every}) == 40
        assert [each["verdict"] for each in every[:4]] == ["accepted", "refused", "unfired", "accepted"]
        found: list[Any] = []
        cursor = ""
        while True:
            page = await shell.ok("GET", f"/api/sources/hook/receipts?limit=7{cursor}")
            found += page["items"]
            if page["cursor"] is None:
                break
            cursor = f"&cursor={page['cursor']}"
        assert found == every

    async def test_they_are_kept_for_so_many_days(self, shell: Shell) -> None:
        path = await shell.configure(filter="body.ok")
        answers = [await post(shell, path, body) for body in (b'{"ok": true}', b"{}")]
        shell.clock.seconds += 14 * 86_400 - 10
        assert len(await receipts(shell)) == 2
        shell.clock.seconds += 20
        assert await receipts(shell) == []
        for answer in answers:
            (await shell("GET", f"/api/sources/hook/receipts/{answer['receipt_id']}")).problem(404)

    async def test_one_source_does_not_see_anothers(self, shell: Shell) -> None:
        path = await shell.configure()
        await shell.ok("PUT", "/api/sources/other", {"kind": "WEBHOOK", "event_types": ["GO"]})
        answer = await post(shell, path)
        assert (await shell.ok("GET", "/api/sources/other/receipts"))["items"] == []
        (await shell("GET", f"/api/sources/other/receipts/{answer['receipt_id']}")).problem(404)
        (await shell("GET", "/api/sources/none/receipts")).problem(404)
        assert (await shell.ok("GET", "/api/sources/HOOK/receipts"))["items"]


async def test_no_secret_and_no_signature_reaches_a_row_an_answer_or_the_log(
    shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    """A canary in each place where a caller might put a credential; nowhere does it sing."""
    caplog.set_level("DEBUG")
    canaries = {name: f"canary-{name}-c4n4ry" for name in ("secret", "old", "header", "query", "cookie", "key")}
    await shell.hub.secrets.put("hook-secret", canaries["secret"])
    await shell.hub.secrets.put("hook-old", canaries["old"])
    sender = SIGNING["slack"]
    verify = {"preset": "slack", "secret": "hook-secret", "previous_secret": "hook-old"}
    path = await shell.configure({"verify": verify, "dedupe": {"header": "X-Id"}}, payload="{h: headers, q: query}")
    signed: list[str] = []
    for secret, body in ((canaries["secret"], b'{"a": 1}'), (canaries["old"], b"{"), ("wrong", b"{}"), ("", b"{}")):
        headers = sender.sign(secret, body, shell.clock.now()) if secret else {}
        signed += [headers.get(sender.signature, "none at all")]
        sent = {
            "x_id": "1",
            "authorization": f"Bearer {canaries['header']}",
            "cookie": f"a={canaries['cookie']}",
            "x_functions_key": canaries["key"],
            **{name.replace("-", "_"): value for name, value in headers.items()},
        }
        # Of what is refused not even the query is kept: it may hold a secret in the wrong place.
        misplaced = "" if body == b'{"a": 1}' else f"&token={canaries['query']}"
        for _ in range(2):
            await post(shell, f"{path}?code={canaries['query']}{misplaced}", body, **sent)
    for receipt in await receipts(shell):
        if receipt["replayable"]:
            await shell.ok("POST", f"/api/sources/hook/receipts/{receipt['id']}/replay")
    spoken = json.dumps([await receipts(shell), await shell.ok("GET", "/api/events")]) + caplog.text
    stored = await everything_stored(shell)
    for canary in (*canaries.values(), *signed):
        for form in (
            canary,
            base64.b64encode(canary.encode()).decode(),
            canary.encode().hex(),
            canary.partition("=")[2],
        ):
            if form:
                assert form not in spoken
                assert form.encode() not in stored, canary


async def everything_stored(shell: Shell) -> bytes:
    """Every row, message and blob of the engine in memory, as bytes."""
    dump: list[bytes] = []

    def read(connection: sqlite3.Connection) -> None:
        for (columns,) in connection.execute("SELECT columns FROM rows").fetchall():
            for value in values.decode(columns).values():
                dump.append(value if isinstance(value, bytes) else str(value).encode())  # noqa: PERF401
        for table in ("messages", "blobs", "pieces"):
            for row in connection.execute(f"SELECT * FROM {table}").fetchall():  # noqa: S608 - our own names
                dump.extend(value if isinstance(value, bytes) else str(value).encode() for value in row)

    storage: Any = shell.hub.storage
    await storage._queries.run(read)
    assert sum(map(len, dump)) > 1000
    return b"\n".join(dump)
