"""Signing in and out with a browser: cookies, passwords, who guesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.people import passwords
from hub.people.sessions import COOKIE
from hub.rules.callers import FrontEnd
from hub.storage.counting import counting
from tests.functions.browsers import FIRST_PASSWORD, PASSWORD, Browser, invited
from tests.functions.shell import Shell, opened_shell

WRONG = "not the password"


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    async with opened_shell(front_end=FrontEnd("x-forwarded-for"), admin_contact="ops@example.com") as opened:
        yield opened


def frm(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


class TestSigningIn:
    async def test_a_session_says_who_until_when_and_its_csrf_token(self, shell: Shell) -> None:
        await invited(shell, "Ada", "ADMIN")
        browser = Browser(shell)
        reply = await browser.sign_in("ada")
        assert reply.json == (await browser("GET", "/api/session")).json
        assert {name: reply.json[name] for name in ("name", "role", "via", "notice")} == {
            "name": "Ada",
            "role": "ADMIN",
            "via": "session",
            "notice": None,
        }
        assert reply.json["expires_at"] == "2026-03-02T00:00:00.000Z"
        assert len(reply.json["csrf_token"]) == 43

    async def test_what_its_cookie_looks_like(self, shell: Shell) -> None:
        await invited(shell, "ada")
        reply = await Browser(shell).sign_in("ada")
        (session,) = [each for each in reply.cookies if "nexomatic-session" in each]
        value, _, attributes = session.partition("; ")
        assert value.startswith("__Host-nexomatic-session=")
        assert attributes == "Max-Age=43200; Path=/; HttpOnly; SameSite=Lax; Secure"

    async def test_on_a_loopback_address_http_will_do(self) -> None:
        async with opened_shell(public_url="http://127.0.0.1:7071") as shell:
            await shell.ok("POST", "/api/users", {"name": "ada", "role": "ADMIN", "password": FIRST_PASSWORD})
            browser = Browser(shell, origin="http://127.0.0.1:7071")
            reply = await browser.sign_in("ada", FIRST_PASSWORD)
            (session,) = [each for each in reply.cookies if each.startswith("nexomatic-session=")]
            assert session.endswith("; Path=/; HttpOnly; SameSite=Lax")
            assert (await browser("GET", "/api/session")).status == 200

    async def test_without_a_public_address_nobody_signs_in(self) -> None:
        async with opened_shell(public_url=None) as shell:
            body = {"user": "ada", "password": PASSWORD}
            reply = await shell("POST", "/api/session", body, token=None, origin="http://hub")
            assert "NEXOMATIC_PUBLIC_URL" in reply.problem(409)["detail"]
            assert (await shell("GET", "/api/me", token=None, cookie=f"{COOKIE}=x")).status == 401

    async def test_every_session_has_an_id_of_its_own(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        before, token = browser.session, browser.csrf_token
        await browser.sign_in("ada")
        assert browser.session != before
        assert browser.csrf_token != token
        other = Browser(shell, cookies={"__Host-nexomatic-session": before}, csrf_token=browser.csrf_token)
        assert (await other("DELETE", "/api/session")).status == 403  # the token is another session's

    @pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://hub.example.com"])
    async def test_no_other_page_can_sign_a_browser_in(self, shell: Shell, origin: str) -> None:
        await invited(shell, "ada")
        reply = await Browser(shell, origin=origin).sign_in("ada")
        assert reply.problem(403)
        assert not reply.cookies

    async def test_a_wrong_name_and_a_wrong_password_are_answered_the_same(self, shell: Shell) -> None:
        await invited(shell, "ada")
        await shell.ok("POST", "/api/users", {"name": "invited", "role": "ADMIN"})
        answers = [await Browser(shell).sign_in(name, WRONG) for name in ("ada", "nobody", "invited", "é" * 150)]
        assert {(each.status, each.body) for each in answers} == {(401, answers[0].body)}

    async def test_a_name_that_is_not_there_costs_a_hash_too(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from argon2 import PasswordHasher

        verified: list[str] = []
        real = PasswordHasher.verify

        def verify(self: Any, stored: Any, password: Any) -> Any:
            verified.append(stored)
            return real(self, stored, password)

        monkeypatch.setattr(PasswordHasher, "verify", verify)
        await Browser(shell).sign_in("nobody", WRONG)
        assert len(verified) == 1
        assert verified[0].startswith("$argon2id$")

    async def test_what_stands_in_for_a_password_opens_nothing(self, shell: Shell) -> None:
        await shell.ok("POST", "/api/users", {"name": "invited", "role": "ADMIN"})
        for name in ("invited", "nobody"):
            assert (await Browser(shell).sign_in(name, passwords._NOBODYS)).status == 401

    async def test_a_password_is_the_same_however_it_was_typed(self, shell: Shell) -> None:
        await invited(shell, "ada", password="pa\u0308sswort mit Umlaut")
        assert (await Browser(shell).sign_in("ada", "p\u00e4sswort mit Umlaut")).status == 200

    async def test_answers_tell_no_password(self, shell: Shell) -> None:
        reply = await Browser(shell)("POST", "/api/session", {"user": "ada", "password": [WRONG]})
        assert reply.status == 400
        assert WRONG.encode() not in reply.body

    async def test_reading_a_session_costs_no_operation(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        await browser("GET", "/api/me")
        with counting() as operations:
            for _ in range(3):
                assert (await browser("GET", "/api/me")).status == 200
        assert not operations


class TestPasswords:
    async def test_a_first_password_has_to_be_changed(self, shell: Shell) -> None:
        await shell.ok("POST", "/api/users", {"name": "ada", "role": "ADMIN", "password": FIRST_PASSWORD})
        browser = Browser(shell)
        said = (await browser.sign_in("ada", FIRST_PASSWORD)).json
        assert (said["role"], said["must_change_password"]) == (None, True)
        assert "PUT /api/me/password" in (await browser("GET", "/api/events")).problem(403)["detail"]
        before = browser.session
        same = {"password": FIRST_PASSWORD, "new_password": FIRST_PASSWORD}
        assert "another" in (await browser("PUT", "/api/me/password", same)).errors()["new_password"]
        changed = await browser("PUT", "/api/me/password", {"password": FIRST_PASSWORD, "new_password": PASSWORD})
        assert (changed.json["role"], changed.json["must_change_password"]) == ("ADMIN", False)
        assert browser.session != before
        assert (await browser("GET", "/api/events")).status == 200
        assert (await Browser(shell).sign_in("ada", FIRST_PASSWORD)).status == 401
        assert (await Browser(shell).sign_in("ada")).status == 200

    async def test_another_password_ends_all_other_sessions(self, shell: Shell) -> None:
        one, other = await invited(shell, "ada"), Browser(shell)
        await other.sign_in("ada")
        body = {"password": PASSWORD, "new_password": "another four words"}
        assert (await one("PUT", "/api/me/password", body)).status == 200
        assert (await one("GET", "/api/me")).status == 200
        assert (await other("GET", "/api/me")).status == 401

    async def test_the_present_one_is_asked_for_and_guessing_it_is_slowed_down(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        browser.headers = frm("192.0.2.1")
        body = {"password": WRONG, "new_password": "another four words"}
        for _ in range(5):
            assert (await browser("PUT", "/api/me/password", body)).status == 403
        (await browser("PUT", "/api/me/password", body)).problem(429)

    async def test_a_token_changes_no_password(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        token = (await browser("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})).json["token"]
        body = {"password": PASSWORD, "new_password": "another four words"}
        assert (await shell("PUT", "/api/me/password", body, token=token)).status == 409

    @pytest.mark.parametrize(
        ("password", "said"),
        [
            ("short", "12 to 1024 characters"),
            ("x" * 1025, "12 to 1024 characters"),
            ("Password1234", "everybody tries first"),
            ("abababababab", "everybody tries first"),
            ("margaret.hamilton", "little more than the user's name"),
        ],
    )
    async def test_which_are_refused(self, shell: Shell, password: str, said: str) -> None:
        made = await shell.ok("POST", "/api/users", {"name": "margaret.hamilton", "role": "ADMIN"})
        body = {"invitation": made["invitation"], "password": password}
        reply = await Browser(shell)("POST", "/api/session/invitation", body)
        assert said in reply.errors()["password"]
        assert password.encode() not in reply.body

    async def test_a_hash_of_other_parameters_is_made_anew(self, shell: Shell) -> None:
        from argon2 import PasswordHasher

        await invited(shell, "ada")
        people = shell.hub.people
        weak = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
        user = await people.users.get("ada")
        await people.users._change("ada", lambda found: found.changed(password=weak))
        assert (await Browser(shell).sign_in("ada")).status == 200
        (stored,) = [each for each in (await shell.hub.configuration.newest()).entries.values() if each.name == user.id]
        assert ",t=1," in stored.password
        assert (await Browser(shell).sign_in("ada")).status == 200

    async def test_storage_holds_hashes_of_passwords_and_invitations(self, shell: Shell) -> None:
        made = await shell.ok("POST", "/api/users", {"name": "ada", "role": "ADMIN"})
        await shell.ok("POST", "/api/users", {"name": "bo", "role": "ADMIN", "password": FIRST_PASSWORD})
        shown = repr(await shell.hub.storage.tables.query("configuration", "current"))
        assert "$argon2id$" in shown
        assert FIRST_PASSWORD not in shown
        assert made["invitation"] not in shown
        assert "$argon2id$" not in repr(await shell.hub.configuration.newest())


class TestSigningOut:
    async def test_here_alone(self, shell: Shell) -> None:
        here, there = await invited(shell, "ada"), Browser(shell)
        await there.sign_in("ada")
        kept = dict(here.cookies)
        reply = await here("DELETE", "/api/session")
        assert reply.status == 204
        assert reply.cookies == ("__Host-nexomatic-session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure",)
        here.cookies = kept  # somebody has a copy of it
        assert "sign in again" in (await here("GET", "/api/me")).problem(401)["detail"]
        assert (await there("GET", "/api/me")).status == 200

    async def test_everywhere(self, shell: Shell) -> None:
        here, there = await invited(shell, "ada"), Browser(shell)
        await there.sign_in("ada")
        assert (await here("DELETE", "/api/session?all=true")).status == 204
        assert (await there("GET", "/api/me")).status == 401
        assert (await there.sign_in("ada")).status == 200
        assert (await there("GET", "/api/me")).status == 200

    async def test_more_than_a_row_remembers_ends_them_all(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hub.people.users.MOST_ENDED", 2)
        stays = await invited(shell, "ada")
        for number in range(3):
            browser = Browser(shell)
            await browser.sign_in("ada")
            assert (await stays("GET", "/api/me")).status == 200, number
            assert (await browser("DELETE", "/api/session")).status == 204
        assert (await stays("GET", "/api/me")).status == 401

    async def test_ended_sessions_are_forgotten_when_their_cookies_are_over(self, shell: Shell) -> None:
        for _ in range(2):
            browser = Browser(shell)
            if not (await shell.ok("GET", "/api/users"))["items"]:
                await invited(shell, "ada")
            await browser.sign_in("ada")
            await browser("DELETE", "/api/session")
            assert len((await shell.hub.people.users.get("ada")).ended) == 1
            shell.clock.seconds += 43_201

    async def test_a_token_of_nobody_has_no_session_to_end(self, shell: Shell) -> None:
        assert (await shell("DELETE", "/api/session")).status == 409

    async def test_a_session_ends_by_itself(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        shell.clock.seconds += 43_199
        assert (await browser("GET", "/api/me")).status == 200
        shell.clock.seconds += 1
        assert (await browser("GET", "/api/me")).status == 401


class TestGuessing:
    async def test_who_guesses_waits_longer_each_time(self, shell: Shell) -> None:
        await invited(shell, "ada")
        browser = Browser(shell, headers=frm("192.0.2.1"))
        waits = []
        for _ in range(8):
            reply = await browser.sign_in("ada", WRONG)
            while reply.status == 429:
                waits.append(int(reply.headers["retry-after"]))
                shell.clock.seconds += waits[-1]
                reply = await browser.sign_in("ada", WRONG)
            assert reply.status == 401
        assert waits == [1, 2, 4]
        assert (await browser.sign_in("ada")).status == 429  # not even the right one
        shell.clock.seconds += 8
        assert (await browser.sign_in("ada")).status == 200
        browser.cookies.clear()  # the device would be known
        assert [(await browser.sign_in("ada", WRONG)).status for _ in range(5)] == [401] * 5  # forgiven

    async def test_a_hundred_at_once_are_not_all_the_first(self, shell: Shell) -> None:
        await invited(shell, "ada")
        browser = Browser(shell, headers=frm("192.0.2.1"))
        answers = await asyncio.gather(*(browser.sign_in("ada", WRONG) for _ in range(20)))
        assert sum(each.status == 401 for each in answers) == 5
        assert sum(each.status == 429 for each in answers) == 15

    async def test_nobody_can_lock_out_a_user(self, shell: Shell) -> None:
        """However many addresses guess: its owner's first try counts, and so does every try where they were before."""
        before = await invited(shell, "ada")
        await before.sign_in("ada")
        for number in range(40):
            attacker = Browser(shell, headers=frm(f"192.0.2.{number}"))
            await attacker.sign_in("ada", WRONG)
            await attacker.sign_in("ada", WRONG)
        assert (await attacker.sign_in("ada", WRONG)).status == 429
        assert (await Browser(shell, headers=frm("198.51.100.7")).sign_in("ada")).status == 200
        known = Browser(shell, cookies=before.cookies, headers=frm("192.0.2.1"))
        assert (await known.sign_in("ada", WRONG)).status == 401
        assert (await known.sign_in("ada")).status == 200

    async def test_a_device_is_known_for_its_own_account_alone(self, shell: Shell) -> None:
        mallory = await invited(shell, "mallory")
        await mallory.sign_in("mallory")
        await invited(shell, "ada")
        mallory.headers = frm("192.0.2.1")
        answers = [(await mallory.sign_in("ada", WRONG)).status for _ in range(6)]
        assert answers == [401] * 5 + [429]
        mallory.cookies["__Host-nexomatic-device"] = mallory.cookies["__Host-nexomatic-device"][:-3] + "AAA"
        assert (await mallory.sign_in("ada", WRONG)).status == 429

    async def test_one_password_for_everybody_is_slowed_down_too(self, shell: Shell) -> None:
        browser = Browser(shell, headers=frm("2001:db8::1"))
        for number in range(30):
            browser.headers = frm(f"2001:db8::{number:x}")  # one network
            assert (await browser.sign_in(f"user{number}", WRONG)).status == 401
        assert (await browser.sign_in("somebody", WRONG)).status == 429

    async def test_where_addresses_are_not_known_an_account_waits_half_a_minute_at_most(self) -> None:
        async with opened_shell() as shell:
            await invited(shell, "ada")
            browser = Browser(shell)
            for _ in range(40):
                reply = await browser.sign_in("ada", WRONG)
                if reply.status == 429:
                    assert int(reply.headers["retry-after"]) <= 30
                    shell.clock.seconds += int(reply.headers["retry-after"])
            shell.clock.seconds += 30
            assert (await browser.sign_in("ada")).status == 200
