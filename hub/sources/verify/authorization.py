"""`Authorization`: a bearer token, or a user name and password."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hub.errors import Unverified
from hub.model.verification import Basic, Bearer
from hub.sources.request import Request
from hub.sources.verify.signatures import WRONG_SECRET, base64_bytes, check_match, header, raw

BASIC: Final = 'Basic realm="webhook", charset="UTF-8"'


def bearer(_settings: Bearer, secrets: Sequence[str], request: Request, _now: datetime) -> None:
    """The token is the secret. Raises `Unverified`."""
    try:
        given = _credentials(request, "bearer")
        check_match([raw(given)], [each.encode() for each in secrets], WRONG_SECRET)
    except Unverified as error:
        error.challenge = "Bearer"
        raise


def basic(settings: Basic, secrets: Sequence[str], request: Request, _now: datetime) -> None:
    """The user name is the one of the settings, the password is the secret. Raises `Unverified`."""
    try:
        given = base64_bytes(_credentials(request, "basic"))
        if given is None:
            raise Unverified("Authorization: Basic is not followed by base64")
        expected = [f"{settings.username}:{each}".encode() for each in secrets]
        check_match([given], expected, "the user name or the password is not the right one")
    except Unverified as error:
        error.challenge = BASIC
        raise


def _credentials(request: Request, scheme: str) -> str:
    kind, _, credentials = header(request, "Authorization").partition(" ")
    if kind.lower() != scheme:
        raise Unverified(f"Authorization does not begin with {scheme.capitalize()}")
    return credentials.strip()
