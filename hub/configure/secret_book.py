"""Secrets as an admin sees them: put, described, listed, removed, and never read."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from hub.configure.matching import Match
from hub.errors import Missing
from hub.model.secret import SecretInfo
from hub.secrets.port import Secrets


@dataclass(frozen=True, slots=True)
class SavedSecret:
    """A secret as it now stands, and whether it is new."""

    info: SecretInfo
    created: bool


class SecretBook:
    """Writes through `kept`, which this process's readers ask, and reads from `engine`, which has no memory."""

    def __init__(self, engine: Secrets, kept: Secrets) -> None:
        self._engine = engine
        self._kept = kept

    async def put(self, name: str, value: str | None, description: str, match: Match, by: str) -> SavedSecret:
        """Create, or replace value and description. Putting what is there already changes nothing.

        Raises `Invalid` with its fields, `Changed`, `Rejected`.
        """
        standing = await self._standing(name, value, description) if value is not None else None
        if standing is not None and not match.absent:
            return SavedSecret(standing, created=False)  # perhaps the second try of a put whose answer was lost
        before: list[str | None] = []

        def expect(version: str | None) -> None:
            before[:] = [version]
            match.check(version, required=True)

        info = await self._kept.put(name, value, description, by=by, expect=expect)
        return SavedSecret(info, created=before == [None])

    async def restore(self, name: str, version: str, match: Match, by: str) -> SecretInfo:
        """Let the version before stand again. Raises `Missing`, `Changed`, `Rejected`."""
        return await self._kept.restore(name, version, by=by, expect=match.check)

    async def get(self, name: str) -> SecretInfo:
        """What is known of it. Raises `Missing`."""
        return await self._engine.describe(name)

    async def list(self) -> list[SecretInfo]:
        """All of them, by name."""
        return await self._engine.list()

    async def delete(self, name: str, match: Match) -> None:
        """Remove it. Raises `Missing`, `Changed`, `InUse` with the list of those who name it."""
        await self._kept.delete(name, expect=match.check)

    async def _standing(self, name: str, value: str, description: str) -> SecretInfo | None:
        """The secret, if it says exactly this already."""
        try:
            info = await self._engine.describe(name)
            found = await self._engine.get(name)
        except Missing:
            return None
        same = hmac.compare_digest(found.value.encode(), value.encode(errors="surrogatepass"))
        return info if same and info.version == found.version and info.description == description else None
