"""Tokens, enrolments and sinks over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.rules.callers import FrontEnd
from tests.functions.shell import POLL, SINK_TYPE, Shell, opened_shell


class TestTokens:
    async def test_shown_once_listed_without_and_revoked(self, shell: Shell) -> None:
        made = await shell.ok("POST", "/api/tokens", {"name": "ci", "role": "VIEWER", "expires_at": None})
        token = made.pop("token")
        assert token.startswith("nxt_")
        me = await shell.ok("GET", "/api/me", token=token)
        assert (me["name"], me["role"], me["id"]) == ("ci", "VIEWER", None)
        used = {**made, "last_used_at": "2026-03-01T12:00:00.000Z"}
        assert await shell.ok("GET", "/api/tokens") == {"items": [used], "cursor": None}
        assert (await shell("DELETE", "/api/tokens/CI")).status == 204
        (await shell("GET", "/api/me", token=token)).problem(401)
        (await shell("DELETE", "/api/tokens/ci")).problem(404)

    async def test_answers_are_not_kept_by_anybody_between(self, shell: Shell) -> None:
        reply = await shell("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})
        assert reply.headers["cache-control"] == "no-store"

    async def test_a_name_is_taken_once(self, shell: Shell) -> None:
        await shell.ok("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})
        (await shell("POST", "/api/tokens", {"name": "ci", "role": "ADMIN"})).problem(409)

    @pytest.mark.parametrize(
        ("body", "field", "said"),
        [
            ({"name": "a b", "role": "ADMIN"}, "name", "must be 1 to 63 letters"),
            ({"name": "a", "role": "OWNER"}, "role", "must be 'ADMIN' or 'VIEWER'"),
            ({"name": "a"}, "role", "is required"),
            ({"name": 3, "role": "ADMIN"}, "name", "must be a string"),
            ({"name": "a", "role": "ADMIN", "expires": 1}, "expires", "allowed are name, role, expires_at"),
            ({"name": "a", "role": "ADMIN", "expires_at": "soon"}, "expires_at", "must be a time with its offset"),
            ({"name": "a", "role": "ADMIN", "expires_at": "2026-01-01T00:00:00Z"}, "expires_at", "is over"),
            ({"name": "a", "role": "ADMIN", "expires_at": "2030-01-01T00:00:00"}, "expires_at", "offset from UTC"),
        ],
    )
    async def test_what_is_refused(self, shell: Shell, body: dict[str, object], field: str, said: str) -> None:
        assert said in (await shell("POST", "/api/tokens", body)).errors()[field]


class TestEnrolments:
    async def test_a_day_and_one_use_unless_said_otherwise(self, shell: Shell) -> None:
        await shell.configure()
        made = await shell.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE})
        assert made["token"].startswith("nxe_")
        assert (made["uses_left"], made["expires_at"]) == (1, "2026-03-02T12:00:00.000Z")
        made = await shell.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE, "uses": 5, "expires_in": 60})
        assert (made["uses_left"], made["expires_at"]) == (5, "2026-03-01T12:01:00.000Z")
        listed = (await shell.ok("GET", "/api/enrolments"))["items"]
        assert len(listed) == 2
        assert all("token" not in each for each in listed)
        await shell.ok("DELETE", f"/api/enrolments/{made['id']}")
        (await shell("DELETE", f"/api/enrolments/{made['id']}")).problem(404)
        body = {"token": made["token"], "name": "box", "version": "1"}
        (await shell("POST", "/agent/enroll", body, token=None)).problem(401)

    @pytest.mark.parametrize(
        ("body", "field", "said"),
        [
            ({"sink_type": "NONE"}, "sink_type", "there is no sink type NONE"),
            ({}, "sink_type", "is required"),
            ({"sink_type": SINK_TYPE, "uses": 0}, "uses", "greater than or equal to 1"),
            ({"sink_type": SINK_TYPE, "uses": 10_001}, "uses", "less than or equal to 10000"),
            ({"sink_type": SINK_TYPE, "uses": "2"}, "uses", "must be a whole number"),
            ({"sink_type": SINK_TYPE, "uses": True}, "uses", "must be a whole number"),
            ({"sink_type": SINK_TYPE, "expires_in": 1}, "expires_in", "greater than or equal to 60"),
            (
                {"sink_type": SINK_TYPE, "expires_in": 60, "expires_at": "2030-01-01T00:00:00Z"},
                "expires_at",
                "one of the two",
            ),
        ],
    )
    async def test_what_is_refused(self, shell: Shell, body: dict[str, object], field: str, said: str) -> None:
        await shell.configure()
        assert said in (await shell("POST", "/api/enrolments", body)).errors()[field]

    async def test_exchanging_one(self, shell: Shell) -> None:
        await shell.configure()
        made = await shell.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE})
        body = {"token": made["token"], "name": "box", "version": "1", "platform": "linux"}
        reply = await shell("POST", "/agent/enroll", body, token=None)
        assert reply.status in (200, 201)
        assert set(reply.json) == {"sink", "sink_type", "credential", "rotate_after_seconds"}
        (await shell("POST", "/agent/enroll", body, token=None)).problem(401)  # used up

    async def test_one_for_a_network_asks_who_the_front_end_says_is_calling(self) -> None:
        async with opened_shell(front_end=FrontEnd("x-forwarded-for")) as shell:
            await shell.configure()
            asked = {"sink_type": SINK_TYPE, "networks": ["192.0.2.0/24"]}
            body = {"token": (await shell.ok("POST", "/api/enrolments", asked))["token"], "name": "box", "version": "1"}
            for elsewhere in ("192.0.2.7, 198.51.100.7", ""):
                refused = await shell("POST", "/agent/enroll", body, token=None, x_forwarded_for=elsewhere)
                assert "other networks" in refused.problem(403)["detail"]
            await shell.ok("POST", "/agent/enroll", body, token=None, x_forwarded_for="198.51.100.7, 192.0.2.7")

    async def test_a_name_that_is_taken_is_409(self, shell: Shell) -> None:
        await shell.configure()
        await shell.enrol("box")
        made = await shell.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE})
        reply = await shell(
            "POST", "/agent/enroll", {"token": made["token"], "name": "BOX", "version": "1"}, token=None
        )
        assert "there is a sink BOX" in reply.problem(409)["detail"]
        assert "reason" not in reply.json


class TestSinks:
    async def test_offline_until_it_polls_and_when_it_stays_away(self, shell: Shell) -> None:
        await shell.configure()
        credential = await shell.enrol("box")
        before = await shell.ok("GET", "/api/sinks/box")
        assert (before["state"], before["seen_at"], before["version"]) == ("OFFLINE", None, None)
        capabilities = {"platform": "Linux 6", "runtimes": ["python"], "modules": ["m"]}
        await shell.ok("POST", "/agent/poll", {**POLL, "capabilities": capabilities}, token=credential)
        there = await shell.ok("GET", "/api/sinks/BOX")
        assert (there["state"], there["version"], there["slots"]) == ("ONLINE", "1", 4)
        assert (there["platform"], there["runtimes"], there["modules"]) == ("Linux 6", ["python"], ["m"])
        shell.clock.seconds += timedelta(minutes=5).total_seconds()
        (listed,) = (await shell.ok("GET", "/api/sinks"))["items"]
        assert listed == {**there, "state": "OFFLINE"}

    async def test_a_draining_one_says_so(self, shell: Shell) -> None:
        await shell.configure()
        credential = await shell.enrol("box")
        await shell.ok("POST", "/agent/poll", {**POLL, "draining": True}, token=credential)
        assert (await shell.ok("GET", "/api/sinks/box"))["state"] == "DRAINING"

    async def test_removing_one_ends_its_credential_and_frees_its_name(self, shell: Shell) -> None:
        await shell.configure()
        credential = await shell.enrol("box")
        await shell.ok("POST", "/agent/poll", POLL, token=credential)
        assert (await shell("DELETE", "/api/sinks/BOX")).status == 204
        (await shell("POST", "/agent/poll", POLL, token=credential)).problem(401)
        (await shell("GET", "/api/sinks/box")).problem(404)
        (await shell("DELETE", "/api/sinks/box")).problem(404)
        await shell.enrol("box")
        assert (await shell.ok("GET", "/api/sinks/box"))["seen_at"] is None

    async def test_lists_go_on_by_cursor(self, shell: Shell) -> None:
        await shell.configure()
        for name in ("c", "A", "b"):
            await shell.enrol(name)
            await shell.ok("POST", "/api/tokens", {"name": name, "role": "VIEWER"})
        for kind in ("sinks", "tokens"):
            first = await shell.ok("GET", f"/api/{kind}?limit=2")
            rest = await shell.ok("GET", f"/api/{kind}?limit=2&cursor={first['cursor']}")
            assert [each["name"] for each in first["items"] + rest["items"]] == ["A", "b", "c"]
            assert rest["cursor"] is None

    async def test_one_that_an_event_type_is_pinned_to_stays(self, shell: Shell) -> None:
        await shell.configure()
        await shell.enrol("box")
        await shell.ok("PATCH", "/api/event-types/GO", {"sink": "box"})
        assert "event-types/GO" in (await shell("DELETE", "/api/sinks/box")).problem(409)["detail"]
