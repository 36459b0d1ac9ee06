"""Sign-in by OpenID Connect: the authorization code flow with PKCE, bound to the browser that began it.

A cookie of ten minutes holds a random number, signed. State, nonce and the PKCE verifier are computed from it under a
key of their own, so nothing of a sign-in on its way is stored, and whoever brings a code back needs the cookie too.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from hub.clock import Clock
from hub.errors import NotAllowed, NotAuthenticated
from hub.model.people import Origin, User
from hub.people.oidc_provider import ProviderClient
from hub.people.sessions import Site
from hub.people.users import RESERVED, first_generation, users_of
from hub.rules import local_paths, oidc
from hub.rules.oidc import Claimed, Provider
from hub.rules.pkce import challenge_of
from hub.signing import BadSignature, Signer
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write

COOKIE: Final = "nexomatic-sign-in"
LASTS: Final = timedelta(minutes=10)
CALLBACK: Final = "/api/session/oidc/callback"
FORMAT: Final = 1
LONGEST: Final = 3000
MOST_WITHOUT_ROLE: Final = 500
"""Of the people who may nothing here so many are listed: with some providers anybody can sign in."""
AGAIN: Final = "this sign-in was not begun in this browser, or took longer than ten minutes: begin again"


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back with the browser."""

    code: str | None
    state: str | None
    error: str | None = None
    iss: str | None = None


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    """A sign-in that was begun."""

    drawn: str
    return_to: str


class OpenIdConnect:
    """Signs people in whom a provider knows. `new_id`: 128 random bits as text."""

    def __init__(
        self,
        provider: Provider,
        client: ProviderClient,
        signer: Signer,
        site: Site,
        write: Write,
        clock: Clock,
        new_secret: Callable[[], str],
    ) -> None:
        self._provider = provider
        self._client = client
        self._signer = signer
        self._site = site
        self._write = write
        self._clock = clock
        self._new_secret = new_secret

    async def begin(self, return_to: str) -> tuple[str, str]:
        """Where to send the browser, and the `Set-Cookie` of a sign-in that is on its way.

        Raises `Invalid` for an address that is not on this hub, `ProviderUnavailable`, `Rejected`.
        """
        local_paths.check("return_to", return_to)
        cookie = self._site.cookie(COOKIE)
        endpoints = await self._client.endpoints()
        drawn = self._new_secret()
        expires = int((self._clock.now() + LASTS).timestamp())
        said = json.dumps({"f": FORMAT, "r": drawn, "t": return_to, "e": expires}, separators=(",", ":"))
        verifier = self._derived("verifier", drawn)
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._redirect_uri(),
            "scope": self._provider.scopes,
            "state": self._derived("state", drawn),
            "nonce": self._derived("nonce", drawn),
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in endpoints.authorization else "?"
        url = f"{endpoints.authorization}{joint}{urlencode(asked)}"
        return url, cookie.set(self._signer.sign(said.encode()), int(LASTS.total_seconds()))

    async def finish(self, cookies: str | None, answered: Answered) -> tuple[User, str]:
        """Who signed in, and where they wanted to go.

        Raises `NotAuthenticated`; `NotAllowed` (disabled; groups left out; the provider said no);
        `ProviderUnavailable`.
        """
        begun = self._begun(cookies)
        if not _same(answered.state, self._derived("state", begun.drawn)):
            raise NotAuthenticated(AGAIN)
        endpoints = await self._client.endpoints()
        if answered.iss != self._provider.issuer and (answered.iss is not None or endpoints.names_itself):
            raise NotAuthenticated("this answer is not of the provider that was asked")
        if answered.error is not None or answered.code is None:
            raise NotAllowed(f"the provider did not sign anybody in: {_plain(answered.error)}")
        claims = await self._claims(answered.code, begun)
        user = await self._known(oidc.claimed(claims, self._provider))
        if user.disabled:
            raise NotAllowed("this user is disabled: ask an admin of this hub")
        return user, self._site.url() + begun.return_to

    def forgotten(self) -> str:
        """The `Set-Cookie` that ends the sign-in that was on its way: it is used."""
        return self._site.cookie(COOKIE).clear()

    async def _claims(self, code: str, begun: _OnItsWay) -> Mapping[str, Any]:
        verifier = self._derived("verifier", begun.drawn)
        exchanged = await self._client.exchange(code, verifier, self._redirect_uri())
        claims = await self._client.verified(exchanged.id_token)
        nonce = self._derived("nonce", begun.drawn)
        oidc.check_claims(claims, self._provider, nonce, self._clock.now().timestamp())
        if oidc.says_enough(claims, self._provider) or exchanged.access_token is None:
            return claims
        more = await self._client.about(exchanged.access_token)
        if more and more.get("sub") != claims.get("sub"):
            raise NotAuthenticated("the provider tells of somebody else than its token")
        return {**more, **claims}

    async def _known(self, person: Claimed) -> User:
        """The user, as they are from now on: written only when something changed."""
        done: list[User] = []

        def decide(seen: Configuration) -> Edit:
            entry = seen.get(RowKind.USER, person.id)
            known = entry.model if entry is not None else None
            before = known if isinstance(known, User) else None
            after = self._after(person, before, seen)
            done[:] = [after]
            if after == before:
                return Edit()
            return Edit(put=[Entry(RowKind.USER, after.id, after, etag=entry.etag if entry is not None else "")])

        await self._write(decide)
        return done[0]

    def _after(self, person: Claimed, before: User | None, seen: Configuration) -> User:
        if before is None:
            if person.role is None and _without_role(seen) >= MOST_WITHOUT_ROLE:
                raise NotAllowed(self._site.no_role())
            now = self._clock.now()
            return User(
                id=person.id,
                name=_free_name(person, seen),
                display_name=person.display_name,
                origin=Origin.OIDC,
                issuer=self._provider.issuer,
                subject=person.subject,
                mapped_role=person.role,
                created_at=now.replace(microsecond=0),
                generation=first_generation(now),
            )
        after = before.model_copy(update={"display_name": person.display_name, "mapped_role": person.role})
        if after.may is before.may:
            return after
        return after.model_copy(update={"generation": before.generation + 1, "ended": ()})

    def _begun(self, cookies: str | None) -> _OnItsWay:
        text = self._site.cookie(COOKIE).read(cookies)
        try:
            said = json.loads(self._signer.read(text)) if text is not None and len(text) <= LONGEST else {}
        except BadSignature:
            said = {}
        if said.get("f") != FORMAT or said["e"] <= self._clock.now().timestamp():
            raise NotAuthenticated(AGAIN)
        return _OnItsWay(said["r"], local_paths.check("return_to", said["t"]))

    def _derived(self, purpose: str, drawn: str) -> str:
        return self._signer.mac(f"{purpose} {drawn}".encode())

    def _redirect_uri(self) -> str:
        return self._site.url() + CALLBACK


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode())


def _plain(error: str | None) -> str:
    return error[:100] if error and error.isprintable() else "it does not say why"


def _without_role(seen: Configuration) -> int:
    return sum(each.origin is Origin.OIDC and each.may is None for each in users_of(seen))


def _free_name(person: Claimed, seen: Configuration) -> str:
    name = oidc.name_for(person.called, RESERVED)
    taken = {each.name.casefold() for each in users_of(seen)}
    return name if name.casefold() not in taken else f"{name}-{person.id[1:9]}"
