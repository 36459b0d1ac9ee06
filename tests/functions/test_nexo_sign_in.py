"""`nexo login` by way of the browser, as the hub sees it: the page, the click, the code, the token."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from hub.errors import NotAllowed, NotAuthenticated
from hub.people import nexo_sign_in
from hub.people.identity import Person
from hub.people.users import MOST_ENDED, carry_out, named
from hub.rules.pkce import challenge_of
from tests.functions.browsers import FIRST_PASSWORD, PASSWORD, Browser, invited
from tests.functions.nexo import ASKED, CHALLENGE, PAGE, VERIFIER, allowed, answer, fields_of, told
from tests.functions.providers import ISSUER, LyingProvider
from tests.functions.shell import FIRST_ADMIN, PUBLIC_URL, Reply, Shell, opened_shell
from tests.functions.test_oidc import provider_at

ANSWER = "/api/session/nexo/answer"
STRANGE = {
    "port": (
        "1023",
        "65536",
        "80",
        "-1",
        "",
        "evil.example.com",
        "50123/@evil.example.com",
        "50123@evil.example.com:1",
    ),
    "challenge": (CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE[:-1] + "\n", '"><script>' + "x" * 33),
    "name": ("", "x" * 41, "a b", "<b>", "-x", "é", "x\n", "a.example.com"),
}


async def redeem(shell: Shell, code: str, verifier: str = VERIFIER, origin: str = PUBLIC_URL) -> Reply:
    said = {"code": code, "verifier": verifier}
    return await shell("POST", "/api/session/nexo", said, token=None, origin=origin)


async def tokens(shell: Shell) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await shell.ok("GET", "/api/tokens"))["items"]
    return items


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


class TestThePage:
    async def test_it_says_who_where_and_what(self, shell: Shell) -> None:
        browser = await invited(shell, "ada", "ADMIN")
        reply = await browser("GET", PAGE)
        text = reply.body.decode()
        assert reply.headers["content-type"].startswith("text/html")
        assert all(each in text for each in ("ada", PUBLIC_URL, "box-1", "Admin: everything", "nexo login"))
        assert fields_of(text) == {**ASKED, "csrf_token": browser.csrf_token}
        assert await tokens(shell) == []

    async def test_it_runs_and_loads_nothing_and_goes_on_to_one_port(self, shell: Shell) -> None:
        reply = await (await invited(shell, "ada"))("GET", PAGE)
        policy = dict(each.strip().partition(" ")[::2] for each in reply.headers["content-security-policy"].split(";"))
        assert policy.pop("style-src").startswith("'sha256-")
        assert policy == {
            "default-src": "'none'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "form-action": "'self' http://127.0.0.1:50123",
        }
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["referrer-policy"] == "same-origin"
        text = reply.body.decode()
        assert not [each for each in ("<script", "src=", "href=", "style=", "onclick") if each in text]

    async def test_who_is_not_signed_in_goes_to_the_provider_and_comes_back(self) -> None:
        async with opened_shell(provider=provider_at(ISSUER)) as shell:
            assert shell.hub.people.oidc is not None
            lies = LyingProvider(claims={"name": "<b>&\"'"})
            shell.hub.people.oidc._client._fetch = lies
            browser = Browser(shell)
            reply = await browser("GET", PAGE)
            assert reply.status == 302
            assert reply.headers["location"].startswith(f"{ISSUER}/auth?")
            back = await lies.sign_in(browser, return_to=quote(PAGE, safe=""))
            assert back.headers["location"] == PUBLIC_URL + PAGE
            text = (await browser("GET", PAGE)).body.decode()
            assert "&lt;b&gt;&amp;&quot;&#x27; (oidc:" in text
            assert "<b>" not in text
            assert (await redeem(shell, await allowed(browser))).status == 201

    async def test_the_return_address_is_its_own(self) -> None:
        async with opened_shell(provider=provider_at(ISSUER)) as shell:
            assert shell.hub.people.oidc is not None
            lies = LyingProvider()
            shell.hub.people.oidc._client._fetch = lies
            browser = Browser(shell)
            begun = await browser("GET", PAGE)
            cookie = browser.cookies["__Host-nexomatic-sign-in"]
            assert shell.hub.people.oidc._begun(f"__Host-nexomatic-sign-in={cookie}").return_to == PAGE
            assert "127.0.0.1" not in begun.headers["location"]

    async def test_without_a_provider_nobody_is_sent_anywhere(self, shell: Shell) -> None:
        assert "provider" in (await Browser(shell)("GET", PAGE)).problem(404)["detail"]

    async def test_what_is_asked_strangely_is_refused_to_anybody(self, shell: Shell) -> None:
        ada = await invited(shell, "ada")
        for name, values in STRANGE.items():
            for value in values:
                asked = {**ASKED, name: value}
                for browser in (Browser(shell), ada):
                    reply = await browser("GET", f"/api/session/nexo?{urlencode(asked)}")
                    assert name in reply.errors(), asked
                form = {**asked, "answer": "allow", "csrf_token": ada.csrf_token or ""}
                assert name in (await ada("POST", ANSWER, urlencode(form).encode())).errors(), asked

    async def test_no_host_can_be_named(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        for name in ("host", "redirect_uri", "return_to"):
            assert name in (await browser("GET", f"{PAGE}&{name}=evil.example.com")).errors()
            assert name in (await answer(browser, **{name: "evil.example.com"})).errors()

    async def test_who_may_nothing_is_not_asked(self, shell: Shell) -> None:
        await shell.ok("POST", "/api/users", {"name": "newby", "role": "ADMIN", "password": FIRST_PASSWORD})
        browser = Browser(shell)
        await browser.sign_in("newby", FIRST_PASSWORD)
        assert "somebody else chose" in (await browser("GET", PAGE)).problem(403)["detail"]
        form = {**ASKED, "answer": "allow", "csrf_token": browser.csrf_token or ""}
        (await browser("POST", ANSWER, urlencode(form).encode())).problem(403)

    async def test_a_token_makes_no_code(self, shell: Shell) -> None:
        assert "no session" in (await shell("GET", PAGE)).problem(409)["detail"]
        form = urlencode({**ASKED, "answer": "allow", "csrf_token": "x"}).encode()
        assert "no session" in (await shell("POST", ANSWER, data=form)).problem(409)["detail"]


class TestTheClick:
    async def test_of_another_page_it_is_none(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        form = {**ASKED, "answer": "allow", "csrf_token": browser.csrf_token or ""}
        for origin in (None, "null", "https://evil.example.com", "http://hub.example.com"):
            reply = await browser("POST", ANSWER, urlencode(form).encode(), origin=origin)
            assert "page of this hub" in reply.problem(403)["detail"], origin
            assert "location" not in reply.headers

    async def test_it_needs_the_token_of_this_session(self, shell: Shell) -> None:
        browser, other = await invited(shell, "ada"), await invited(shell, "bo")
        for given in ("", "x" * 43, "é" * 43, other.csrf_token or ""):
            reply = await answer(browser, csrf_token=given)
            assert "X-CSRF-Token" in reply.problem(403)["detail"], given
        form = urlencode({**ASKED, "answer": "allow"}).encode()
        assert "X-CSRF-Token" in (await browser("POST", ANSWER, form, x_csrf_token=None)).problem(403)["detail"]
        other_field = urlencode({**ASKED, "answer": "allow", "csrf_token": "x"}).encode()
        assert (await browser("POST", ANSWER, other_field)).status == 403, "a right header makes no wrong field good"

    async def test_a_no_is_a_no(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        assert told(await answer(browser, "deny")) == {"error": "denied", "state": CHALLENGE}
        assert "answer" in (await answer(browser, "perhaps")).errors()

    async def test_what_is_no_form(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        good = urlencode({**ASKED, "answer": "allow", "csrf_token": browser.csrf_token or ""}).encode()
        assert (await browser("POST", ANSWER, good)).status == 303
        for body in (b"", b"{}", good + b"&answer=allow", good + b"\xff", good.replace(b"allow", b"allo%ff"),
                     good + b"&a=" * 20, good + b"&x=1", good + b"&" * 4096):  # fmt: skip
            reply = await browser("POST", ANSWER, body)
            assert reply.status in (400, 413), body
            assert "location" not in reply.headers

    async def test_the_audit_says_what_was_answered(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        for said in ("allow", "deny"):
            reply = await answer(browser, said)
            (entry, *_) = (await shell.ok("GET", "/api/audit"))["items"]
            assert (entry["actor"], entry["action"]) == ("users/ada", f"POST {ANSWER}")
            assert entry["changes"][0]["after"] == {"machine": "box-1", "answer": said}
            assert told(reply).get("code", "no code") not in str(entry)
            assert CHALLENGE not in str(entry)


class TestTheCode:
    @pytest.mark.parametrize("role", ["ADMIN", "VIEWER"])
    async def test_it_becomes_a_token_as_login_makes_them(self, shell: Shell, role: str) -> None:
        browser = await invited(shell, "ada", role)
        made = (await redeem(shell, await allowed(browser))).json
        assert made["name"].startswith("nexo-box-1-")
        assert (made["role"], made["user"]) == (role, "ada")
        assert (made["created_at"], made["expires_at"]) == ("2026-03-01T12:00:00.000Z", "2026-05-30T12:00:00.000Z")
        me = (await shell("GET", "/api/me", token=made["token"])).json
        assert (me["name"], me["role"], me["token"]) == ("ada", role, made["name"])
        assert (await browser("GET", "/api/me")).status == 200, "the session stays"
        (entry, *_) = (await shell.ok("GET", "/api/audit"))["items"]
        assert (entry["actor"], entry["action"], entry["result"]) == ("users/ada", "POST /api/session/nexo", "DONE")
        assert f"tokens/{made['name']}" in {each["resource"] for each in entry["changes"]}

    async def test_it_is_good_once_whatever_became_of_the_token(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        made = (await redeem(shell, code)).json
        assert (await redeem(shell, code)).problem(401)["detail"] == nexo_sign_in.OVER
        await shell.ok("DELETE", f"/api/tokens/{made['name']}")
        assert (await redeem(shell, code)).problem(401)["detail"] == nexo_sign_in.OVER
        assert await tokens(shell) == []

    async def test_two_at_once_are_one(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        allowed_once, _ = await shell.hub.people.nexo.checked(code, VERIFIER, None)
        assert (await redeem(shell, code)).status == 201
        with pytest.raises(NotAuthenticated, match="not valid"):
            await shell.hub.people.nexo.redeem(allowed_once)  # which had been looked at before
        assert len(await tokens(shell)) == 1

    async def test_it_is_good_for_two_minutes(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        code, later = await allowed(browser), await allowed(browser)
        shell.clock.seconds += 119
        assert (await redeem(shell, code)).status == 201
        shell.clock.seconds += 1
        assert (await redeem(shell, later)).problem(401)["detail"] == nexo_sign_in.OVER

    async def test_it_does_not_outlive_its_session(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        shell.clock.seconds += 12 * 3600 - 30
        code = await allowed(browser)
        shell.clock.seconds += 30
        (await redeem(shell, code)).problem(401)

    async def test_it_is_worth_nothing_to_another_nexo(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        for verifier in ("w" * 43, CHALLENGE):
            assert (await redeem(shell, code, verifier)).problem(401)["detail"] == nexo_sign_in.OVER
        for wrong in ("v" * 42, "v" * 44, "", "v" * 42 + "="):
            assert "verifier" in (await redeem(shell, code, wrong)).errors()
        assert await tokens(shell) == []
        assert (await redeem(shell, code)).status == 201

    async def test_of_another_hub_or_altered_it_is_none(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        code = await allowed(browser)
        head, body, mac = code.split(".")
        cookie = browser.session  # signed by this hub, for something else
        for forged in (f"{head}.{body}.{mac[:-4]}AAAA", f"{head}.{body[:-4]}AAAA.{mac}", "nonsense", "", cookie,
                       f"00000000.{body}.{mac}", "x" * 2000, "a.b.c"):  # fmt: skip
            assert (await redeem(shell, forged)).problem(401)["detail"] == nexo_sign_in.OVER, forged
        assert await tokens(shell) == []

    @pytest.mark.parametrize(
        ("change", "status"),
        [({"disabled": True}, 403), ({"role": "VIEWER"}, 401), (None, 401), ("sign out", 401), ("everywhere", 401)],
        ids=str,
    )
    async def test_what_happened_in_between_counts(self, shell: Shell, change: Any, status: int) -> None:
        browser = await invited(shell, "ada", "ADMIN")
        code = await allowed(browser)
        match change:
            case None:
                await shell.ok("POST", "/api/users", {"name": "bo", "role": "ADMIN"})
                await invited(shell, "cy", "ADMIN")
                await shell.ok("DELETE", "/api/users/ada")
            case "sign out":
                await browser("DELETE", "/api/session")
            case "everywhere":
                await browser("DELETE", "/api/session?all=true")
            case _:
                await invited(shell, "cy", "ADMIN")
                await shell.ok("PATCH", "/api/users/ada", change)
        (await redeem(shell, code)).problem(status)
        assert await tokens(shell) == []

    async def test_who_lost_their_role_meanwhile_gets_none(self, shell: Shell) -> None:
        """The row as it is when the token is written, and not as it was when the code was looked at."""
        browser = await invited(shell, "ada")
        code, _ = await shell.hub.people.nexo.checked(await allowed(browser), VERIFIER, None)
        await shell.ok("PATCH", "/api/users/ada", {"disabled": True})
        with pytest.raises(NotAllowed, match="disabled"):
            await shell.hub.people.nexo.redeem(code)
        assert await tokens(shell) == []

    async def test_a_session_that_another_process_ended_makes_none_that_is_good(self, shell: Shell) -> None:
        """For some seconds a process may not know it yet, and the click comes there."""
        browser = await invited(shell, "ada")
        person = await shell.hub.people.sessions.of(f"__Host-nexomatic-session={browser.session}")
        assert isinstance(person, Person)
        await browser("DELETE", "/api/session?all=true")
        code = shell.hub.people.nexo.allow(person, nexo_sign_in.Asking(CHALLENGE, "box-1"))
        assert (await redeem(shell, code)).problem(401)["detail"] == nexo_sign_in.SESSION_OVER

    async def test_the_role_is_looked_at_again_whatever_the_session_says(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        write = shell.hub.people.nexo._write
        await carry_out(write, lambda seen: named(seen, "ada"), lambda found: found.changed(role=None))
        assert "no role" in (await redeem(shell, code)).problem(403)["detail"]
        assert await tokens(shell) == []

    async def test_a_token_of_the_name_is_not_replaced(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        known, _ = await shell.hub.people.nexo.checked(code, VERIFIER, None)
        await shell.ok("POST", "/api/tokens", {"name": f"nexo-box-1-{known.id[:6]}", "role": "ADMIN"})
        assert "there is a token" in (await redeem(shell, code)).problem(409)["detail"]

    async def test_a_full_memory_of_what_ended_lets_none_be_used_twice(self, shell: Shell) -> None:
        browser = await invited(shell, "ada")
        for _ in range(MOST_ENDED):
            again = Browser(shell)
            await again.sign_in("ada", PASSWORD)
            await again("DELETE", "/api/session")
        code = await allowed(browser)
        assert (await redeem(shell, code)).status == 201
        (await redeem(shell, code)).problem(401)

    async def test_another_origins_page_redeems_none(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        (await redeem(shell, code, origin="https://evil.example.com")).problem(403)

    async def test_no_error_repeats_what_was_sent(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        for said in ({"code": code, "verifier": VERIFIER + "!"}, {"code": code + "x" * 2000, "verifier": VERIFIER}):
            reply = await shell("POST", "/api/session/nexo", said, token=None)
            reply.errors()
            assert VERIFIER.encode() not in reply.body
            assert code.encode() not in reply.body

    async def test_who_guesses_waits_and_slows_down_nobody_else(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        statuses = [(await redeem(shell, "nonsense")).status for _ in range(21)]
        assert statuses == [401] * 20 + [429]
        assert "too many wrong codes" in (await redeem(shell, "nonsense")).problem(429)["detail"]
        assert (await redeem(shell, code)).status == 201

    async def test_no_cookie_and_no_token_is_asked_for(self, shell: Shell) -> None:
        code = await allowed(await invited(shell, "ada"))
        reply = await shell("POST", "/api/session/nexo", {"code": code, "verifier": VERIFIER}, token=FIRST_ADMIN)
        assert reply.json["user"] == "ada", "whose it is says the code alone"
