"""Providers of OpenID Connect: the real one of npm as a process, and one in memory that can be made to lie."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from joserfc import jwk, jwt

from tests.functions.browsers import Browser
from tests.functions.shell import PUBLIC_URL, Reply, Shell
from tests.unit.configuring import BEGIN

CALLBACK = "/api/session/oidc/callback"
CLIENT_ID = "the hub"
CLIENT_SECRET = "a secret: with + and %"
ISSUER = "https://login.example.com"
SCRIPT = Path(__file__).with_name("oidc_provider.mjs")


@contextmanager
def real_provider(accounts: Mapping[str, Any], *, claims_in_token: bool, hub: str = PUBLIC_URL) -> Iterator[str]:
    """The issuer of a provider that runs meanwhile."""
    told = {"redirectUri": hub + CALLBACK, "accounts": accounts, "claimsInToken": claims_in_token}
    command = ["node", str(SCRIPT), json.dumps(told)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            issuer = process.stdout.readline().strip()
            assert issuer.startswith("http://127.0.0.1:")
            yield issuer
        finally:
            process.stdin.close()
            process.wait(10)


def in_step_with_real_time(shell: Shell) -> None:
    """Set the hub's clock to the time that the provider writes into its tokens."""
    shell.clock.seconds = time.time() - BEGIN.timestamp()


async def through_the_provider(browser: Browser, login: str | None, return_to: str = "/ui/") -> str:
    """Go to the provider and log in there (None: give up); the address on the hub that it sends the browser back to."""
    begun = await browser("GET", f"/api/session/oidc?return_to={return_to}")
    assert begun.status == 302, begun.body
    return await asyncio.to_thread(_log_in, begun.headers["location"], login)


def _log_in(url: str, login: str | None) -> str:
    with requests.Session() as session:
        for _ in range(20):
            answer = session.get(url, allow_redirects=False, timeout=10)
            while answer.status_code == 200:  # a form
                if login is None:
                    answer = session.get(f"{url}/abort", allow_redirects=False, timeout=10)
                    continue
                prompt = "login" if 'name="password"' in answer.text else "consent"
                form = {"prompt": prompt, "login": login, "password": "any"}
                answer = session.post(url, data=form, allow_redirects=False, timeout=10)
            assert answer.is_redirect, answer.text
            url = urljoin(url, answer.headers["location"])
            if url.startswith(PUBLIC_URL):
                return url.removeprefix(PUBLIC_URL)
    raise AssertionError("the provider did not send the browser back")


@dataclass
class LyingProvider:
    """A provider in memory, in the place of HTTP; `claims`, `header`, `signed_with` make its next token."""

    key: Any = field(default_factory=lambda: jwk.generate_key("EC", "P-256", {"kid": "one", "use": "sig"}))
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    signed_with: Any = None
    token: str | None = None
    """The next token as it is, in place of one that is made."""
    keys: list[Any] | None = None
    """Those it publishes, in place of its own."""
    discovery: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    down: bool = False
    asked: list[str] = field(default_factory=list)
    forms: list[Mapping[str, str]] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    now: float = 0.0
    nonce: str = ""

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self.asked.append(url)
        if self.down:
            return 500, b"down"
        path = urlsplit(url).path
        if path == "/.well-known/openid-configuration":
            return 200, json.dumps(self._discovery()).encode()
        if path == "/keys":
            keys = self.keys if self.keys is not None else [self.key]
            return 200, json.dumps({"keys": [each.as_dict(private=False) for each in keys]}).encode()
        assert path == "/me"
        assert headers["authorization"] == "Bearer access"
        return 200, json.dumps(self.userinfo).encode()

    async def post(self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None) -> tuple[int, bytes]:
        self.asked.append(url)
        self.forms.append({**form, "auth": ":".join(auth or ())})
        return 200, json.dumps({"id_token": self.token or self._token(), "access_token": "access"}).encode()

    def _token(self) -> str:
        plain = {"iss": ISSUER, "aud": CLIENT_ID, "sub": "ada", "nonce": self.nonce, "groups": ["ops"]}
        times = {"iat": int(self.now), "exp": int(self.now) + 300}
        claims = {name: value for name, value in {**plain, **times, **self.claims}.items() if value is not ...}
        named = {"alg": "ES256", "kid": "one", **self.header}
        header = {name: value for name, value in named.items() if value is not None}
        token = jwt.encode(header, claims, self.signed_with or self.key, algorithms=[header["alg"]])
        self.issued.append(token)
        return token

    def _discovery(self) -> dict[str, Any]:
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            **({"userinfo_endpoint": f"{ISSUER}/me"} if self.userinfo is not None else {}),
            **self.discovery,
        }
        return {name: value for name, value in document.items() if value is not ...}

    async def sign_in(self, browser: Browser, query: str = "", return_to: str = "/ui/") -> Reply:
        """Begin, and come back at once with a code."""
        begun = await browser("GET", f"/api/session/oidc?return_to={return_to}")
        assert begun.status == 302, begun.body
        asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
        self.nonce = asked["nonce"]
        self.now = browser.shell.clock.now().timestamp()
        return await browser("GET", f"{CALLBACK}?code=c&state={asked['state']}{query}")


def unsigned(claims: Mapping[str, Any]) -> str:
    """A token with the algorithm `none`."""
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts) + "."
