"""A Key Vault over its REST protocol, by the Azure SDK: single calls, their errors as ours.

The vault is one for a whole platform and throttles by the vault (2 000 to 4 000 calls in 10 s): who was told to wait
does wait, all of this process together, and says so instead of asking. No error repeats what the vault said in words,
only its codes: its words are about secrets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import HttpRequest

from hub.clock import Clock
from hub.errors import Missing, Rejected, VaultUnavailable
from hub.secrets.port import Unreadable

log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 10
CALL_SECONDS: Final = 18.0
"""With the sign-in at the first call. Shorter than an agent waits for its answer."""
FIRST_PAUSE_SECONDS: Final = 1.0
MOST_PAUSE_SECONDS: Final = 32.0
"""A vault that does not say how long to stay away: 1 s, doubling, as its documentation asks."""
LONGEST_PAUSE_SECONDS: Final = 600.0
RECOVERY_TRIES: Final = 6
RECOVERY_PAUSE_SECONDS: Final = 1.0
OURS: Final = {"nexomatic": "secret"}
"""The tag of what the hub has put: it recovers nothing else."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a secret in the vault."""

    value: str = field(repr=False)
    version: str
    ours: bool
    """A hub has put it."""


class _Answered(Exception):
    """The vault refused the call for a reason that who made it may know how to handle."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class Vault:
    """One vault, asked as one identity. Names are the vault's own. Every call may raise `VaultUnavailable`."""

    def __init__(self, address: str, credential: Any, clock: Clock, **options: Any) -> None:
        """Asks nobody yet. `options` are the SDK's. Needs a running event loop."""
        from azure.keyvault.secrets.aio import SecretClient  # only a hub with a vault pays for the import

        self._credential = credential
        self._clock = clock
        self._closed_until = 0.0
        self._refused_in_a_row = 0
        self._away = False
        self._sleep: Callable[[float], Awaitable[None]] = options.pop("sleep", asyncio.sleep)
        self._client = SecretClient(
            address, credential, retry_total=0, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS,
            logging_enable=False, **options,
        )  # fmt: skip

    async def read(self, name: str, version: str = "") -> Stored:
        """This version, or the newest. Raises `Missing`, and its kind `Unreadable` for one that is disabled."""
        try:
            found = await self._call(lambda: self._client.get_secret(name, version or None))
        except _Answered as answer:
            if answer.code == "SecretNotFound":
                raise Missing(f"there is no secret {name} in the key vault") from None
            if answer.code == "SecretDisabled":
                raise Unreadable(f"the secret {name} is disabled in the key vault") from None
            raise _unexpected(answer) from None
        return Stored(found.value or "", found.properties.version or "", _is_ours(found.properties.tags))

    async def write(self, name: str, value: str) -> str:
        """A new version; which. Recovers a name that was deleted, if the hub had put it. Raises `Rejected`."""
        recovered = ""
        for attempt in range(RECOVERY_TRIES):
            try:
                made = await self._call(lambda: self._client.set_secret(name, value, tags=OURS))
            except _Answered as answer:
                if answer.status != 409:
                    raise _unexpected(answer) from None
                if answer.code == "ObjectIsDeletedButRecoverable" and not recovered:
                    recovered = await self._recover(name)
                if attempt < RECOVERY_TRIES - 1:
                    await self._sleep(RECOVERY_PAUSE_SECONDS)
                continue
            if recovered:
                await self.disable(name, recovered)  # what was deleted does not come back with its name
            return made.properties.version or ""
        raise VaultUnavailable(f"the key vault is still deleting or recovering the name {name}: try again in a minute")

    async def disable(self, name: str, version: str) -> None:
        """Let nobody read this version any more: a single one cannot be deleted. What is not there is fine."""
        try:
            await self._call(lambda: self._client.update_secret_properties(name, version, enabled=False))
        except _Answered as answer:
            if answer.code != "SecretNotFound":
                raise _unexpected(answer) from None

    async def delete(self, name: str) -> None:
        """All its versions; the vault keeps them recoverable as long as it is set to. What is not there is fine."""
        # Not the SDK's own call, which waits until the vault has done it: a request does not have that long.
        await self._send("DELETE", f"/secrets/{name}", fine="SecretNotFound")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        await self._credential.close()

    async def _recover(self, name: str) -> str:
        """Begin to recover a deleted name; the version that stood. Raises `Rejected` for somebody else's."""
        try:
            deleted = await self._call(lambda: self._client.get_deleted_secret(name))
        except _Answered as answer:
            if answer.code == "SecretNotFound":
                return ""  # somebody else was quicker
            raise _unexpected(answer) from None
        if not _is_ours(deleted.properties.tags):
            raise Rejected(
                f"the key vault still keeps a deleted secret {name} of somebody else: purge it there, or wait until "
                "the vault does"
            )
        await self._send("POST", f"/deletedsecrets/{name}/recover", fine="SecretNotFound")
        return deleted.properties.version or ""

    async def _send(self, method: str, path: str, fine: str) -> None:
        async def send() -> None:
            answer = await self._client.send_request(HttpRequest(method, path))
            answer.raise_for_status()

        try:
            await self._call(send)
        except _Answered as answer:
            if answer.code != fine:
                raise _unexpected(answer) from None

    async def _call(self, send: Callable[[], Awaitable[T]]) -> T:
        """One call. Raises `VaultUnavailable`, and `_Answered` for the caller to understand."""
        wait = self._closed_until - self._clock.monotonic()
        if wait > 0:
            raise VaultUnavailable("the key vault asked for fewer calls", retry_after_seconds=wait)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await send()
        except HttpResponseError as error:
            raise self._refusal(error) from None
        except (AzureError, TimeoutError, OSError, ValueError) as error:
            self._is_away(type(error).__name__)
            raise VaultUnavailable(f"the key vault does not answer: {type(error).__name__}") from None
        self._refused_in_a_row = 0
        if self._away:
            log.warning("the key vault answers again")
            self._away = False
        return answer

    def _is_away(self, why: str) -> None:
        """Said once, and not by each of the many who wait for it."""
        if not self._away:
            log.warning("the key vault does not answer: %s", why)
        self._away = True

    def _refusal(self, error: HttpResponseError) -> Exception:
        status, code = error.status_code or 0, _code(error)
        if status == 429 or (status == 503 and _retry_after(error) is not None):
            return self._stay_away(error)
        if code or status == 409:
            self._refused_in_a_row = 0
            return _Answered(status, code)
        self._is_away(f"{type(error).__name__} {status}")
        return VaultUnavailable(f"the key vault did not let the hub in, or is not one: {type(error).__name__} {status}")

    def _stay_away(self, error: HttpResponseError) -> VaultUnavailable:
        self._refused_in_a_row += 1
        own = min(FIRST_PAUSE_SECONDS * 2 ** (self._refused_in_a_row - 1), MOST_PAUSE_SECONDS)
        told = _retry_after(error)
        seconds = min(own if told is None else max(told, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)
        log.warning("the key vault asked for fewer calls: none for %g s", seconds)
        return VaultUnavailable("the key vault asked for fewer calls", retry_after_seconds=seconds)


def open_vault(address: str, client_id: str | None, clock: Clock, **options: Any) -> Vault:
    """The vault at this address, asked as the managed identity we run as."""
    from azure.identity.aio import ManagedIdentityCredential

    return Vault(address, ManagedIdentityCredential(client_id=client_id), clock, **options)


def _unexpected(answer: _Answered) -> VaultUnavailable:
    log.error("the key vault refused a call: %s", answer)
    if answer.status in (401, 403):
        return VaultUnavailable(
            f"the key vault does not let the hub do that ({answer.code}): see docs/secrets.md, rights"
        )
    return VaultUnavailable(f"the key vault refused the call: {answer}")


def _code(error: HttpResponseError) -> str:
    """The innermost code of the vault's own error document; empty if the answer is somebody else's."""
    details: Any = error.error
    code = str(getattr(details, "code", None) or "")
    inner = getattr(details, "innererror", None) or {}
    return str(inner.get("code") or code)


def _retry_after(error: HttpResponseError) -> float | None:
    response: Any = error.response
    text = response.headers.get("Retry-After", "") if response is not None else ""
    return float(text) if text.isascii() and text.isdigit() else None


def _is_ours(tags: dict[str, str] | None) -> bool:
    return (tags or {}).get("nexomatic") == OURS["nexomatic"]
