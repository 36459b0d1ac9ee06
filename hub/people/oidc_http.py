"""Asks a provider over HTTP: briefly, a bounded answer, no redirects, few at once."""

from __future__ import annotations

import asyncio
import base64
import importlib
from collections.abc import Mapping
from typing import Any, Final

from hub.errors import ProviderUnavailable

TIMEOUT_SECONDS: Final = 10.0
MOST_BYTES: Final = 1024 * 1024
AT_ONCE: Final = 10


class ProviderHttp:
    """One per process. Each call has a connection of its own: people sign in seldom."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body. Raises `ProviderUnavailable`."""
        return await self._ask("GET", url, headers=headers)

    async def post(self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None) -> tuple[int, bytes]:
        """Status and body. Raises `ProviderUnavailable`."""
        headers = {}
        if auth is not None:
            headers["authorization"] = f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"
        return await self._ask("POST", url, data=form, headers=headers)

    async def _ask(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        aiohttp = await asyncio.to_thread(importlib.import_module, "aiohttp")  # takes a second, where Azure's has not
        session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS), cookie_jar=aiohttp.DummyCookieJar()
        )
        try:
            async with (
                self._turns,
                session,
                session.request(method, url, allow_redirects=False, **options) as answer,
            ):
                body = b""
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise ProviderUnavailable("the provider answered more than it should")
                return answer.status, body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderUnavailable(f"the provider does not answer: {type(error).__name__}") from error
