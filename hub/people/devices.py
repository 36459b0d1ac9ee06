"""Browsers where somebody has signed in before. It opens nothing: only other people's guesses do not slow it down."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from hub.people.sessions import Site
from hub.signing import BadSignature, Signer

COOKIE: Final = "nexomatic-device"
KNOWN_FOR: Final = timedelta(days=180)
FORMAT: Final = 1
LONGEST: Final = 1000


class Devices:
    """Marks and knows browsers. `new_id` draws a name for one."""

    def __init__(self, signer: Signer, site: Site, new_id: Callable[[], str]) -> None:
        self._signer = signer
        self._site = site
        self._new_id = new_id

    def known(self, cookies: str | None, account: str) -> str | None:
        """The name of the browser, if this account signed in from it; None for any other."""
        text = self._site.cookie(COOKIE).read(cookies)
        if text is None or len(text) > LONGEST:
            return None
        try:
            said: dict[str, Any] = json.loads(self._signer.read(text))
        except BadSignature:
            return None
        return str(said["d"]) if said.get("f") == FORMAT and said["a"] == account.casefold() else None

    def mark(self, account: str) -> str:
        """The `Set-Cookie` that says this account signed in here."""
        said = {"f": FORMAT, "a": account.casefold(), "d": self._new_id()}
        text = self._signer.sign(json.dumps(said, separators=(",", ":")).encode())
        return self._site.cookie(COOKIE).set(text, int(KNOWN_FOR.total_seconds()))
