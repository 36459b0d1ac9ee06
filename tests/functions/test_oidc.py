"""Sign-in by OpenID Connect: with a real provider, and with one that lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwk

from hub.people import oidc_provider
from hub.rules.oidc import Provider
from tests.functions.browsers import Browser
from tests.functions.providers import (
    CALLBACK,
    CLIENT_ID,
    CLIENT_SECRET,
    ISSUER,
    LyingProvider,
    in_step_with_real_time,
    real_provider,
    through_the_provider,
    unsigned,
)
from tests.functions.shell import PUBLIC_URL, Shell, opened_shell

ACCOUNTS = {
    "ada": {"groups": ["ops", "all"], "name": "Ada Lovelace", "preferred_username": "ada", "email": "a@example.com"},
    "bo": {"groups": ["watchers"], "name": "Bo", "preferred_username": "ada", "email": "a@example.com"},
    "cy": {"groups": ["all"]},
    "root": {},
}


def provider_at(issuer: str, **more: Any) -> Provider:
    return Provider(
        issuer=issuer,
        client_id=CLIENT_ID,
        client_secret=more.pop("secret", CLIENT_SECRET),
        admins=frozenset({"ops"}),
        viewers=frozenset({"watchers"}),
        **more,
    )


@pytest.fixture(scope="module", params=[True, False], ids=["claims in the token", "claims from userinfo"])
def issuer(request: pytest.FixtureRequest) -> Iterator[str]:
    with real_provider(ACCOUNTS, claims_in_token=request.param) as issuer:
        yield issuer


@pytest.mark.processes
class TestWithARealProvider:
    @pytest.fixture
    async def shell(self, issuer: str) -> AsyncIterator[Shell]:
        provider = provider_at(issuer, first_admin="root")
        async with opened_shell(provider=provider, admin_contact="ops@example.com") as opened:
            in_step_with_real_time(opened)
            yield opened

    async def test_people_sign_in_and_may_what_their_groups_say(self, shell: Shell, issuer: str) -> None:
        roles = {}
        for login in ACCOUNTS:
            browser = Browser(shell)
            back = await through_the_provider(browser, login, "/ui/events?state=ERROR")
            reply = await browser("GET", back)
            assert (reply.status, reply.headers["location"]) == (302, f"{PUBLIC_URL}/ui/events?state=ERROR"), reply.body
            assert set(browser.cookies) == {"__Host-nexomatic-session"}
            roles[login] = (await browser("GET", "/api/session")).json["role"]
        assert roles == {"ada": "ADMIN", "bo": "VIEWER", "cy": None, "root": "ADMIN"}
        users = (await shell.ok("GET", "/api/users"))["items"]
        assert {each["subject"] for each in users} == set(ACCOUNTS)
        assert {each["issuer"] for each in users} == {issuer}
        assert {each["origin"] for each in users} == {"OIDC"}
        assert len({each["name"] for each in users}) == len(users), (
            "a shared name or mail address makes nobody the same"
        )

    async def test_a_session_works_as_one_of_a_password(self, shell: Shell) -> None:
        browser = Browser(shell)
        await browser("GET", await through_the_provider(browser, "ada"))
        said = (await browser("GET", "/api/session")).json
        assert (said["display_name"], said["via"]) == ("Ada Lovelace", "session")
        assert (await browser("POST", "/api/reconcile")).status == 403
        browser.csrf_token = said["csrf_token"]
        assert (await browser("POST", "/api/reconcile")).status == 200

    async def test_who_has_no_role_is_told_whom_to_ask(self, shell: Shell) -> None:
        browser = Browser(shell)
        await browser("GET", await through_the_provider(browser, "cy"))
        assert "ask ops@example.com" in (await browser("GET", "/api/events")).problem(403)["detail"]
        (user,) = (await shell.ok("GET", "/api/users"))["items"]
        await shell.ok("PATCH", f"/api/users/{user['name']}", {"role": "VIEWER"})
        assert (await browser("GET", "/api/events")).status == 401  # the session of before the role
        await browser("GET", await through_the_provider(browser, "cy"))
        assert (await browser("GET", "/api/events")).status == 200
        await shell.ok("PATCH", f"/api/users/{user['name']}", {"role": None})
        assert (await shell.ok("GET", f"/api/users/{user['name']}"))["role"] is None

    async def test_the_same_person_is_the_same_user_with_another_session(self, shell: Shell) -> None:
        browser, sessions = Browser(shell), set()
        for _ in range(2):
            await browser("GET", await through_the_provider(browser, "ada"))
            sessions.add(browser.session)
        assert len(sessions) == 2
        assert len((await shell.ok("GET", "/api/users"))["items"]) == 1

    async def test_a_disabled_user_is_let_in_by_no_provider(self, shell: Shell) -> None:
        browser = Browser(shell)
        await browser("GET", await through_the_provider(browser, "ada"))
        (user,) = (await shell.ok("GET", "/api/users"))["items"]
        await browser("GET", await through_the_provider(browser, "root"))
        await shell.ok("PATCH", f"/api/users/{user['name']}", {"disabled": True})
        reply = await Browser(shell)("GET", "/api/me")
        late = Browser(shell)
        reply = await late("GET", await through_the_provider(late, "ada"))
        assert "disabled" in reply.problem(403)["detail"]
        assert not reply.cookies

    async def test_what_came_back_is_good_once_and_in_one_browser(self, shell: Shell) -> None:
        browser, other = Browser(shell), Browser(shell)
        back = await through_the_provider(browser, "ada")
        await other("GET", "/api/session/oidc?return_to=/")
        for stranger in (Browser(shell), other):  # one without any sign-in on its way, one with another
            assert "not begun in this browser" in (await stranger("GET", back)).problem(401)["detail"]
        cookies = dict(browser.cookies)
        assert (await browser("GET", back)).status == 302
        again = Browser(shell, cookies=cookies)
        assert "used already" in (await again("GET", back)).problem(401)["detail"]

    async def test_who_gives_up_at_the_provider_is_told_so(self, shell: Shell) -> None:
        browser = Browser(shell)
        reply = await browser("GET", await through_the_provider(browser, None))
        assert "access_denied" in reply.problem(403)["detail"]

    async def test_a_wrong_secret_is_the_operators_to_mend(self, issuer: str) -> None:
        async with opened_shell(provider=provider_at(issuer, secret="wrong")) as shell:
            in_step_with_real_time(shell)
            browser = Browser(shell)
            reply = await browser("GET", await through_the_provider(browser, "ada"))
            assert "invalid_client" in reply.problem(503)["detail"]

    async def test_a_provider_that_is_not_there(self) -> None:
        async with opened_shell(provider=provider_at("http://127.0.0.1:9")) as shell:
            reply = await Browser(shell)("GET", "/api/session/oidc")
            assert reply.problem(503)["type"].endswith(":provider-unavailable")


class TestWithALyingOne:
    @pytest.fixture
    async def shell(self) -> AsyncIterator[Shell]:
        async with opened_shell(provider=provider_at(ISSUER)) as opened:
            yield opened

    @pytest.fixture
    def lies(self, shell: Shell) -> LyingProvider:
        assert shell.hub.people.oidc is not None
        provider = LyingProvider()
        shell.hub.people.oidc._client._fetch = provider
        return provider

    async def test_what_is_asked_for(self, shell: Shell, lies: LyingProvider) -> None:
        browser = Browser(shell)
        reply = await browser("GET", "/api/session/oidc")
        url = urlsplit(reply.headers["location"])
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/auth"
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        drawn = {asked.pop(each) for each in ("state", "nonce", "code_challenge")}
        assert all(len(each) == 43 for each in drawn)
        assert len(drawn) == 3
        assert asked == {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": PUBLIC_URL + CALLBACK,
            "scope": "openid profile email",
            "code_challenge_method": "S256",
        }
        (cookie,) = reply.cookies
        assert cookie.startswith("__Host-nexomatic-sign-in=")
        assert cookie.endswith("; Max-Age=600; Path=/; HttpOnly; SameSite=Lax; Secure")
        again = await browser("GET", "/api/session/oidc")
        assert not drawn & {values[0] for values in parse_qs(urlsplit(again.headers["location"]).query).values()}

    async def test_the_code_is_exchanged_with_secret_and_verifier(self, shell: Shell, lies: LyingProvider) -> None:
        browser = Browser(shell)
        begun = await browser("GET", "/api/session/oidc")
        challenge = parse_qs(urlsplit(begun.headers["location"]).query)["code_challenge"][0]
        lies.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        assert (await lies.sign_in(browser)).status == 302
        (form,) = lies.forms
        assert form["auth"] == "the%20hub:a%20secret%3A%20with%20%2B%20and%20%25"
        assert form["redirect_uri"] == PUBLIC_URL + CALLBACK
        assert len(form["code_verifier"]) == 43
        assert form["code_verifier"] not in begun.headers["location"] + challenge

    @pytest.mark.parametrize("secret", [CLIENT_SECRET, None])
    async def test_a_secret_in_the_form_and_a_public_client(self, secret: str | None) -> None:
        lies = LyingProvider(discovery={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
        async with opened_shell(provider=provider_at(ISSUER, secret=secret)) as shell:
            assert shell.hub.people.oidc is not None
            shell.hub.people.oidc._client._fetch = lies
            assert (await lies.sign_in(Browser(shell))).status == 302
        (form,) = lies.forms
        assert (form.get("client_secret"), form["client_id"], form["auth"]) == (secret, CLIENT_ID, "")

    @pytest.mark.parametrize(
        ("claims", "said"),
        [
            ({"iss": "https://evil.example.com"}, "another issuer"),
            ({"iss": ISSUER + "/"}, "another issuer"),
            ({"iss": ...}, "another issuer"),
            ({"aud": "another"}, "another application"),
            ({"aud": ["another"]}, "another application"),
            ({"aud": ...}, "another application"),
            ({"aud": [CLIENT_ID, "another"]}, "several applications"),
            ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "several applications"),
            ({"azp": "another"}, "another application"),
            ({"exp": 1_000_000_000}, "has expired"),
            ({"exp": ...}, "has expired"),
            ({"exp": "2100-01-01"}, "has expired"),
            ({"exp": True}, "has expired"),
            ({"iat": 4_000_000_000}, "of the future"),
            ({"iat": ...}, "of the future"),
            ({"nbf": 4_000_000_000}, "of the future"),
            ({"nonce": "another"}, "another sign-in"),
            ({"nonce": ...}, "another sign-in"),
            ({"sub": ...}, "lacks sub"),
            ({"sub": ""}, "lacks sub"),
            ({"sub": ["ada"]}, "lacks sub"),
        ],
    )
    async def test_claims_that_are_not_right(
        self, shell: Shell, lies: LyingProvider, claims: dict[str, Any], said: str
    ) -> None:
        lies.claims = claims
        reply = await lies.sign_in(Browser(shell))
        assert said in reply.problem(401)["detail"]
        assert not reply.cookies
        assert (await shell.ok("GET", "/api/users"))["items"] == []

    async def test_clocks_may_differ_by_a_minute(self, shell: Shell, lies: LyingProvider) -> None:
        now = shell.clock.now().timestamp()
        for seconds, status in ((-59, 302), (-60, 401)):
            lies.claims = {"exp": now + seconds}
            assert (await lies.sign_in(Browser(shell))).status == status
        for seconds, status in ((60, 302), (61, 401)):
            lies.claims = {"iat": now + seconds}
            assert (await lies.sign_in(Browser(shell))).status == status

    async def test_signatures_that_are_not_right(self, shell: Shell, lies: LyingProvider) -> None:
        browser = Browser(shell)
        assert (await lies.sign_in(browser)).status == 302
        claims = {"iss": ISSUER, "aud": CLIENT_ID, "sub": "ada", "nonce": lies.nonce}
        public = json.dumps(lies.key.as_dict(private=False), separators=(",", ":"), sort_keys=True)
        keyed_with_the_public_key = jwk.import_key(public, "oct")
        good = lies.issued[0]
        head, body, signature = good.split(".")
        other = jwk.generate_key("EC", "P-256", {"kid": "one"})
        lies.claims = {"groups": ["ops"]}
        for change in (
            {"token": unsigned(claims)},
            {"token": f"{head}.{body}."},
            {"token": f"{head}.{body}.{signature[:-4]}AAAA"},
            {"token": "nonsense"},
            {"token": "e30.e30.e30"},
            {"token": "W10.e30.e30"},
            {"signed_with": other},
            {"signed_with": keyed_with_the_public_key, "header": {"alg": "HS256"}},
            {"header": {"kid": "two"}},
            {"signed_with": jwk.generate_key("EC", "P-384", {"kid": "one"}), "header": {"alg": "ES384"}},
        ):
            for name, value in {"token": None, "signed_with": None, "header": {}, **change}.items():
                setattr(lies, name, value)
            reply = await lies.sign_in(Browser(shell))
            assert "not signed by one of its keys" in reply.problem(401)["detail"], change

    async def test_an_unknown_key_is_looked_for_once_in_a_while(self, shell: Shell, lies: LyingProvider) -> None:
        assert (await lies.sign_in(Browser(shell))).status == 302
        keys = f"{ISSUER}/keys"
        assert lies.asked.count(keys) == 1
        old, lies.key = lies.key, jwk.generate_key("EC", "P-256", {"kid": "two", "use": "sig"})
        lies.header = {"kid": "two"}
        assert (await lies.sign_in(Browser(shell))).status == 401  # looked a moment ago
        shell.clock.seconds += oidc_provider.REFETCH_SECONDS + 1
        assert (await lies.sign_in(Browser(shell))).status == 302
        assert lies.asked.count(keys) == 2
        lies.header = {"kid": "three"}
        shell.clock.seconds += oidc_provider.REFETCH_SECONDS + 1
        for _ in range(3):
            assert (await lies.sign_in(Browser(shell))).status == 401
        assert lies.asked.count(keys) == 3
        lies.header, lies.signed_with = {"kid": "one"}, old  # it was withdrawn
        assert (await lies.sign_in(Browser(shell))).status == 401

    async def test_a_key_without_a_name_is_taken_if_there_is_one(self, shell: Shell, lies: LyingProvider) -> None:
        other = jwk.generate_key("EC", "P-256", {"kid": "enc", "use": "enc"})
        lies.keys, lies.header = [lies.key, other], {"kid": None}
        assert (await lies.sign_in(Browser(shell))).status == 302
        lies.keys = [lies.key, jwk.generate_key("EC", "P-256", {"kid": "two"})]
        shell.clock.seconds += oidc_provider.KEPT_SECONDS + 1
        assert (await lies.sign_in(Browser(shell))).status == 401  # which of them is not said

    @pytest.mark.parametrize(
        ("discovery", "said"),
        [
            ({"issuer": "https://evil.example.com"}, "another issuer"),
            ({"token_endpoint": "http://login.example.com/token"}, "token_endpoint is not an https address"),
            ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri is not an https address"),
            ({"authorization_endpoint": ...}, "authorization_endpoint is not an https address"),
            ({"userinfo_endpoint": "http://10.0.0.1/me"}, "userinfo_endpoint is not an https address"),
        ],
    )
    async def test_addresses_that_are_not_asked(
        self, shell: Shell, lies: LyingProvider, discovery: dict[str, Any], said: str
    ) -> None:
        lies.discovery = discovery
        reply = await Browser(shell)("GET", "/api/session/oidc")
        assert said in reply.problem(503)["detail"]
        assert len(lies.asked) == 1

    async def test_a_provider_that_is_down_is_not_asked_for_each_caller(
        self, shell: Shell, lies: LyingProvider
    ) -> None:
        lies.down = True
        for _ in range(5):
            assert (await Browser(shell)("GET", "/api/session/oidc")).status == 503
        assert len(lies.asked) == 1
        lies.down = False
        shell.clock.seconds += oidc_provider.REFETCH_SECONDS
        assert (await Browser(shell)("GET", "/api/session/oidc")).status == 302

    async def test_addresses_and_keys_are_kept_for_an_hour(self, shell: Shell, lies: LyingProvider) -> None:
        for _ in range(3):
            assert (await lies.sign_in(Browser(shell))).status == 302
        assert len(lies.asked) == 2 + 3
        shell.clock.seconds += oidc_provider.KEPT_SECONDS + 1
        assert (await lies.sign_in(Browser(shell))).status == 302
        assert len(lies.asked) == 2 * 2 + 4

    async def test_the_state_is_that_of_this_browser(self, shell: Shell, lies: LyingProvider) -> None:
        browser = Browser(shell)
        assert (await lies.sign_in(browser, query="x")).problem(401)
        for state in ("", "state=", "state=%C3%A9"):
            await browser("GET", "/api/session/oidc")
            assert (await browser("GET", f"{CALLBACK}?code=c&{state}")).problem(401)
        assert lies.forms == []

    async def test_a_sign_in_lasts_ten_minutes(self, shell: Shell, lies: LyingProvider) -> None:
        browser = Browser(shell)
        begun = await browser("GET", "/api/session/oidc")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        shell.clock.seconds += 600
        assert (await browser("GET", f"{CALLBACK}?code=c&state={state}")).problem(401)
        assert lies.forms == []

    async def test_another_provider_s_answer_is_not_taken(self, shell: Shell, lies: LyingProvider) -> None:
        assert (await lies.sign_in(Browser(shell), f"&iss={ISSUER}")).status == 302
        reply = await lies.sign_in(Browser(shell), "&iss=https://evil.example.com")
        assert "not of the provider" in reply.problem(401)["detail"]

    async def test_one_that_says_its_name_says_it_always(self, shell: Shell, lies: LyingProvider) -> None:
        lies.discovery = {"authorization_response_iss_parameter_supported": True}
        assert (await lies.sign_in(Browser(shell))).status == 401
        assert (await lies.sign_in(Browser(shell), f"&iss={ISSUER}&session_state=x&hd=y")).status == 302

    @pytest.mark.parametrize("return_to", ["//evil.example.com", "https://evil.example.com", "/%5Cevil", "ui"])
    async def test_nobody_is_sent_anywhere_else(self, shell: Shell, lies: LyingProvider, return_to: str) -> None:
        reply = await Browser(shell)("GET", f"/api/session/oidc?return_to={return_to}")
        assert "path on this hub" in reply.errors()["return_to"]

    async def test_what_userinfo_tells_is_of_the_same_person(self, shell: Shell, lies: LyingProvider) -> None:
        lies.claims, lies.userinfo = {"groups": ...}, {"sub": "mallory", "groups": ["ops"]}
        assert "somebody else" in (await lies.sign_in(Browser(shell))).problem(401)["detail"]
        lies.userinfo = {"sub": "ada", "groups": ["ops"], "iss": "x"}
        browser = Browser(shell)
        assert (await lies.sign_in(browser)).status == 302
        assert (await browser("GET", "/api/me")).json["role"] == "ADMIN"
        lies.claims = {"groups": ["watchers"]}  # and does not go before what was signed
        assert (await lies.sign_in(browser)).status == 302
        assert (await browser("GET", "/api/me")).json["role"] == "VIEWER"

    @pytest.mark.parametrize(
        "left_out", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": True}, {"hasgroups": "true"}]
    )
    async def test_too_many_groups_are_refused_with_words(
        self, shell: Shell, lies: LyingProvider, left_out: dict[str, Any]
    ) -> None:
        lies.claims, lies.userinfo = {"groups": ..., **left_out}, {"sub": "ada"}
        assert "too many" in (await lies.sign_in(Browser(shell))).problem(403)["detail"]
        assert f"{ISSUER}/me" not in lies.asked

    async def test_other_groups_end_the_sessions_of_before(self, shell: Shell, lies: LyingProvider) -> None:
        before, after = Browser(shell), Browser(shell)
        await lies.sign_in(before)
        lies.claims = {"groups": ["watchers"]}
        await lies.sign_in(after)
        assert (await before("GET", "/api/me")).status == 401
        assert (await after("GET", "/api/me")).json["role"] == "VIEWER"

    async def test_who_is_in_no_group_any_more_may_nothing_with_a_token_either(
        self, shell: Shell, lies: LyingProvider
    ) -> None:
        browser = Browser(shell)
        await lies.sign_in(browser)
        browser.csrf_token = (await browser("GET", "/api/session")).json["csrf_token"]
        token = (await browser("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})).json["token"]
        assert (await shell("GET", "/api/events", token=token)).status == 200
        lies.claims = {"groups": []}
        await lies.sign_in(Browser(shell))
        refused = (await shell("GET", "/api/events", token=token)).problem(403)
        assert "whose token this is, has no role here any more" in refused["detail"]

    async def test_nothing_is_written_when_nothing_changed(self, shell: Shell, lies: LyingProvider) -> None:
        await lies.sign_in(Browser(shell))
        before = (await shell.hub.configuration.newest()).version
        await lies.sign_in(Browser(shell))
        assert (await shell.hub.configuration.newest()).version == before

    async def test_the_audit_says_who_signed_in_and_who_was_not_let_in(self, shell: Shell, lies: LyingProvider) -> None:
        await lies.sign_in(Browser(shell))
        lies.claims = {"aud": "another"}
        await lies.sign_in(Browser(shell))
        (user,) = (await shell.ok("GET", "/api/users"))["items"]
        refused, done = (await shell.ok("GET", "/api/audit"))["items"]
        assert refused["action"] == done["action"] == f"GET {CALLBACK}"
        assert (done["actor"], done["result"], done["status"]) == (f"users/{user['name']}", "DONE", 302)
        assert [each["resource"] for each in done["changes"]] == [f"users/{user['name']}"]
        assert (refused["actor"], refused["result"]) == (None, "REFUSED")
        assert "another application" in refused["reason"]

    async def test_strangers_do_not_fill_the_list(
        self, shell: Shell, lies: LyingProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub.people.oidc.MOST_WITHOUT_ROLE", 3)
        for number, status in ((1, 302), (2, 302), (3, 302), (4, 403), (1, 302)):
            lies.claims = {"groups": [], "sub": f"stranger{number}"}
            assert (await lies.sign_in(Browser(shell))).status == status
        lies.claims = {"groups": ["watchers"], "sub": "friend"}
        assert (await lies.sign_in(Browser(shell))).status == 302

    async def test_an_id_is_computed_from_issuer_and_subject(self, shell: Shell, lies: LyingProvider) -> None:
        await lies.sign_in(Browser(shell))
        (user,) = (await shell.ok("GET", "/api/users"))["items"]
        assert user["id"] == "o" + hashlib.sha256(json.dumps([ISSUER, "ada"]).encode()).hexdigest()[:24]
        assert (await shell("POST", f"/api/users/{user['name']}/invite", {})).status == 409
        assert (await Browser(shell).sign_in(user["name"], "any password at all")).status == 401


async def test_without_a_provider_there_is_no_such_sign_in(shell: Shell) -> None:
    assert (await shell.ok("GET", "/api/session/methods", token=None)) == {"password": True, "oidc": False}
    for url in ("/api/session/oidc", CALLBACK):
        (await Browser(shell)("GET", url)).problem(404)
