"""What an ID token has to say, who it says somebody is, and what that person may. Pure; signatures are checked before.

People are known by issuer and subject, on Entra by tenant and object: never by a name or mail address, which can be
given to somebody else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from hub.errors import NotAllowed, NotAuthenticated
from hub.model.people import Role
from hub.rules.cookies import is_loopback

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key pair. Not `none`, and nothing that is keyed with what both sides know."""
SKEW_SECONDS: Final = 60
_ENTRA_HOSTS: Final = frozenset(
    {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.windows.net"}
)
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Provider:
    """Who signs people in for the hub, and which of them may what."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: str = "openid profile email"
    claim: str = "groups"
    """The claim whose values are mapped."""
    admins: frozenset[str] = frozenset()
    viewers: frozenset[str] = frozenset()
    first_admin: str | None = None
    """A subject, or a value of the claim."""

    @property
    def is_entra(self) -> bool:
        return urlsplit(self.issuer).hostname in _ENTRA_HOSTS


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whom the provider says it has signed in."""

    id: str
    """The hub's id of this person: computed, and so the same each time."""
    subject: str
    """What they are keyed by, beside the issuer."""
    called: str
    """A name to begin with. Nothing is decided by it."""
    display_name: str | None
    role: Role | None


def check_address(url: str) -> bool:
    """Whether the hub may ask there: https, or this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


def check_claims(claims: Mapping[str, Any], provider: Provider, nonce: str, now: float) -> None:
    """Raises `NotAuthenticated` unless this token is from this provider, for this hub, of this sign-in and of now."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    expires, begins, issued = (_time(claims, name) for name in ("exp", "nbf", "iat"))
    problem = None
    if claims.get("iss") != provider.issuer:
        problem = "is of another issuer"
    elif provider.client_id not in audiences:
        problem = "is for another application"
    elif len(audiences) > 1 and claims.get("azp") != provider.client_id:
        problem = "is for several applications, and was not given to this one"
    elif claims.get("azp") not in (None, provider.client_id):
        problem = "was given to another application"
    elif expires is None or expires + SKEW_SECONDS <= now:
        problem = "has expired"
    elif issued is None or issued > now + SKEW_SECONDS or (begins is not None and begins > now + SKEW_SECONDS):
        problem = "is of the future: compare the clocks"
    elif claims.get("nonce") != nonce:
        problem = "belongs to another sign-in"
    if problem is not None:
        raise NotAuthenticated(f"the provider's token {problem}")


def claimed(claims: Mapping[str, Any], provider: Provider) -> Claimed:
    """Who it is and what they may. Raises `NotAuthenticated` without a subject, `NotAllowed` for too many groups."""
    subject = _subject(claims, provider)
    key = json.dumps([provider.issuer, subject]).encode()
    display = next(
        (claims[each] for each in ("name", "preferred_username", "email") if _is_text(claims.get(each))), None
    )
    called = next(
        (claims[each] for each in ("preferred_username", "email", "name") if _is_text(claims.get(each))), subject
    )
    return Claimed(
        id=f"o{hashlib.sha256(key).hexdigest()[:24]}",
        subject=subject,
        called=called,
        display_name=display[:_SHOWN] if display else None,
        role=_role(claims, provider, subject),
    )


def says_enough(claims: Mapping[str, Any], provider: Provider) -> bool:
    """Whether the token itself has what is mapped, or says that it left it out, and a name.

    Else the provider is asked for more. Entra's tokens have all that it tells.
    """
    if provider.is_entra or _left_out(claims, provider.claim):
        return True
    return provider.claim in claims and any(each in claims for each in ("name", "preferred_username", "email"))


def name_for(called: str, prefix: str) -> str:
    """A name that the hub takes, from what the provider calls somebody."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", ".", called).strip("._-")[:40] or "somebody"
    return f"{prefix}{plain}"


def _subject(claims: Mapping[str, Any], provider: Provider) -> str:
    names = ("tid", "oid") if provider.is_entra else ("sub",)
    found = [claims.get(each) for each in names]
    if not all(_is_text(each) for each in found):
        raise NotAuthenticated(f"the provider's token does not say who this is: it lacks {' or '.join(names)}")
    return "/".join(map(str, found))


def _role(claims: Mapping[str, Any], provider: Provider, subject: str) -> Role | None:
    own = {subject, subject.rpartition("/")[2]} if provider.is_entra else {subject}
    value = claims.get(provider.claim)
    listed = value if isinstance(value, list) else [value]
    values = {each for each in listed if _is_text(each)}
    admins = provider.admins | ({provider.first_admin} if provider.first_admin else set())
    if values & admins or (provider.first_admin is not None and provider.first_admin in own):
        return Role.ADMIN
    if not values and (admins or provider.viewers) and _left_out(claims, provider.claim):
        raise NotAllowed(
            f"the provider left {provider.claim} out of its token, because there are too many: let it send only "
            "the groups assigned to this application, or map the application's roles instead (NEXOMATIC_OIDC_CLAIM)"
        )
    return Role.VIEWER if values & provider.viewers else None


def _left_out(claims: Mapping[str, Any], claim: str) -> bool:
    """Whether the claim is somewhere else: Entra puts at most 200 groups into a token, and then an address instead."""
    elsewhere = claims.get("_claim_names")
    named = isinstance(elsewhere, dict) and claim in elsewhere
    return named or (claim == "groups" and claims.get("hasgroups") in (True, "true"))


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500 and value.isprintable()
