"""A browser in front of a hub: keeps cookies, and sends what a page of the hub would."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.functions.shell import PUBLIC_URL, Reply, Shell

PASSWORD = "four words and a bit"
FIRST_PASSWORD = "chosen by an admin"


@dataclass
class Browser:
    """One person's. `headers` are sent with everything beside what a page sends."""

    shell: Shell
    origin: str = PUBLIC_URL
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    csrf_token: str | None = None

    async def __call__(self, method: str, url: str, body: Any = None, **headers: str | None) -> Reply:
        """Ask. Bytes are sent as they are. A header that is None is left out, though a page would send it."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent: dict[str, str | None] = {
            "content-length": str(len(content)),
            "origin": self.origin if method != "GET" else None,
            "cookie": cookies or None,
            "x-csrf-token": self.csrf_token,
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        reply = await self.shell.send(method, url, {name: value for name, value in sent.items() if value}, content)
        self.keep(reply)
        return reply

    def keep(self, reply: Reply) -> None:
        """The cookies of an answer."""
        for each in reply.cookies:
            name, _, value = each.partition(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)

    async def sign_in(self, user: str, password: str = PASSWORD, **headers: str | None) -> Reply:
        """Sign in; with success the browser knows the CSRF token."""
        reply = await self("POST", "/api/session", {"user": user, "password": password}, **headers)
        if reply.status == 200:
            self.csrf_token = reply.json["csrf_token"]
        return reply

    @property
    def session(self) -> str:
        """The cookie of the session."""
        return self.cookies["__Host-nexomatic-session"]


async def invited(shell: Shell, user: str, role: str = "VIEWER", password: str = PASSWORD) -> Browser:
    """A new user, who has set this password and is signed in."""
    made = await shell.ok("POST", "/api/users", {"name": user, "role": role})
    browser = Browser(shell)
    body = {"invitation": made["invitation"], "password": password}
    reply = await browser("POST", "/api/session/invitation", body)
    assert reply.status == 200, reply.body
    browser.csrf_token = reply.json["csrf_token"]
    return browser
