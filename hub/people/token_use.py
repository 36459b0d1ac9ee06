"""Remembers when a token was last used: to within ten minutes, so that a busy script costs no write for each call."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from hub.clock import Clock
from hub.errors import Unavailable
from hub.storage.token_use_rows import TokenUseRows

WRITE_SECONDS: Final = 600.0
"""One write for each token and process in so long."""

log = logging.getLogger(__name__)


class TokenUse:
    """One per process."""

    def __init__(self, rows: TokenUseRows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._written: dict[str, float] = {}

    async def used(self, sha256: str) -> None:
        """It came just now. Storage that does not answer is for the call itself to say."""
        now = self._clock.monotonic()
        last = self._written.get(sha256)
        if last is not None and now - last < WRITE_SECONDS:
            return
        self._written[sha256] = now
        try:
            await self._rows.put(sha256, self._clock.now())
        except Unavailable:
            self._written.pop(sha256, None)
            log.warning("when a token was last used could not be written")

    async def all(self) -> Mapping[str, datetime]:
        """By the tokens' hashes. Raises `Unavailable`."""
        return await self._rows.all()

    async def forget(self, sha256: str) -> None:
        """The token was revoked. What stays behind when storage does not answer is a row that nobody reads."""
        self._written.pop(sha256, None)
        try:
            await self._rows.remove(sha256)
        except Unavailable:
            log.warning("when a revoked token was last used could not be removed")
