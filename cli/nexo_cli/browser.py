"""Signing in with a password, as a browser does it: a cookie, and the CSRF token beside it."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlsplit

from nexo_cli import api
from nexo_cli.client import Hub
from nexo_cli.errors import NexoError


class Browser:
    """One session, ended when its token is made."""

    def __init__(self, url: str) -> None:
        self._hub = Hub(url, None)
        parts = urlsplit(self._hub.url)
        self._headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}

    def sign_in(self, user: str, password: str) -> api.SessionView:
        """Begin the session. Raises `Problem`: 401 for a wrong password, 429 for somebody who guesses."""
        return self._begun(self._call(api.POST_SESSION, {"user": user, "password": password}))

    def change_password(self, old: str, new: str) -> api.SessionView:
        return self._begun(self._call(api.PUT_ME_PASSWORD, {"password": old, "new_password": new}))

    def make_token(self, name: str, role: str) -> str:
        made: api.CreatedToken = self._call(api.POST_TOKENS, {"name": name, "role": role})
        return made["token"]

    def sign_out(self) -> None:
        """The session ends by itself in some hours: that it could not be ended now is no error."""
        with contextlib.suppress(NexoError):
            self._call(api.DELETE_SESSION, None)

    def _call(self, route: api.Route[Any], body: Any) -> Any:
        return self._hub.call(route, body=body, headers=self._headers)

    def _begun(self, session: api.SessionView) -> api.SessionView:
        if session["csrf_token"] is not None:
            self._headers["X-CSRF-Token"] = session["csrf_token"]
        return session
