"""Verification: does the caller know what it must know? Over the raw bytes of the request, by the source's preset.

Pure: the secrets' values and the time are passed in. Every secret that is valid is tried, and all of them are looked at
whether one fits or not, so that how long it takes says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hub.model.verification import (
    Basic,
    Bearer,
    GenericHmac,
    GitHub,
    GitLab,
    NoVerification,
    Shared,
    Shopify,
    Slack,
    Standard,
    Stripe,
    Verification,
)
from hub.sources.request import Request
from hub.sources.verify import authorization, github, gitlab, hmac, shared, shopify, slack, standard, stripe

Check = Callable[[Any, Sequence[str], Request, datetime], None]

_PRESETS: Final[Mapping[type[Any], Check]] = {
    Bearer: authorization.bearer,
    Basic: authorization.basic,
    Shared: shared.check,
    GenericHmac: hmac.check,
    Standard: standard.check,
    GitHub: github.check,
    GitLab: gitlab.check,
    Stripe: stripe.check,
    Slack: slack.check,
    Shopify: shopify.check,
}


def verify(settings: Verification, secrets: Sequence[str], request: Request, now: datetime) -> None:
    """Return if this request is its caller's own. Raises `Unverified` that says why not, `BadSecret`.

    `secrets` are the values of the secrets that the settings name, the current one first.
    """
    if not isinstance(settings, NoVerification):
        _PRESETS[type(settings)](settings, secrets, request, now)


def credential_header(settings: Verification) -> str | None:
    """A header that the settings name for a secret or signature, in lower case: nobody else may see it."""
    named = getattr(settings, "header", None)
    return named.lower() if named is not None else None


def credential_query(settings: Verification) -> str | None:
    """A query parameter that the settings name for a secret."""
    return settings.query if isinstance(settings, Shared) else None
