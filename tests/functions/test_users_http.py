"""Users over HTTP: invited, listed, given another role, disabled, removed; and whose tokens are whose."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.browsers import FIRST_PASSWORD, PASSWORD, Browser, invited
from tests.functions.shell import Shell


class TestInvitations:
    async def test_an_invitation_lets_a_user_set_a_password_once(self, shell: Shell) -> None:
        made = await shell.ok("POST", "/api/users", {"name": "Ada", "role": "VIEWER"})
        assert made["invitation"].startswith("nxi_")
        assert made["invited_until"] == "2026-03-08T12:00:00.000Z"
        browser = Browser(shell)
        body = {"invitation": made["invitation"], "password": PASSWORD}
        reply = await browser("POST", "/api/session/invitation", body)
        assert (reply.status, reply.json["name"], reply.json["role"]) == (200, "Ada", "VIEWER")
        assert (await browser("GET", "/api/me")).status == 200
        assert "was used" in (await Browser(shell)("POST", "/api/session/invitation", body)).problem(401)["detail"]
        assert (await shell.ok("GET", "/api/users/ADA"))["invited_until"] is None

    async def test_it_expires_and_another_one_ends_it(self, shell: Shell) -> None:
        first = await shell.ok("POST", "/api/users", {"name": "ada", "role": "VIEWER", "expires_in": 600})
        second = await shell.ok("POST", "/api/users/ada/invite", {"expires_in": 1200})
        browser = Browser(shell)
        shell.clock.seconds += 599
        for body, status in ((first, 401), (second, 200)):
            sent = {"invitation": body["invitation"], "password": PASSWORD}
            assert (await browser("POST", "/api/session/invitation", sent)).status == status
        late = await shell.ok("POST", "/api/users/ada/invite")
        shell.clock.seconds += 604_800
        sent = {"invitation": late["invitation"], "password": PASSWORD}
        assert (await browser("POST", "/api/session/invitation", sent)).status == 401

    async def test_a_forgotten_password_is_replaced_and_its_sessions_end(self, shell: Shell) -> None:
        before = await invited(shell, "ada")
        again = await shell.ok("POST", "/api/users/ada/invite")
        assert (await before("GET", "/api/me")).status == 200  # until it is used
        body = {"invitation": again["invitation"], "password": "another four words"}
        assert (await Browser(shell)("POST", "/api/session/invitation", body)).status == 200
        assert (await before("GET", "/api/me")).status == 401
        assert (await Browser(shell).sign_in("ada")).status == 401

    async def test_no_other_page_can_accept_one(self, shell: Shell) -> None:
        made = await shell.ok("POST", "/api/users", {"name": "ada", "role": "VIEWER"})
        body = {"invitation": made["invitation"], "password": PASSWORD}
        evil = Browser(shell, origin="https://evil.example.com")
        assert (await evil("POST", "/api/session/invitation", body)).status == 403

    async def test_a_disabled_user_cannot_accept_one(self, shell: Shell) -> None:
        made = await shell.ok("POST", "/api/users", {"name": "ada", "role": "VIEWER"})
        await shell.ok("PATCH", "/api/users/ada", {"disabled": True})
        body = {"invitation": made["invitation"], "password": PASSWORD}
        assert (await Browser(shell)("POST", "/api/session/invitation", body)).status == 401


class TestManaging:
    async def test_listed_by_name_without_what_is_secret(self, shell: Shell) -> None:
        for name in ("c", "A", "b"):
            await shell.ok("POST", "/api/users", {"name": name, "role": "VIEWER", "password": FIRST_PASSWORD})
        first = await shell.ok("GET", "/api/users?limit=2")
        rest = await shell.ok("GET", f"/api/users?limit=2&cursor={first['cursor']}")
        assert [each["name"] for each in first["items"] + rest["items"]] == ["A", "b", "c"]
        assert not {"password", "invitation", "ended", "generation"} & set(first["items"][0])

    @pytest.mark.parametrize(
        ("body", "field", "said"),
        [
            ({"name": "a b", "role": "ADMIN"}, "name", "must be 1 to 63 letters"),
            ({"name": "oidc:ada", "role": "ADMIN"}, "name", "must not begin with oidc:"),
            ({"name": "a", "role": "OWNER"}, "role", "must be 'ADMIN' or 'VIEWER'"),
            ({"name": "a"}, "role", "is required"),
            ({"name": "a", "role": "ADMIN", "password": "short"}, "password", "12 to 1024"),
            ({"name": "a", "role": "ADMIN", "expires_in": 1}, "expires_in", "600"),
        ],
    )
    async def test_what_is_refused(self, shell: Shell, body: dict[str, Any], field: str, said: str) -> None:
        assert said in (await shell("POST", "/api/users", body)).errors()[field]

    async def test_a_name_is_taken_once(self, shell: Shell) -> None:
        await shell.ok("POST", "/api/users", {"name": "ada", "role": "VIEWER"})
        (await shell("POST", "/api/users", {"name": "ADA", "role": "ADMIN"})).problem(409)

    async def test_another_role_ends_the_sessions_of_before(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        before = browser.session
        changed = await shell.ok("PATCH", "/api/users/ada", {"role": "ADMIN"})
        assert (changed["role"], changed["disabled"]) == ("ADMIN", False)
        assert (await browser("GET", "/api/me")).status == 401
        assert (await browser.sign_in("ada")).json["role"] == "ADMIN"
        assert browser.session != before
        await shell.ok("PATCH", "/api/users/ada", {"role": "ADMIN"})  # is what it was: nobody is signed out
        assert (await browser("GET", "/api/me")).status == 200

    async def test_disabling_ends_everything_and_enabling_revives_no_session(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        token = (await browser("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})).json["token"]
        await shell.ok("PATCH", "/api/users/ada", {"disabled": True})
        assert (await browser("GET", "/api/me")).status == 401
        assert "disabled" in (await shell("GET", "/api/me", token=token)).problem(401)["detail"]
        assert (await Browser(shell).sign_in("ada", "not the password")).status == 401
        assert "disabled" in (await Browser(shell).sign_in("ada")).problem(403)["detail"]
        await shell.ok("PATCH", "/api/users/ada", {"disabled": False})
        assert (await browser("GET", "/api/me")).status == 401
        assert (await shell("GET", "/api/me", token=token)).status == 200
        assert (await browser.sign_in("ada")).status == 200

    async def test_removing_takes_sessions_and_tokens_along(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        token = (await browser("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})).json["token"]
        assert (await shell("DELETE", "/api/users/ADA")).status == 204
        assert (await browser("GET", "/api/me")).status == 401
        assert (await shell("GET", "/api/me", token=token)).status == 401
        assert (await shell.ok("GET", "/api/tokens"))["items"] == []
        for method in ("GET", "DELETE"):
            (await shell(method, "/api/users/ada")).problem(404)

    @pytest.mark.parametrize(
        ("method", "body"), [("PATCH", {"role": "VIEWER"}), ("PATCH", {"disabled": True}), ("DELETE", None)]
    )
    async def test_the_last_admin_stays(self, shell: Shell, method: str, body: Any) -> None:
        await invited(shell, "ada", "ADMIN")
        await invited(shell, "vera", "VIEWER")
        await shell.ok("POST", "/api/users", {"name": "late", "role": "ADMIN"})  # has not accepted: cannot sign in
        await invited(shell, "gone", "ADMIN")
        await shell.ok("PATCH", "/api/users/gone", {"disabled": True})
        assert "the last admin" in (await shell(method, "/api/users/ada", body)).problem(409)["detail"]
        await invited(shell, "bo", "ADMIN")
        assert (await shell(method, "/api/users/ada", body)).status in (200, 204)

    async def test_a_local_user_has_a_role(self, shell: Shell) -> None:
        await invited(shell, "ada")
        assert "ADMIN" in (await shell("PATCH", "/api/users/ada", {"role": None})).errors()["role"]


class TestTheirTokens:
    async def test_a_token_may_no_more_than_its_user_today(self, shell: Shell) -> None:
        await invited(shell, "root", "ADMIN")
        ada = await invited(shell, "ada", "ADMIN")
        token = (await ada("POST", "/api/tokens", {"name": "ci", "role": "ADMIN"})).json["token"]
        small = (await ada("POST", "/api/tokens", {"name": "small", "role": "VIEWER"})).json["token"]
        assert (await shell("GET", "/api/users", token=token)).status == 200
        assert (await shell("GET", "/api/users", token=small)).status == 403
        await shell.ok("PATCH", "/api/users/ada", {"role": "VIEWER"})
        assert (await shell("GET", "/api/users", token=token)).status == 403
        assert (await shell.ok("GET", "/api/me", token=token))["role"] == "VIEWER"

    async def test_viewers_make_tokens_of_viewers(self, shell: Shell) -> None:
        vera = await invited(shell, "vera")
        assert (await vera("POST", "/api/tokens", {"name": "ci", "role": "ADMIN"})).status == 403
        assert (await vera("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})).status == 201

    async def test_viewers_see_and_revoke_their_own_alone(self, shell: Shell) -> None:
        vera, walt = await invited(shell, "vera"), await invited(shell, "walt")
        await vera("POST", "/api/tokens", {"name": "veras", "role": "VIEWER"})
        await walt("POST", "/api/tokens", {"name": "walts", "role": "VIEWER"})
        await shell.ok("POST", "/api/tokens", {"name": "nobodys", "role": "VIEWER"})
        (seen,) = (await vera("GET", "/api/tokens")).json["items"]
        assert (seen["name"], seen["user"]) == ("veras", "vera")
        for name in ("walts", "nobodys"):
            (await vera("DELETE", f"/api/tokens/{name}")).problem(404)
        assert (await vera("DELETE", "/api/tokens/veras")).status == 204
        listed = (await shell.ok("GET", "/api/tokens"))["items"]
        assert [(each["name"], each["user"]) for each in listed] == [("nobodys", None), ("walts", "walt")]

    async def test_ninety_days_unless_something_else_is_said(self, shell: Shell) -> None:
        made = await shell.ok("POST", "/api/tokens", {"name": "a", "role": "VIEWER"})
        assert made["expires_at"] == "2026-05-30T12:00:00.000Z"
        made = await shell.ok("POST", "/api/tokens", {"name": "b", "role": "VIEWER", "expires_at": None})
        assert made["expires_at"] is None

    async def test_a_token_makes_none_that_outlives_it(self, shell: Shell) -> None:
        until = "2026-03-02T12:00:00Z"
        token = (await shell.ok("POST", "/api/tokens", {"name": "a", "role": "ADMIN", "expires_at": until}))["token"]
        made = await shell.ok("POST", "/api/tokens", {"name": "b", "role": "VIEWER"}, token=token)
        assert made["expires_at"] == "2026-03-02T12:00:00.000Z"
        for later in (None, "2026-03-02T12:00:01Z"):
            body = {"name": "c", "role": "VIEWER", "expires_at": later}
            assert "or before" in (await shell("POST", "/api/tokens", body, token=token)).errors()["expires_at"]

    async def test_when_it_was_last_used_to_within_ten_minutes(self, shell: Shell) -> None:
        token = (await shell.ok("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"}))["token"]

        async def used() -> Any:
            return (await shell.ok("GET", "/api/tokens"))["items"][0]["last_used_at"]

        assert await used() is None
        await shell.ok("GET", "/api/me", token=token)
        assert await used() == "2026-03-01T12:00:00.000Z"
        shell.clock.seconds += 599
        await shell.ok("GET", "/api/me", token=token)
        assert await used() == "2026-03-01T12:00:00.000Z"
        shell.clock.seconds += 1
        await shell.ok("GET", "/api/me", token=token)
        assert await used() == "2026-03-01T12:10:00.000Z"
        await shell.ok("DELETE", "/api/tokens/ci")
        await shell.ok("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})
        assert await used() is None
