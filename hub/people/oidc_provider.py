"""Asks a provider of OpenID Connect: where it answers, its keys, a token for a code. No other address."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from hub.clock import Clock
from hub.errors import NotAuthenticated, ProviderUnavailable
from hub.rules.oidc import ALGORITHMS, Provider, check_address

KEPT_SECONDS: Final = 3600.0
"""Addresses and keys are asked for anew after so long."""
REFETCH_SECONDS: Final = 10.0
"""Between two looks for a key that is not known, and after a look that failed."""
_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_NEVER: Final = float("-inf")


class Fetch(Protocol):
    """HTTP, as far as it is needed here. Raises `ProviderUnavailable`; answers status and body."""

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]: ...

    async def post(self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None) -> tuple[int, bytes]: ...


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the provider answers."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    basic: bool
    """The client's secret goes into a header; else into the form."""
    names_itself: bool
    """It says `iss` when it sends somebody back (RFC 9207)."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a code was good for."""

    id_token: str
    access_token: str | None


class ProviderClient:
    """One per process."""

    def __init__(self, provider: Provider, fetch: Fetch, clock: Clock) -> None:
        self._provider = provider
        self._fetch = fetch
        self._clock = clock
        self._endpoints: Endpoints | None = None
        self._endpoints_at = _NEVER
        self._failed_at = _NEVER
        self._keys: list[Mapping[str, Any]] = []
        self._keys_at = _NEVER
        self._one_at_a_time = asyncio.Lock()

    async def endpoints(self) -> Endpoints:
        """From its discovery document. Raises `ProviderUnavailable`."""
        async with self._one_at_a_time:
            now = self._clock.monotonic()
            if self._endpoints is None or now - self._endpoints_at > KEPT_SECONDS:
                if now - self._failed_at < REFETCH_SECONDS:
                    raise ProviderUnavailable
                self._failed_at = now
                self._endpoints = await self._discover()
                self._endpoints_at, self._failed_at = now, _NEVER
            return self._endpoints

    async def _discover(self) -> Endpoints:
        url = self._provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        said = await self._json(url)
        if said.get("issuer") != self._provider.issuer:
            raise ProviderUnavailable(f"{url} is of another issuer than NEXOMATIC_OIDC_ISSUER names")
        methods = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return Endpoints(
            authorization=_address(said, "authorization_endpoint"),
            token=_address(said, "token_endpoint"),
            keys=_address(said, "jwks_uri"),
            userinfo=_address(said, "userinfo_endpoint") if said.get("userinfo_endpoint") else None,
            basic="client_secret_basic" in methods,
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        )

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> Exchanged:
        """A token for a code. Raises `NotAuthenticated` for one that is not good any more, `ProviderUnavailable`."""
        endpoints = await self.endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        auth, secret = None, self._provider.client_secret
        if secret is not None and endpoints.basic:
            auth = (quote(self._provider.client_id, safe=""), quote(secret, safe=""))
        else:
            form["client_id"] = self._provider.client_id
            if secret is not None:
                form["client_secret"] = secret
        status, body = await self._fetch.post(endpoints.token, form, auth)
        said = _read(body)
        if status == 400 and said.get("error") == "invalid_grant":
            raise NotAuthenticated("this sign-in was used already, or took too long: begin again")
        if status != 200 or not isinstance(said.get("id_token"), str):
            raise ProviderUnavailable(f"the provider gave no token: {_error(said) or status}")
        access = said.get("access_token")
        return Exchanged(said["id_token"], access if isinstance(access, str) else None)

    async def verified(self, id_token: str) -> Mapping[str, Any]:
        """The claims of a token that this provider signed. Raises `NotAuthenticated`, `ProviderUnavailable`."""
        jwk, jwt, jose_error = await asyncio.to_thread(_jose)
        try:
            header = json.loads(_decoded(id_token.partition(".")[0]))
            key = jwk.import_key(dict(await self._key(header)))
            claims: Mapping[str, Any] = jwt.decode(id_token, key, algorithms=list(ALGORITHMS)).claims
            return claims
        except (jose_error, ValueError, TypeError, AttributeError, RecursionError):
            raise NotAuthenticated("the provider's token is not signed by one of its keys") from None

    async def about(self, access_token: str) -> Mapping[str, Any]:
        """What the provider tells beyond its token, to who asks with this. Raises `ProviderUnavailable`."""
        url = (await self.endpoints()).userinfo
        return {} if url is None else await self._json(url, {"authorization": f"Bearer {access_token}"})

    async def _key(self, header: Mapping[str, Any]) -> Mapping[str, Any]:
        """The key that a token names. One that is not known is looked for once. Raises `ValueError`."""
        if header.get("alg") not in ALGORITHMS:
            raise ValueError("an algorithm that is not taken")
        endpoints = await self.endpoints()
        async with self._one_at_a_time:
            now = self._clock.monotonic()
            found = _fitting(self._keys, header) if now - self._keys_at <= KEPT_SECONDS else []
            if not found and now - self._keys_at > REFETCH_SECONDS:
                keys = (await self._json(endpoints.keys)).get("keys")
                self._keys = [each for each in keys if isinstance(each, dict)] if isinstance(keys, list) else []
                self._keys_at = now
                found = _fitting(self._keys, header)
        if len(found) != 1:
            raise ValueError("no key, or one of several")
        return found[0]

    async def _json(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        status, body = await self._fetch.get(url, headers or {})
        if status != 200:
            raise ProviderUnavailable(f"{url} answered {status}")
        return _read(body)


def _jose() -> tuple[Any, Any, type[Exception]]:
    """What verifies tokens: half a second of import, which only a process where somebody signs in so pays for."""
    from joserfc import jwk, jwt
    from joserfc.errors import JoseError

    return jwk, jwt, JoseError


def _fitting(keys: list[Mapping[str, Any]], header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Keys for signatures of this kind that have the name in the header, if it names one."""
    kind, kid = _KEY_TYPES[header["alg"][:2]], header.get("kid")
    return [
        each
        for each in keys
        if each.get("kty") == kind and each.get("use", "sig") == "sig" and (kid is None or each.get("kid") == kid)
    ]


def _address(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    if not isinstance(url, str) or not check_address(url):
        raise ProviderUnavailable(f"the provider's {name} is not an https address")
    return url


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ProviderUnavailable("the provider answered something else than it should")
    return said


def _error(said: Mapping[str, Any]) -> str | None:
    error = said.get("error")
    return error[:100] if isinstance(error, str) and error.isprintable() else None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
