"""Puts together what has to do with people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from hub.clock import Clock
from hub.people.devices import Devices
from hub.people.enrolment import Enrolments
from hub.people.identity import Identity
from hub.people.local_sign_in import LocalSignIn
from hub.people.nexo_sign_in import NexoSignIn
from hub.people.oidc import OpenIdConnect
from hub.people.oidc_http import ProviderHttp
from hub.people.oidc_provider import ProviderClient
from hub.people.passwords import Passwords
from hub.people.rotation import Rotation
from hub.people.secret_text import new_secret
from hub.people.sessions import Sessions, Site
from hub.people.throttle import Throttle
from hub.people.token_use import TokenUse
from hub.people.tokens import Tokens
from hub.people.users import Users
from hub.rules.callers import FrontEnd
from hub.rules.oidc import Provider
from hub.signing import Purpose, Signer
from hub.storage.configuration import Configuration, Credentials, Write
from hub.storage.ports import Tables
from hub.storage.token_use_rows import TokenUseRows

if TYPE_CHECKING:
    from argon2 import Parameters

Read: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class PeopleOptions:
    """What the settings decide of people."""

    site: Site
    session_lifetime: timedelta = timedelta(hours=12)
    front_end: FrontEnd | None = None
    first_admin_token_sha256: str | None = None
    sink_credential_days: int = 30
    """0: sinks keep the credential they were enrolled with."""
    provider: Provider | None = None
    """Of OpenID Connect; None: only the hub's own users sign in."""
    passwords: Parameters | None = None
    """How passwords are hashed; None: as RFC 9106 recommends."""


@dataclass(frozen=True, slots=True)
class Book:
    """The configuration, as people's use cases read and write it."""

    credentials: Callable[[], Awaitable[Credentials]]
    news: Read
    newest: Read
    write: Write
    tables: Tables

    async def newest_credentials(self) -> Credentials:
        """Read anew, for what the copy cannot know yet."""
        return (await self.news()).credentials


@dataclass(frozen=True, slots=True)
class People:
    """The use cases about people."""

    options: PeopleOptions
    identity: Identity
    sessions: Sessions
    devices: Devices
    local: LocalSignIn
    oidc: OpenIdConnect | None
    nexo: NexoSignIn
    users: Users
    tokens: Tokens
    token_use: TokenUse
    enrolments: Enrolments
    rotation: Rotation


def build_people(
    options: PeopleOptions,
    book: Book,
    clock: Clock,
    randomness: Callable[[], int],
    signer: Callable[[Purpose], Signer],
) -> People:
    """All of them. Asks for nothing yet."""

    def new_id() -> str:
        return f"{randomness() & (1 << 48) - 1:012x}"

    def long_id() -> str:
        return f"{randomness() & (1 << 128) - 1:032x}"

    newest, write = book.newest, book.write
    mac, days = signer(Purpose.CREDENTIAL).mac, options.sink_credential_days
    rotate_after_seconds = timedelta(days=days).total_seconds() if days else None
    token_use = TokenUse(TokenUseRows(book.tables), clock)
    passwords = Passwords(options.passwords)
    known = options.front_end is not None
    return People(
        options=options,
        identity=Identity(
            book.credentials, book.newest_credentials, clock, options.first_admin_token_sha256, token_use.used
        ),
        sessions=_sessions(options, book, clock, signer, long_id),
        devices=Devices(signer(Purpose.DEVICE), options.site, long_id),
        local=LocalSignIn(newest, write, clock, passwords, Throttle(clock.monotonic)),
        oidc=_oidc(options, book, clock, signer),
        nexo=NexoSignIn(
            signer(Purpose.NEXO), newest, write, clock, new_secret, long_id, Throttle(clock.monotonic, "codes")
        ),
        users=Users(newest, write, clock, passwords, new_secret, new_id),
        tokens=Tokens(newest, write, clock, new_secret),
        token_use=token_use,
        enrolments=Enrolments(newest, write, clock, new_secret, new_id, mac, rotate_after_seconds, front_end=known),
        rotation=Rotation(newest, write, clock, mac, rotate_after_seconds),
    )


def _sessions(
    options: PeopleOptions, book: Book, clock: Clock, signer: Callable[[Purpose], Signer], new_id: Callable[[], str]
) -> Sessions:
    return Sessions(
        signer(Purpose.SESSION),
        signer(Purpose.CSRF),
        book.credentials,
        book.newest_credentials,
        clock,
        options.site,
        options.session_lifetime,
        new_id,
    )


def _oidc(
    options: PeopleOptions, book: Book, clock: Clock, signer: Callable[[Purpose], Signer]
) -> OpenIdConnect | None:
    if options.provider is None:
        return None
    client = ProviderClient(options.provider, ProviderHttp(), clock)
    return OpenIdConnect(options.provider, client, signer(Purpose.SIGN_IN), options.site, book.write, clock, new_secret)
